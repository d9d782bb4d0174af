"""What is known of a pass while it runs: each step adds to it, and its end is told from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.model.outcome import Failure, Health, Outcome, PassKind
from bot.model.plan import Plan
from bot.model.resource import ResourceId
from bot.model.source import Revision
from bot.ports.tracing import UNTRACED, Steps
from bot.reconcile.passes.consent import Consent
from bot.reconcile.planning.plans import Planned
from bot.reconcile.planning.rest import Rest


@dataclass(slots=True, kw_only=True)
class Story:
    """What is known so far; a failure at any point reports all of it."""

    kind: PassKind = PassKind.SYNC
    revision: Revision | None = None
    target: Revision | None = None
    plan: Plan | None = None
    digest: str = ""
    outcomes: tuple[Outcome, ...] = ()
    health: tuple[tuple[ResourceId, Health], ...] = ()
    failure: Failure | None = None
    reason: str = ""
    partial: bool = False
    made: Planned | None = None
    rest: Rest | None = None  # the one that held, as it is now
    consent: Consent = field(default_factory=Consent)
    steps: Steps = UNTRACED  # hears how long each takes
