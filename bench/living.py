"""A running bot: what an edit, a push, health and other apps' trouble cost."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final

from bench.rows import Goal, Row
from bench.running import SPACE, RunningBot, at_rest, bot_in, new_world, until
from bench.workloads import configmaps, package
from bench.world import Measured, World
from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.slack import SlackWorkspace
from bot.sandbox.slack.values import Channel

_MANY_BYTES: Final = 120 * 1024**2
_EDITS: Final = 5
_FAILING: Final = 30
_HEALTHY: Final = 10
_TURNS: Final = 6
_CHANNEL: Final = "C0BENCH"


def drift(count: int) -> Iterator[Row]:
    """From a hand edit to its repair, as somebody else's watch sees both."""
    with at_rest(configmaps(count, SPACE)) as (world, bot):
        path = f"/api/v1/namespaces/{SPACE}/configmaps/c00007"

        def repaired() -> bool:
            return bool(world.plane.request("GET", path)["data"]["level"] == "info")

        times = []
        with bot.measured() as made:
            for number in range(_EDITS):
                world.plane.request("PATCH", path, body={"data": {"level": f"mine {number}"}}, kind="merge")
                times.append(until(repaired, "the edit is undone", every=0.005))
                time.sleep(1)  # the next edit finds the app at rest
        measured = made(max(times), _EDITS)
        asked = measured.requests.get("dry-run", 0) + measured.requests.get("patch", 0)
        goals = (
            Goal(got=max(times) * 1000, most=500, unit="ms"),
            Goal(got=asked, most=2, unit="requests an edit"),
            _memory(measured),
        )
        what = f"hand edit of one of {count}, undone after (worst of {_EDITS})"
        yield Row(what=what, who="gitops-bot run", measured=measured, goals=goals)


def push(count: int) -> Iterator[Row]:
    """From the push webhook of a commit that changes ten objects to the last of them applied."""
    with at_rest(configmaps(count, SPACE)) as (world, bot):
        commit = world.commit("apps/shop", configmaps(10, SPACE, level="debug"))
        path = f"/api/v1/namespaces/{SPACE}/configmaps?limit=10"

        def applied() -> bool:
            return all(one["data"]["level"] == "debug" for one in world.plane.request("GET", path)["items"])

        with bot.measured() as made:
            began = time.perf_counter()
            bot.push(commit)
            until(applied, "the commit is applied", every=0.01)
            seconds = time.perf_counter() - began
            time.sleep(2)  # what follows the apply is counted too
        measured = made(seconds, 1)
        goals = (
            Goal(got=seconds * 1000, most=1000, unit="ms"),
            Goal(got=sum(measured.requests.values()), most=3 * 10 + 10, unit="requests"),
            _memory(measured),
        )
        what = f"push that changes 10 of {count}, applied after"
        yield Row(what=what, who="gitops-bot run", measured=measured, goals=goals)


def health(_: int) -> Iterator[Row]:
    """From the moment the server says that a Deployment is available to the bot's saying that its app is synced.

    Nobody but us writes the status; what is measured includes the end of the pass, the save and our question.
    """
    names = [f"{SPACE}-{number}" for number in range(_EDITS)]
    with new_world(controllers=False, spaces=names) as world:
        for name in names:
            world.commit(f"apps/{name}", package("app", name))
        apps = [{"name": name, "path": f"apps/{name}", "namespace": name, "interval": "1h"} for name in names]
        times = []
        with bot_in(world, apps) as bot:
            for name in names:
                _until_there(world, name)
            time.sleep(2)  # all wait for health now
            with bot.measured() as made:
                for number, name in enumerate(names, start=1):
                    path = f"/apis/apps/v1/namespaces/{name}/deployments/app/status"
                    world.plane.request("PATCH", path, body={"status": _AVAILABLE}, kind="merge")
                    times.append(bot.all_synced(number))
            measured = made(statistics.median(times), _EDITS)
        goals = (Goal(got=measured.seconds * 1000, most=100, unit="ms"),)
        what = f"health seen after the server says it (median of {_EDITS})"
        yield Row(what=what, who="gitops-bot run", measured=measured, goals=goals)


