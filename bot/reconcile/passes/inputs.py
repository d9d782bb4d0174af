"""What makes one pass this pass: the app, why it runs, what people have decided, what the last pass left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.model.app import AppSpec
from bot.model.control import Control, Trigger
from bot.model.plan import Plan
from bot.model.record import AppMemory, Approval
from bot.model.resource import ResourceId
from bot.reconcile.notify import asking
from bot.reconcile.planning.rest import Rest


@dataclass(frozen=True, slots=True, kw_only=True)
class PassInput:
    """Everything that makes one pass this pass."""

    app: AppSpec
    trigger: Trigger
    control: Control
    memory: AppMemory
    operation: str
    now: datetime  # when the pass begins
    since: datetime  # what Git said then or later is new enough
    asks: bool  # the API server itself: watches may not have told yet what a person did, or that it refuses requests
    rest: Rest | None = None  # as the last pass left the app
    waits_for: str = ""  # title of a dependency that is not ready
    only: Callable[[ResourceId], bool] | None = None  # sync these objects and leave the others
    failures: int = 0  # passes that failed before this one, as the loop counts them
    direct: bool = False  # a terminal's command runs the pass itself
    recorded: Callable[[str], Sequence[Approval]] = lambda _: ()  # all that people said of the plan with a hash

    def verdicts(self, plan_hash: str) -> tuple[Approval, ...]:
        """Return what people said of a plan, as far as it counts now."""
        return asking.counted(self.memory, plan_hash, self.recorded, now=self.now)

    def objection(self) -> Approval | None:
        """Return the no of a person to the sync that people agreed to and that has begun; None where there is none."""
        return asking.objection(self.memory, self.recorded)

    def requesters(self, plan: Plan) -> tuple[str, ...]:
        """Return who asked for this plan: everybody who typed sync since it was first seen, and who rolls back."""
        asked = self.memory.requested_by if self.memory.waiting_hash == plan.hash else ()
        asks = [self.trigger.by] if self.trigger.asks else []
        if (pin := self.memory.unreached(self.control.pin)) is not None:
            asks.append(pin.by)
        return tuple(dict.fromkeys([*asked, *asks]))
