"""Namespaces, CRDs, APIServices, autoscalers and disruption budgets."""

from __future__ import annotations

from bot.health.rules.conditions import HEALTHY, condition, degraded, is_true, number, progressing, says, status_of
from bot.model.outcome import Health
from bot.model.resource import Body


def namespace(body: Body) -> Health:
    phase = status_of(body).get("phase")
    return HEALTHY if phase == "Active" else progressing(f"its phase is {phase or 'unknown'}")


def definition(body: Body) -> Health:
    """A CRD is ready when it is established: its kind is served from then on."""
    names = condition(body, "NamesAccepted")
    if names and names.get("status") == "False":
        return degraded(says(names), terminal=True)
    return HEALTHY if is_true(body, "Established") else progressing("it is not established yet")


def api_service(body: Body) -> Health:
    found = condition(body, "Available")
    if found and found.get("status") == "True":
        return HEALTHY
    return progressing(says(found) if found else "it is not available yet")


def autoscaler(body: Body) -> Health:
    """An autoscaler without metrics yet is on its way; one that cannot scale its target is not."""
    able = condition(body, "AbleToScale")
    if able and able.get("status") == "False" and able.get("reason") != "BackoffBoth":
        return degraded(says(able))
    return HEALTHY


def disruption_budget(body: Body) -> Health:
    status = status_of(body)
    if not status:
        return progressing("its controller has not seen it yet")
    healthy, wanted = number(status.get("currentHealthy")), number(status.get("desiredHealthy"))
    return HEALTHY if healthy >= wanted else progressing(f"{healthy} of {wanted} pods are healthy")
