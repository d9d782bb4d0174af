"""May this plan be applied? Verdicts of people on exactly one plan in, what is missing out. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot.model.app import AppSpec, Mode
from bot.model.record import Approval


def missing(app: AppSpec, verdicts: Sequence[Approval], *, requesters: Collection[str]) -> str:
    """Return why a plan is not approved, as a sentence without its full stop; "" when it is.

    Those who asked for the sync are not counted. One person's no holds the plan, whatever the others say.
    """
    if app.mode is not Mode.APPROVE:
        return ""
    refused = next((one for one in verdicts if not one.granted), None)
    if refused is not None:
        return f"{refused.by} rejected this plan" + (f": {refused.reason}" if refused.reason else "")
    granted = {one.by for one in verdicts if one.granted and one.by not in requesters}
    if len(granted) >= app.approvals:
        return ""
    people = "1 person" if app.approvals == 1 else f"{app.approvals} people"
    by = f", {len(granted)} has" if len(granted) == 1 else f", {len(granted)} have" if granted else ""
    return f"{people} must approve this plan{by}"


def is_agreed(app: AppSpec, verdicts: Sequence[Approval]) -> bool:
    """Tell whether enough people have said yes to a plan that is refused without, and nobody no."""
    return all(one.granted for one in verdicts) and len({one.by for one in verdicts}) >= app.approvals


def granted_by(app: AppSpec, verdicts: Sequence[Approval], *, requesters: Collection[str]) -> tuple[str, ...]:
    """Return who has approved and counts, in the order they did; of a refused plan anybody counts."""
    own = requesters if app.mode is Mode.APPROVE else ()
    return tuple(dict.fromkeys(one.by for one in verdicts if one.granted and one.by not in own))
