"""Who applies and compares the objects of one app: the bare client, kubectl, and we."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from bench.running import SPACE
from bench.workloads import Body, package
from bench.world import Engine, Measured, World

Bodies = Callable[[], Iterator[Body]]
_OTHERS: Final = 4  # apps in as many namespaces: from so many on, whole kinds are watched


def bare_apply(world: World, bodies: Bodies) -> Measured:
    return world.bare("apply", world.requests_file(bodies()))


def bare_twice(world: World, bodies: Bodies) -> Measured:
    """Send a dry-run of every object before the first write, as we do."""
    return world.bare("twice", world.requests_file(bodies()))


def kubectl_apply(world: World, bodies: Bodies) -> Measured:
    manifests = world.manifests_file(bodies())
    command = [world.kubectl_path, f"--kubeconfig={world.kubeconfig}", "apply", "--server-side", "-f", manifests]
    return world.run(command)[0]


def kubectl_diff(world: World, bodies: Bodies) -> Measured:
    command = [world.kubectl_path, f"--kubeconfig={world.kubeconfig}", "diff", "--server-side", "-f"]
    return world.run([*command, world.manifests_file(bodies())], accept=(0, 1))[0]


def engine_of(world: World, bodies: Bodies) -> Engine:
    """Commit the objects and return the engine in a process of its own, with the app prod/shop of them."""
    world.commit("apps/shop", bodies())
    return Engine(world, world.configure([_app("shop", SPACE)]))


def bot_first(world: World, bodies: Bodies) -> Measured:
    """Apply the app by a bot that knows nothing yet of the repository and the cluster."""
    with engine_of(world, bodies) as engine:
        return _applied(engine)


def bot_next(world: World, bodies: Bodies) -> Measured:
    """Apply the app, pushed a moment ago, by a bot that keeps a few others."""
    others = [f"{SPACE}-{number}" for number in range(_OTHERS)]
    world.namespaces(others)
    for other in others:
        world.commit(f"apps/{other}", package("app", other))
    with Engine(world, world.configure([_app(other, other) for other in others] + [_app("shop", SPACE)])) as engine:
        for other in others:
            engine.ask(f"apply prod/{other}")
        world.commit("apps/shop", bodies())
        return _applied(engine)


def _applied(engine: Engine) -> Measured:
    measured, said = engine.ask("apply prod/shop")
    if said["result"] not in {"converged", "unhealthy"}:  # nobody waits for health here
        raise RuntimeError(f"first apply: {said}")
    return measured


def _app(name: str, space: str) -> Mapping[str, str]:
    return {"name": name, "path": f"apps/{name}", "namespace": space}


def bot_plan(world: World) -> Measured:
    """Run `gitops-bot plan` as a fresh process."""
    bot = [sys.executable, "-m", "bot", "--log-level", "error", "--config", str(world.path / "gitops-bot.yaml")]
    return world.run([*bot, "plan"])[0]
