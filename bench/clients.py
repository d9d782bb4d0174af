"""Who applies and compares the objects of one app: the bare client, kubectl, and we."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from bench.running import SPACE
from bench.workloads import Body
from bench.world import Engine, Measured, World

Bodies = Callable[[], Iterator[Body]]


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
    return Engine(world, world.configure([{"name": "shop", "path": "apps/shop", "namespace": SPACE}]))


def bot_plan(world: World) -> Measured:
    """Run `gitops-bot plan` as a fresh process."""
    bot = [sys.executable, "-m", "bot", "--log-level", "error", "--config", str(world.path / "gitops-bot.yaml")]
    return world.run([*bot, "plan"])[0]
