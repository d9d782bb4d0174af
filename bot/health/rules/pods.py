"""Pods: on their own, and as the reason why a workload cannot run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.health.rules.conditions import HEALTHY, condition, degraded, is_true, progressing, says, spec_of, status_of
from bot.model.outcome import Health
from bot.model.resource import Body

# Reasons that no waiting mends: the kubelet retries, but what it retries stays wrong until somebody changes it.
_TERMINAL: Final = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)


def pod(body: Body) -> Health:
    """Return the health of a Pod of its own."""
    bad = cannot_run(body)
    if bad is not None:
        return bad
    phase = status_of(body).get("phase")
    if phase == "Succeeded":
        return HEALTHY
    if phase == "Failed":
        return degraded(str(status_of(body).get("message") or "it failed"), terminal=True)
    if phase == "Running" and is_true(body, "Ready"):
        return HEALTHY
    unscheduled = condition(body, "PodScheduled")
    if unscheduled and unscheduled.get("status") == "False":
        return progressing(says(unscheduled))
    return progressing(f"its phase is {phase or 'Pending'}")


def cannot_run(body: Body) -> Health | None:
    """Return why a Pod will not run by waiting; None when it may. Pods on their way out do not count."""
    if (body.get("metadata") or {}).get("deletionTimestamp"):
        return None
    status = status_of(body)
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting: Mapping[str, Any] = (one.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason")
        if reason in _TERMINAL:
            image = _image(body, str(one.get("name")))
            return degraded(
                f"{reason} in container {one.get('name')} of pod {body['metadata'].get('name')} (image {image})",
                terminal=True,
            )
    return None


def _image(body: Body, container: str) -> str:
    spec = spec_of(body)
    all_of = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    return next((str(one.get("image")) for one in all_of if one.get("name") == container), "unknown")