_AVAILABLE: Final[Mapping[str, Any]] = {
    "observedGeneration": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "readyReplicas": 1,
    "availableReplicas": 1,
    "conditions": [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": ""}],
}


def _until_there(world: World, namespace: str) -> None:
    """Wait for a Deployment by its folder: a GET of what is not there would raise."""
    folder = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    until(lambda: bool(world.plane.request("GET", folder)["items"]), f"{namespace} is applied", every=0.1)


def trouble(_: int) -> Iterator[Row]:
    """Commit to applied of healthy apps: alone, and beside failing apps, a hanging cluster and a Slack outage."""
    healthy = [f"fine-{number}" for number in range(_HEALTHY)]
    with new_world(controllers=False) as world, _slack() as slack, _hanging() as port:
        for name in healthy:
            world.commit(f"apps/{name}", _one(name, "v0"))
        for number in range(_FAILING):
            bad = {**_one(f"bad-{number}", "v0")[0], "data": {"level": {"no": "text"}}}
            world.commit(f"apps/bad-{number}", [bad])
        world.commit("apps/far", _one("far", "v0"))
        far = world.path / "far.kubeconfig"
        far.write_text(world.plane.kubeconfig_for("none").replace(world.plane.url, f"https://127.0.0.1:{port}"))
        more = {
            "slack": {"mode": "http", "default_channel": _CHANNEL, "api_url": slack.api_url},
            "retry": {"first": "1s", "max": "5s"},
        }
        secrets = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_SIGNING_SECRET": slack.signing_secret}
        good = [_app(name, "prod") for name in healthy]
        what = f"commit to applied, {_HEALTHY} healthy apps (median of {_HEALTHY * _TURNS})"
        with bot_in(world, good, environment=secrets, **more) as bot:
            bot.all_synced(_HEALTHY)
            alone = _commits(world, bot, healthy, "alone")
        yield Row(what=what, who="gitops-bot run, undisturbed", measured=alone)
        clusters = [
            {"name": "prod", "kubeconfig": world.kubeconfig, "namespace": "gitops-bot"},
            {"name": "far", "kubeconfig": str(far), "namespace": "gitops-bot"},
        ]
        bad_apps = [_app(f"bad-{number}", "prod") for number in range(_FAILING)]
        with bot_in(
            world, [*good, *bad_apps, _app("far", "far")], environment=secrets, **more, clusters=clusters
        ) as bot:
            bot.all_synced(_HEALTHY)
            slack.fail("*", Fault(kind=FaultKind.HANG), times=None)
            time.sleep(5)  # all that fails has failed by now, and is tried again
            among = _commits(world, bot, healthy, "among")
            slack.heal()
        goals = (Goal(got=among.seconds / alone.seconds, most=1.2, unit="x"),)
        who = f"gitops-bot run, {_FAILING} apps failing, a cluster and Slack hanging"
        yield Row(what=what, who=who, measured=among, against=alone.seconds, goals=goals)


def _commits(world: World, bot: RunningBot, names: Sequence[str], word: str) -> Measured:
    """Commit to one app after the other; each is measured from its push event to the object on the cluster.

    Several times over: of a tenth of a second each, a few are hit by what others do and a few by nothing.
    """
    times = []
    with bot.measured() as made:
        for turn in range(_TURNS):
            for name in names:
                commit = world.commit(f"apps/{name}", _one(name, f"{word} {turn}"))
                began = time.perf_counter()
                bot.push(commit)
                _until_level(world, name, f"{word} {turn}")
                times.append(time.perf_counter() - began)
    return made(statistics.median(times), len(times))


def _until_level(world: World, name: str, level: str) -> None:
    path = f"/api/v1/namespaces/{SPACE}/configmaps/{name}"
    until(lambda: world.plane.request("GET", path)["data"]["level"] == level, f"{name} is applied", every=0.01)


def _one(name: str, level: str) -> list[dict[str, Any]]:
    place = {"name": name, "namespace": SPACE}
    return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": place, "data": {"level": level}}]


def _app(name: str, cluster: str) -> dict[str, Any]:
    return {"name": name, "path": f"apps/{name}", "namespace": SPACE, "cluster": cluster, "interval": "10s"}


@contextmanager
def _slack() -> Iterator[SlackWorkspace]:
    made = SlackWorkspace(channels=(Channel(id=_CHANNEL, name="bench"),))
    made.start()
    try:
        yield made
    finally:
        made.heal()
        made.stop()


@contextmanager
def _hanging() -> Iterator[int]:
    """Listen, take connections and say nothing; yields the port."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:  # it is closed
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for one in taken:
                one.close()


def _memory(measured: Measured) -> Goal:
    return Goal(got=measured.peak / 1024**2, most=_MANY_BYTES / 1024**2, unit="MiB")
