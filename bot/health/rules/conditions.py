"""What every rule reads: status, numbers, conditions; and the rule for kinds that have no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.model.outcome import Health, HealthState
from bot.model.resource import Body

HEALTHY: Final = Health(state=HealthState.HEALTHY)
_FAILED: Final = ("Stalled", "Failed")
_WORKING: Final = ("Reconciling", "Progressing")
_READY: Final = ("Ready", "Available", "Healthy", "Accepted", "Programmed")


def status_of(body: Body) -> Mapping[str, Any]:
    status = body.get("status")
    return status if isinstance(status, Mapping) else {}


def spec_of(body: Body) -> Mapping[str, Any]:
    spec = body.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def number(value: Any, default: int = 0) -> int:
    return value if isinstance(value, int) else default


def condition(body: Body, type: str) -> Mapping[str, Any] | None:
    """Return one condition, None when it is not there."""
    for one in status_of(body).get("conditions") or ():
        if isinstance(one, Mapping) and one.get("type") == type:
            return one
    return None


def is_true(body: Body, type: str) -> bool:
    return (condition(body, type) or {}).get("status") == "True"


def says(one: Mapping[str, Any]) -> str:
    """Return a condition's message, or its reason."""
    return str(one.get("message") or one.get("reason") or one.get("type") or "")


def progressing(message: str) -> Health:
    return Health(state=HealthState.PROGRESSING, message=message)


def degraded(message: str, *, terminal: bool = False) -> Health:
    return Health(state=HealthState.DEGRADED, message=message, terminal=terminal)


def suspended(message: str) -> Health:
    return Health(state=HealthState.SUSPENDED, message=message)


def by_conditions(body: Body) -> Health:
    """Return the health of a kind without a rule, custom resources above all: kstatus's conditions.

    An object without conditions is healthy as soon as it exists: a ConfigMap has nothing to become.
    """
    if not status_of(body).get("conditions"):
        return HEALTHY
    for type in _FAILED:
        if is_true(body, type):
            return degraded(says(condition(body, type) or {}), terminal=type == "Stalled")
    for type in _READY:
        found = condition(body, type)
        if found is None:
            continue
        if found.get("status") == "True":
            return HEALTHY
        # A controller that says False may be on its way: only the timeout makes it a failure.
        return progressing(says(found))
    for type in _WORKING:
        if is_true(body, type):
            return progressing(says(condition(body, type) or {}))
    return HEALTHY
