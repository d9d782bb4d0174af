"""Job and CronJob."""

from __future__ import annotations

from bot.health.rules.conditions import (
    HEALTHY,
    condition,
    degraded,
    is_true,
    progressing,
    says,
    spec_of,
    status_of,
    suspended,
)
from bot.model import marks
from bot.model.outcome import Health
from bot.model.resource import Body


def job(body: Body) -> Health:
    """A Job that runs is current (kstatus); a hook counts only when it is complete."""
    failed = condition(body, "Failed")
    if failed and failed.get("status") == "True":
        return degraded(says(failed), terminal=True)
    if is_true(body, "Complete"):
        return HEALTHY
    if spec_of(body).get("suspend"):
        return suspended("it is suspended")
    hook = ((body.get("metadata") or {}).get("annotations") or {}).get(marks.HOOK)
    if hook:
        return progressing("the hook is not complete yet")
    return HEALTHY if status_of(body).get("startTime") else progressing("it has not started yet")


def cron_job(body: Body) -> Health:
    return suspended("it is suspended") if spec_of(body).get("suspend") else HEALTHY
