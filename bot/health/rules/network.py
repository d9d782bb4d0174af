"""Services and Ingresses."""

from __future__ import annotations

from bot.health.rules.conditions import HEALTHY, progressing, spec_of, status_of
from bot.model.outcome import Health
from bot.model.resource import Body


def service(body: Body) -> Health:
    """A load balancer is healthy when it has an address; every other Service at once."""
    if spec_of(body).get("type") != "LoadBalancer" or (status_of(body).get("loadBalancer") or {}).get("ingress"):
        return HEALTHY
    return progressing("its load balancer has no address yet")


def ingress(body: Body) -> Health:
    """Healthy once it exists: many controllers never write an address."""
    return HEALTHY
