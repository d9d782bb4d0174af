"""Two states of an app to go back and forth between, and what must hold whatever goes wrong on the way."""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bot.model.outcome import Result, SyncReport
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config, deployment, job, secret
from tests.faults.proxy import Proxy
from tests.launch import Launch, Process, forked
from tests.waiting import until

KINDS: Final = {
    "ConfigMap": ("/api/v1", "configmaps"),
    "Secret": ("/api/v1", "secrets"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "Job": ("/apis/batch/v1", "jobs"),
}

State = Mapping[str, str]  # "Kind name" to the one value that makes the difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Commit `old` and then `new`: the cluster must show `shown`."""

    old: Mapping[str, str | None]
    new: Mapping[str, str | None]
    shown: State
    begins: bool = False  # the pass is the first one of its process: discovery, lists and watches are steps too

    def move(self, world: EngineWorld) -> None:
        """Commit `new`, for the pass that is disturbed."""
        world.commit(self.new)
        if self.begins:
            world.restart()

    def check(self, world: EngineWorld, told: object = "") -> None:
        """The cluster is exactly at `new`, and the inventory lists exactly that."""
        assert objects(world) == self.shown, told
        assert world.inventory() == listed(world, self.shown), told


OLD: Final = {
    "a.yaml": config("changed"),
    "b.yaml": config("dropped"),
    "c.yaml": None,
    "d.yaml": secret("key", "canary-one"),
}
NEW: Final = {
    "a.yaml": config("changed", "debug"),
    "b.yaml": None,
    "c.yaml": config("added"),
    "d.yaml": secret("key", "canary-two"),
}
CONFIGS: Final = Scene(
    old=OLD,
    new=NEW,
    shown={"ConfigMap changed": "debug", "ConfigMap added": "info", "Secret key": "canary-two"},
)
# A hook before all, a Deployment that is waited for before the next wave, a hook after all.
WORKLOADS: Final = Scene(
    old={
        "before.yaml": job("before", hook="pre-sync"),
        "after.yaml": job("after", hook="post-sync"),
        "web.yaml": deployment("web", "nginx:1", wave="1"),
        "dropped.yaml": deployment("dropped", "nginx:1"),
        "last.yaml": config("last", wave="2"),
    },
    new={
        "web.yaml": deployment("web", "nginx:2", wave="1"),
        "dropped.yaml": None,
        "last.yaml": config("last", "debug", wave="2"),
    },
    shown={"Job before": "busybox:1", "Job after": "busybox:1", "Deployment web": "nginx:2", "ConfigMap last": "debug"},
)
SCENES: Final = {"configs": CONFIGS, "first": replace(CONFIGS, begins=True), "workloads": WORKLOADS}


def foreign(world: EngineWorld) -> list[dict[str, Any]]:
    """Return what is not the bot's, once the controllers have put into the namespace what every namespace has."""
    until(lambda: world.get("configmaps", "kube-root-ca.crt"), "the namespace has its authority")
    until(lambda: world.get("serviceaccounts", "default"), "the namespace has its account")
    found = []
    for plural in ("configmaps", "secrets", "serviceaccounts"):
        for one in world.plane.request("GET", world.path(plural))["items"]:
            labels = one["metadata"].get("labels") or {}
            if not any(key.startswith("gitops-bot/") for key in labels):
                found.append(one)
    return found


def objects(world: EngineWorld) -> dict[str, str]:
    """Return all objects of the app, those that are leaving and its parent left out."""
    found: dict[str, str] = {}
    for kind, (base, plural) in KINDS.items():
        path = f"{world.path(plural, base=base)}?labelSelector=gitops-bot/app%3Dshop"
        for one in world.plane.request("GET", path)["items"]:
            about = one["metadata"]
            if "gitops-bot/instance" not in about["labels"] and "deletionTimestamp" not in about:
                found[f"{kind} {about['name']}"] = _value(kind, one)
    return found


def _value(kind: str, body: dict[str, Any]) -> str:
    """Return what makes the difference, and more where somebody else added something."""
    if kind in {"Deployment", "Job"}:
        image = str(body["spec"]["template"]["spec"]["containers"][0]["image"])
        replicas = body["spec"].get("replicas", 1)
        return image if replicas == 1 else f"{image} x{replicas}"
    data = {key: b64decode(text).decode() if kind == "Secret" else text for key, text in body["data"].items()}
    return data.pop("token" if kind == "Secret" else "level", "") + (f" {data}" if data else "")


def listed(world: EngineWorld, names: Iterable[str]) -> set[str]:
    """Return objects as an inventory names them."""
    return {f"{kind} {world.namespace}/{name}" for kind, name in map(str.split, names)}


def settled(world: EngineWorld) -> SyncReport:
    """Run passes until one converges: after an outage one is enough, after a lost answer perhaps a second."""
    for _ in range(3):
        report = world.tick()
        if report.result is Result.CONVERGED:
            break
    assert report.result is Result.CONVERGED, report
    return report


def steps(world: EngineWorld, proxy: Proxy, scene: Scene) -> list[str]:
    """Return the requests of an undisturbed pass from old to new, each once, and go back to old."""
    world.commit(scene.old)
    settled(world)
    scene.move(world)
    proxy.seen.clear()
    assert world.tick().result is Result.CONVERGED
    seen = [*dict.fromkeys(proxy.seen)]
    scene.check(world)
    world.commit(scene.old)
    settled(world)
    return seen


def terminal_sync(world: EngineWorld, *, launch: Callable[[Launch], Process] = forked) -> Process:
    """Start the terminal's `sync` on the world's configuration and state."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "SLACK_BOT_TOKEN": "xoxb-test",
        "SLACK_SIGNING_SECRET": "signing",
    }
    arguments = ["--config", str(world.file), "--log-level", "error", "sync", "shop"]
    folder = world.file.parent
    said, complained = folder / "sync.out", folder / "sync.errors"
    return launch(Launch(arguments=arguments, folder=folder, environment=environment, out=said, errors=complained))


def complaints(world: EngineWorld) -> str:
    """Return what the terminal's syncs of a world have complained of."""
    return (world.file.parent / "sync.errors").read_text(encoding="utf-8")
