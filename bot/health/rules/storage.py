"""Volumes and claims."""

from __future__ import annotations

from bot.health.rules.conditions import HEALTHY, degraded, progressing, status_of
from bot.model.outcome import Health
from bot.model.resource import Body


def claim(body: Body) -> Health:
    """A pending claim is fine: with WaitForFirstConsumer it waits for a Pod, which has a health of its own."""
    phase = status_of(body).get("phase")
    return degraded("its volume is lost", terminal=True) if phase == "Lost" else HEALTHY


def volume(body: Body) -> Health:
    status = status_of(body)
    match status.get("phase"):
        case "Available" | "Bound" | "Released":
            return HEALTHY
        case "Failed":
            return degraded(str(status.get("message") or "its reclamation failed"), terminal=True)
        case phase:
            return progressing(f"its phase is {phase or 'Pending'}")
