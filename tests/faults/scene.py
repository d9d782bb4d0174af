"""Two states of an app to go back and forth between, and what must hold whatever goes wrong on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from bot.model.outcome import Result, SyncReport
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config, secret
from tests.faults.proxy import Proxy

ROOT: Final = Path(__file__).parents[2]

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


def foreign(world: EngineWorld) -> list[dict[str, Any]]:
    """Return what is not the bot's."""
    found = []
    for plural in ("configmaps", "secrets", "serviceaccounts"):
        for one in world.plane.request("GET", world.path(plural))["items"]:
            labels = one["metadata"].get("labels") or {}
            if not any(key.startswith("gitops-bot/") for key in labels):
                found.append(one)
    return found


def owned(world: EngineWorld) -> dict[str, Any]:
    """Return the data of every object of the app by name, its parent left out."""
    return {
        one["metadata"]["name"]: one["data"]
        for plural in ("configmaps", "secrets")
        for one in world.plane.request("GET", f"{world.path(plural)}?labelSelector=gitops-bot/app%3Dshop")["items"]
        if "gitops-bot/instance" not in one["metadata"]["labels"]
    }


def is_new(world: EngineWorld) -> bool:
    """Tell whether the cluster is exactly at NEW, and the inventory lists exactly that."""
    have = owned(world)
    place = world.namespace
    return (
        set(have) == {"changed", "added", "key"}
        and have["changed"] == {"level": "debug"}
        and world.inventory() == {f"ConfigMap {place}/changed", f"ConfigMap {place}/added", f"Secret {place}/key"}
    )


def settled(world: EngineWorld) -> SyncReport:
    """Run passes until one converges: after an outage one is enough, after a lost answer perhaps a second."""
    for _ in range(3):
        report = world.tick()
        if report.result is Result.CONVERGED:
            break
    assert report.result is Result.CONVERGED, report
    return report


def steps(world: EngineWorld, proxy: Proxy) -> list[str]:
    """Return the requests of an undisturbed pass from OLD to NEW, each once, and go back to OLD."""
    world.commit(OLD)
    settled(world)
    world.commit(NEW)
    proxy.seen.clear()
    assert world.tick().result is Result.CONVERGED
    seen = [*dict.fromkeys(proxy.seen)]
    world.commit(OLD)
    settled(world)
    return seen


def terminal_sync(world: EngineWorld) -> subprocess.Popen[bytes]:
    """Start the terminal's `sync` on the world's configuration and state."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(ROOT),
        "SLACK_BOT_TOKEN": "xoxb-test",
        "SLACK_SIGNING_SECRET": "signing",
    }
    arguments = [sys.executable, "-m", "bot", "--config", str(world.file), "--log-level", "error", "sync", "shop"]
    return subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
