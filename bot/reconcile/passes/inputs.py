"""What makes one pass this pass: the app, why it runs, what people have decided, what the last pass left. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.model.announcement import Announcement, News
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

    @property
    def begun(self) -> Announcement:
        """What all that is said while it runs has in common; a rollback is that of who has ordered it."""
        base = self.announced(self.trigger, at=self.now)
        pin = self.memory.unreached(self.control.pin)
        return replace(base, by=pin.by) if pin is not None else base

    def announced(self, trigger: Trigger, *, at: datetime) -> Announcement:
        """Return what all that is said of this pass has in common."""
        return announced(self.app, self.operation, trigger, at=at)


def taken_up(
    memory: AppMemory,
    control: Control,
    trigger: Trigger,
    recorded: Callable[[str], Sequence[Approval]],
    *,
    now: datetime,
) -> tuple[AppMemory, str]:
    """Return what the last pass left, as the next one takes it up, and the operation that it goes on with.

    "" for an operation of its own. `recorded` returns all that people said of the plan with a hash.
    """
    asked_in = "" if asking.is_over(memory) else memory.operation
    memory = asking.sent_elsewhere(memory, control.pin)
    if trigger.manual and trigger.confirm is None and (memory.waiting_hash or memory.agreed):
        decided = asking.counted(memory, memory.waiting_hash, recorded, now=now)
        memory = asking.renewed(memory, decided, objection=asking.objection(memory, recorded), now=now)
    pin = memory.unreached(control.pin)
    if pin is None or not pin.operation:
        return memory, asked_in
    told = memory.said or memory.planned is not None  # a pass that was cut off has left its message at "syncing"
    if told and memory.operation not in {"", pin.operation, *memory.overtaken}:
        memory = replace(memory, overtaken=(*memory.overtaken, memory.operation))
    return memory, pin.operation


def announced(app: AppSpec, operation: str, trigger: Trigger, *, at: datetime) -> Announcement:
    """Return what all that is said of a pass of an app has in common."""
    return Announcement(
        id=operation,
        operation=operation,
        news=News.DIFF,
        app=app.name,
        cluster=app.cluster,
        env=app.env,
        channel=app.channel,
        at=at,
        by=trigger.by,
        via=trigger.via.value,
        ref=str(app.ref),
        prune=app.prune,
        every=app.interval,
    )
