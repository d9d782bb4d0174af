"""The one word that `kubectl get pods` prints for a Pod."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.sandbox.kube.tables.pods import CELLS

NOW = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
RUNNING: dict[str, Any] = {"running": {}}


def ended(code: int, reason: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, **({"reason": reason} if reason else {})}}


def waits(reason: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason}}


def pod(
    *states: dict[str, Any], inits: tuple[dict[str, Any], ...] = (), phase: str = "Running", **metadata: Any
) -> dict[str, Any]:
    """Return a Pod whose containers are in these states; those that run are ready."""

    def statuses(of: tuple[dict[str, Any], ...], prefix: str) -> list[dict[str, Any]]:
        return [
            {"name": f"{prefix}{number}", "state": state, "ready": "running" in state, "restartCount": 0}
            for number, state in enumerate(of)
        ]

    initialized = "True" if all(one == ended(0, "Completed") for one in inits) else "False"
    return {
        "metadata": {"name": "one", **metadata},
        "spec": {
            "containers": [{"name": f"c{number}"} for number in range(len(states))],
            "initContainers": [{"name": f"i{number}"} for number in range(len(inits))],
        },
        "status": {
            "phase": phase,
            "conditions": [{"type": "Initialized", "status": initialized}, {"type": "Ready", "status": "True"}],
            "initContainerStatuses": statuses(inits, "i"),
            "containerStatuses": statuses(states, "c"),
        },
    }


@pytest.mark.parametrize(
    ("body", "ready", "word"),
    [
        (pod(RUNNING, RUNNING), "2/2", "Running"),
        (pod(RUNNING, waits("CrashLoopBackOff")), "1/2", "CrashLoopBackOff"),
        (pod(waits("ImagePullBackOff"), phase="Pending"), "0/1", "ImagePullBackOff"),
        (pod(ended(0, "Completed"), phase="Succeeded"), "0/1", "Completed"),
        (pod(ended(0, "Completed"), RUNNING), "1/2", "Running"),
        (pod(ended(1, "Error"), phase="Failed"), "0/1", "Error"),
        (pod(ended(3), phase="Failed"), "0/1", "ExitCode:3"),
        (pod(waits("PodInitializing"), inits=(RUNNING, waits("PodInitializing"))), "0/1", "Init:0/2"),
        (pod(waits("PodInitializing"), inits=(ended(0), waits("PodInitializing"))), "0/1", "Init:1/2"),
        (pod(waits("PodInitializing"), inits=(waits("CrashLoopBackOff"),)), "0/1", "Init:CrashLoopBackOff"),
        (pod(waits("PodInitializing"), inits=(ended(1, "Error"),)), "0/1", "Init:Error"),
        (pod(RUNNING, deletionTimestamp="2026-01-01T00:00:00Z"), "1/1", "Terminating"),
    ],
)
def test_pod_is_summed_up_in_one_word(body: dict[str, Any], ready: str, word: str) -> None:
    assert (CELLS["pods"]["Ready"](body, NOW), CELLS["pods"]["Status"](body, NOW)) == (ready, word)


def test_restarts_tell_when_the_last_one_was() -> None:
    body = pod(waits("CrashLoopBackOff"))
    status = body["status"]["containerStatuses"][0]
    status |= {"restartCount": 4, "lastState": {"terminated": {"finishedAt": "2026-01-01T00:04:00Z"}}}
    assert CELLS["pods"]["Restarts"](body, NOW) == "4 (60s ago)"
