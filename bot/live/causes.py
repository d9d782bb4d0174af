"""Why a workload is not healthy, as a person would look for it: the worst Pod, its event, its last words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bot.errors import ClusterError
from bot.live.transport import Transport
from bot.model.outcome import Cause
from bot.model.resource import Body

_LOG_LINES: Final = 5
_LINE_LIMIT: Final = 300


def explain(transport: Transport, body: Body, pods: Sequence[Body]) -> Cause | None:
    """Return the cause of the worst Pod, or of the object itself; None when there is nothing to say."""
    worst = max(pods, key=_badness, default=None)
    if worst is None or _badness(worst) == 0:
        event = _event(transport, body)
        return Cause(event=event) if event else None
    metadata = worst["metadata"]
    container, reason, message = _trouble(worst)
    return Cause(
        pod=str(metadata.get("name") or ""),
        reason=reason,
        message=message[:_LINE_LIMIT],
        event=_event(transport, worst),
        log=_log(transport, worst, container) if container.get("restartCount") else (),
    )


def _badness(pod: Body) -> int:
    _, reason, _ = _trouble(pod)
    restarts = sum(int(one.get("restartCount") or 0) for one in _containers(pod))
    return (1000 if reason else 0) + min(restarts, 999)


def _containers(pod: Body) -> list[Mapping[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _trouble(pod: Body) -> tuple[Mapping[str, Any], str, str]:
    """Return the container that does not run, its reason and its message."""
    for one in _containers(pod):
        state = one.get("state") or {}
        waiting = state.get("waiting") or {}
        if waiting.get("reason") not in {None, "", "ContainerCreating", "PodInitializing"}:
            last = (one.get("lastState") or {}).get("terminated") or {}
            ended = f"; it ended with exit code {last['exitCode']}" if "exitCode" in last else ""
            return one, str(waiting["reason"]), f"{waiting.get('message') or ''}{ended}".lstrip("; ")
        ended_now = state.get("terminated") or {}
        if ended_now.get("exitCode"):
            return one, str(ended_now.get("reason") or "Error"), f"exit code {ended_now['exitCode']}"
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return {}, str(condition.get("reason") or ""), str(condition.get("message") or "")
    if status.get("phase") == "Failed":
        return {}, str(status.get("reason") or "Failed"), str(status.get("message") or "")
    return {}, "", ""


def _event(transport: Transport, body: Body) -> str:
    """Return the newest warning event of an object."""
    metadata = body["metadata"]
    namespace = metadata.get("namespace") or "default"
    selector = f"involvedObject.uid={metadata.get('uid')},type=Warning"
    try:
        reply = transport.request("GET", f"/api/v1/namespaces/{namespace}/events", query={"fieldSelector": selector})
    except ClusterError:
        return ""  # the cause is a courtesy: what failed is said already
    events = sorted(
        reply.body.get("items") or (), key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime"))
    )
    return f"{events[-1].get('reason')}: {events[-1].get('message')}"[:_LINE_LIMIT] if events else ""


def _log(transport: Transport, pod: Body, container: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the last lines that the container wrote before it ended."""
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/log"
    query = {"container": str(container.get("name")), "previous": "true", "tailLines": str(_LOG_LINES)}
    try:
        lines = transport.text(path, query=query).splitlines()
    except ClusterError:
        return ()
    return tuple(line[:_LINE_LIMIT] for line in lines[-_LOG_LINES:])
