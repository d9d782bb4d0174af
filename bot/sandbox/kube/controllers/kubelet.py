"""Pods on their node: containers come up one state after the other, and the Pod's status tells the sum of them.

Source: k8s.io/kubernetes/pkg/kubelet, kubelet_pods.go and status/generate.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.kube.controllers.containers import CREATING, Container, Said, Status
from bot.sandbox.kube.controllers.decision import KUBELET, NOTHING, Decision, Delete, Tell, Update, Write
from bot.sandbox.kube.controllers.images import Images
from bot.sandbox.kube.controllers.nodes import ADDRESS
from bot.sandbox.kube.controllers.objects import (
    controller_of,
    find_condition,
    generation_of,
    is_leaving,
    metadata,
    name_of,
    namespace_of,
    spec_of,
    stamp,
    status_of,
    uid_of,
    with_status,
)
from bot.sandbox.kube.controllers.pace import Pace
from bot.sandbox.kube.controllers.view import View, key_of
from bot.sandbox.kube.ports import Body

_CONDITIONS: Final = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


def decide(pod: Body, view: View, now: datetime, *, pace: Pace, images: Images) -> Decision:
    """Return the next change of a Pod that has a node, or how long it stays as it is."""
    if not spec_of(pod).get("nodeName"):
        return NOTHING
    elapsed = now - view.since(key_of("pods", pod))
    if is_leaving(pod):
        return _stop(pod, elapsed, pace)
    if status_of(pod).get("phase") in ("Succeeded", "Failed"):
        return NOTHING
    if not status_of(pod).get("startTime"):
        return _begin(pod, elapsed, now, pace, images)
    return _advance(pod, elapsed, now, pace, images)


def address_of(pod: Body) -> str:
    """Return the IP of a Pod, out of 10.128.0.0/9: it follows from the uid."""
    if spec_of(pod).get("hostNetwork"):
        return ADDRESS
    first, second, third = hashlib.sha256(uid_of(pod).encode()).digest()[:3]
    return f"10.{128 + first % 128}.{second}.{1 + third % 254}"


def _begin(pod: Body, elapsed: timedelta, now: datetime, pace: Pace, images: Images) -> Decision:
    if elapsed < pace.sandbox:
        return Decision(again_in=pace.sandbox - elapsed)
    inits, mains = containers_of(pod, pace, images)
    waiting = {"waiting": {"reason": "PodInitializing"}} if inits else CREATING
    started = with_status(pod, {**status_of(pod), "startTime": stamp(now)})
    status = _status(started, [one.blank(CREATING) for one in inits], [one.blank(waiting) for one in mains], now)
    return Decision(writes=(_update(pod, status),))


def _advance(pod: Body, elapsed: timedelta, now: datetime, pace: Pace, images: Images) -> Decision:
    inits, mains = containers_of(pod, pace, images)
    init_statuses = _by_name(status_of(pod).get("initContainerStatuses") or ())
    main_statuses = _by_name(status_of(pod).get("containerStatuses") or ())
    turn = _whose_turn(inits, init_statuses)
    moving = [turn] if turn is not None else [*mains, *(one for one in inits if not one.ends)]
    writes: list[Write] = []
    waits: list[timedelta] = []
    for one in moving:
        statuses = init_statuses if one in inits else main_statuses
        before = statuses.get(one.name) or one.blank(CREATING)
        step = one.next(before, now)
        if step is None:
            continue
        if step.after > elapsed:
            waits.append(step.after - elapsed)
            continue
        statuses[one.name] = step.status
        writes += [_tell(pod, one, said) for said in step.said]
    if not writes and all(
        statuses == _by_name(status_of(pod).get(field) or ())
        for statuses, field in ((init_statuses, "initContainerStatuses"), (main_statuses, "containerStatuses"))
    ):
        return Decision(again_in=min(waits, default=None))
    status = _status(
        pod,
        [init_statuses.get(one.name) or one.blank(CREATING) for one in inits],
        [main_statuses.get(one.name) or one.blank(CREATING) for one in mains],
        now,
    )
    return Decision(writes=(*writes, _update(pod, status)))


def containers_of(pod: Body, pace: Pace, images: Images) -> tuple[list[Container], list[Container]]:
    """Return the init containers, sidecars among them, and the others."""
    spec = spec_of(pod)
    policy = str(spec.get("restartPolicy") or "Always")
    of_job = (controller_of(pod) or {}).get("kind") == "Job"

    def made(one: Mapping[str, Any], restart: str, *, ends: bool) -> Container:
        fate = images.fate(str(one.get("image")))
        return Container(pod=pod, spec=one, fate=fate, restart=restart, ends=ends, pace=pace)

    inits = [
        made(one, "Always", ends=False)
        if one.get("restartPolicy") == "Always"
        else made(one, "OnFailure" if policy == "Always" else policy, ends=True)
        for one in spec.get("initContainers") or ()
    ]
    return inits, [made(one, policy, ends=of_job) for one in spec.get("containers") or ()]


def _whose_turn(inits: Sequence[Container], statuses: Mapping[str, Status]) -> Container | None:
    """Return the init container that the others wait for; a sidecar only has to have started."""
    for one in inits:
        status = statuses.get(one.name)
        ended = (status or {}).get("state", {}).get("terminated")
        if one.ends and not (ended and ended["exitCode"] == 0):
            return one
        if not one.ends and not (status or {}).get("started"):
            return one
    return None


def _stop(pod: Body, elapsed: timedelta, pace: Pace) -> Decision:
    """End the containers, then let the Pod go."""
    if elapsed < pace.stop:
        return Decision(again_in=pace.stop - elapsed)
    if metadata(pod).get("deletionGracePeriodSeconds") == 0:
        return NOTHING
    writes: list[Write] = [
        Tell(
            about=pod,
            reason="Killing",
            message=f"Stopping container {one['name']}",
            component=KUBELET,
            field_path=f"spec.containers{{{one['name']}}}",
        )
        for one in status_of(pod).get("containerStatuses") or ()
        if "running" in one["state"]
    ]
    gone = Delete(resource="pods", namespace=namespace_of(pod), name=name_of(pod), uid=uid_of(pod), grace_seconds=0)
    return Decision(writes=(*writes, gone))


def _status(pod: Body, inits: Sequence[Status], mains: Sequence[Status], now: datetime) -> dict[str, Any]:
    phase = _phase(pod, inits, mains)
    conditions = _conditions(pod, phase, inits, mains, now)
    address = address_of(pod)
    known = status_of(pod)
    status: dict[str, Any] = {
        **{key: known[key] for key in ("qosClass", "startTime") if key in known},
        "observedGeneration": generation_of(pod),
        "phase": phase,
        "conditions": conditions,
        "hostIP": ADDRESS,
        "hostIPs": [{"ip": ADDRESS}],
        **({"initContainerStatuses": list(inits)} if inits else {}),
        "containerStatuses": list(mains),
    }
    if any("waiting" not in one["state"] or one["restartCount"] for one in (*inits, *mains)) or known.get("podIP"):
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    return status


def _phase(pod: Body, inits: Sequence[Status], mains: Sequence[Status]) -> str:
    ends = [one["state"].get("terminated") for one in mains]
    if spec_of(pod).get("restartPolicy") == "Never":
        if any((one["state"].get("terminated") or {}).get("exitCode") for one in inits):
            return "Failed"
        if all(ends):
            return "Failed" if any(end["exitCode"] for end in ends if end) else "Succeeded"
    elif all(end is not None and end["exitCode"] == 0 for end in ends):
        return "Succeeded"
    if any("waiting" in one["state"] and not one["lastState"] for one in mains):
        return "Pending"
    return "Running"


def _conditions(
    pod: Body, phase: str, inits: Sequence[Status], mains: Sequence[Status], now: datetime
) -> list[Mapping[str, Any]]:
    unready = [str(one["name"]) for one in mains if not one["ready"]]
    waiting = [
        str(one["name"])
        for one in inits
        if not one.get("started") and (one["state"].get("terminated") or {"exitCode": 1})["exitCode"]
    ]
    not_ready = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]") if unready else None
    if phase == "Succeeded":
        not_ready, waiting = ("PodCompleted", ""), []
    not_begun = ("ContainersNotInitialized", f"containers with incomplete status: [{' '.join(waiting)}]")
    before_start = all("waiting" in one["state"] and not one["restartCount"] for one in (*inits, *mains))
    troubles = {
        "PodReadyToStartContainers": ("", "") if before_start else None,
        "Initialized": not_begun if waiting else None,
        "Ready": not_ready,
        "ContainersReady": not_ready,
    }
    known: Sequence[Mapping[str, Any]] = status_of(pod).get("conditions") or ()
    said: list[Mapping[str, Any]] = []
    for type in _CONDITIONS:
        trouble = troubles[type]
        status = "True" if trouble is None else "False"
        before = find_condition(known, type) or {}
        since = before["lastTransitionTime"] if before.get("status") == status else stamp(now)
        one = {"type": type, "status": status, "observedGeneration": generation_of(pod), "lastTransitionTime": since}
        reason, message = trouble or ("", "")
        said.append(one | ({"reason": reason} if reason else {}) | ({"message": message} if message else {}))
    return [*said, *(one for one in known if one.get("type") not in _CONDITIONS)]


def _update(pod: Body, status: Mapping[str, Any]) -> Update:
    return Update(resource="pods", body=with_status(pod, status), manager=KUBELET, subresource="status")


def _tell(pod: Body, container: Container, said: Said) -> Tell:
    kind = "containers" if container.spec in (spec_of(pod).get("containers") or ()) else "initContainers"
    return Tell(
        about=pod,
        reason=said.reason,
        message=said.message,
        component=KUBELET,
        warning=said.warning,
        field_path=f"spec.{kind}{{{container.name}}}",
    )


def _by_name(statuses: Sequence[Status]) -> dict[str, Status]:
    return {str(one["name"]): one for one in statuses}
