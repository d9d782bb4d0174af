"""Cells of Pods: above all the one word that sums up their containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.tables.text import Cell, age, first, look

Status = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class _Summary:
    """What printPod counts on its way through the containers."""

    reason: str
    ready: int = 0
    restarts: int = 0
    last_restart: str = ""

    def count_restarts(self, status: Status) -> None:
        self.restarts += int(status.get("restartCount") or 0)
        ended = look(status, "lastState.terminated.finishedAt") or ""
        self.last_restart = max(self.last_restart, ended)


def _summary(pod: Body) -> _Summary:
    """Return the word for a Pod, how many containers are ready, and their restarts.

    Source: printPod of k8s.io/kubernetes/pkg/printers/internalversion.
    """
    conditions: Sequence[Status] = look(pod, "status.conditions") or ()
    summary = _Summary(reason=str(look(pod, "status.reason") or look(pod, "status.phase") or ""))
    if any(one["type"] == "PodScheduled" and one.get("reason") == "SchedulingGated" for one in conditions):
        summary.reason = "SchedulingGated"
    sidecars = {one["name"] for one in _sidecars(pod)}
    of_sidecars = _Summary(reason="")
    initializing = False
    inits: Sequence[Status] = look(pod, "status.initContainerStatuses") or ()
    for index, status in enumerate(inits):
        summary.count_restarts(status)
        if status["name"] in sidecars:
            of_sidecars.count_restarts(status)
        if (word := _init_word(pod, index, status, is_sidecar=status["name"] in sidecars)) is not None:
            summary.reason, initializing = word, True
            break
        summary.ready += status["name"] in sidecars and bool(status.get("ready"))
    if not initializing or _is_true(conditions, "Initialized"):
        summary.restarts, summary.last_restart = of_sidecars.restarts, of_sidecars.last_restart
        _sum_up(pod, summary, is_ready=_is_true(conditions, "Ready"))
    if look(pod, "metadata.deletionTimestamp") and look(pod, "status.phase") not in ("Succeeded", "Failed"):
        summary.reason = "Unknown" if look(pod, "status.reason") == "NodeLost" else "Terminating"
    return summary


def _init_word(pod: Body, index: int, status: Status, *, is_sidecar: bool) -> str | None:
    """Return what an init container makes a Pod be called, None when it is over or runs as it should."""
    state = status.get("state") or {}
    ended, waiting = state.get("terminated"), (state.get("waiting") or {}).get("reason")
    if (ended and not ended.get("exitCode")) or (is_sidecar and status.get("started")):
        return None
    if ended:
        return f"Init:{_ended_word(ended)}"
    if waiting and waiting != "PodInitializing":
        return f"Init:{waiting}"
    return f"Init:{index}/{len(look(pod, 'spec.initContainers') or ())}"


def _sum_up(pod: Body, summary: _Summary, *, is_ready: bool) -> None:
    error, runs = "", False
    for status in reversed(look(pod, "status.containerStatuses") or ()):
        summary.count_restarts(status)
        state = status.get("state") or {}
        ended, waiting = state.get("terminated"), (state.get("waiting") or {}).get("reason")
        if waiting:
            summary.reason = waiting
        elif ended:
            summary.reason = _ended_word(ended)
            error = summary.reason if ended.get("exitCode") else error
        elif status.get("ready") and "running" in state:
            runs = True
            summary.ready += 1
    if summary.reason == "Completed":
        if runs and is_ready:
            summary.reason = "Running"
        elif error:
            summary.reason = error
        elif runs:
            summary.reason = "NotReady"


def _ended_word(ended: Mapping[str, Any]) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode')}"


def _is_true(conditions: Sequence[Status], type: str) -> bool:
    return any(one["type"] == type and one["status"] == "True" for one in conditions)


def _sidecars(pod: Body) -> list[Mapping[str, Any]]:
    return [one for one in look(pod, "spec.initContainers") or () if one.get("restartPolicy") == "Always"]


def _ready(body: Body, now: datetime) -> str:
    return f"{_summary(body).ready}/{len(look(body, 'spec.containers') or ()) + len(_sidecars(body))}"


def _restarts(body: Body, now: datetime) -> str:
    summary = _summary(body)
    if not summary.restarts or not summary.last_restart:
        return str(summary.restarts)
    return f"{summary.restarts} ({age(summary.last_restart, now)} ago)"


def _gates(body: Body, now: datetime) -> str:
    gates = look(body, "spec.readinessGates") or ()
    conditions: Sequence[Status] = look(body, "status.conditions") or ()
    if not gates:
        return "<none>"
    return f"{sum(_is_true(conditions, one['conditionType']) for one in gates)}/{len(gates)}"


CELLS: Final[Mapping[str, Mapping[str, Cell]]] = {
    "pods": {
        "Ready": _ready,
        "Status": lambda body, now: _summary(body).reason,
        "Restarts": _restarts,
        "IP": first("status.podIP", "<none>"),
        "Node": first("spec.nodeName", "<none>"),
        "Nominated Node": first("status.nominatedNodeName", "<none>"),
        "Readiness Gates": _gates,
    }
}
