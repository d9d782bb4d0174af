"""What became of the objects of a plan, and how they are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from bot.errors import Problem
from bot.model.agreed import Agreed, Unfinished
from bot.model.control import Trigger
from bot.model.plan import Plan, Summary
from bot.model.resource import ResourceId
from bot.model.source import Revision


class Deed(Enum):
    """What happened to one object."""

    CREATED = "created"
    UPDATED = "updated"
    RECREATED = "recreated"
    DELETED = "deleted"
    DELETING = "deleting"  # accepted, a finalizer holds it
    KEPT = "kept"  # a delete that turned out not to be ours to do; `message` says why
    FAILED = "failed"
    SKIPPED = "skipped"  # an earlier stage failed

    __hash__ = object.__hash__  # as that of Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result for one object; `message` is the server's reason, secrets masked.

    `uid` is that of an object that was written.
    """

    id: ResourceId
    deed: Deed
    message: str = ""
    uid: str = ""


class HealthState(Enum):
    """Worst last, but for UNKNOWN, which says that the kind has no rule or could not be read."""

    HEALTHY = "healthy"
    SUSPENDED = "suspended"
    PROGRESSING = "progressing"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"

    @property
    def is_good(self) -> bool:
        """Nothing has to be waited for."""
        return self is HealthState.HEALTHY or self is HealthState.SUSPENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a workload is not healthy, as a person would look for it: pod, reason, event, last log lines."""

    pod: str = ""
    reason: str = ""
    message: str = ""
    event: str = ""
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How one object is. `terminal` degraded states will not heal by waiting (image cannot be pulled)."""

    state: HealthState
    message: str = ""
    terminal: bool = False
    cause: Cause | None = None


class Result(Enum):
    """How a pass ended."""

    CONVERGED = "converged"
    UNHEALTHY = "unhealthy"
    FAILED = "failed"
    REFUSED = "refused"
    PAUSED = "paused"
    WAITING_APPROVAL = "waiting-approval"
    SKIPPED = "skipped"  # a dependency is not ready, or self_heal is off and only the cluster has moved
    SUPERSEDED = "superseded"  # a newer commit ended the health wait; its own pass follows


class PassKind(Enum):
    """What a pass was about, as the history shows it."""

    SYNC = "sync"
    ROLLBACK = "rollback"
    DRIFT = "drift"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a pass failed: one sentence, all problems, and whether a neighbour's outage is to blame, and whose."""

    message: str
    problems: tuple[Problem, ...] = ()
    transient: bool = False
    neighbour: str = ""  # what strikes every app alike: `cluster prod`, `git host git.example.com`


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """The whole story of one pass, from its trigger to the health of every object."""

    operation: str  # op_…, unique and sortable by time
    app: str  # key, `cluster/name`
    kind: PassKind
    trigger: Trigger
    started_at: datetime
    finished_at: datetime
    result: Result
    revision: Revision | None = None  # the commit the pass worked on
    target: Revision | None = None  # the branch's head; differs from `revision` while pinned
    previous: str = ""  # the commit that was deployed before
    plan: Plan | None = None
    digest: str = ""  # of the rendered objects
    live_digest: str = ""  # of the live fields we own, keyed; "" while something differs
    outcomes: tuple[Outcome, ...] = ()
    health: tuple[tuple[ResourceId, Health], ...] = field(default=())
    failure: Failure | None = None
    reason: str = ""  # for paused and skipped: one sentence
    partial: bool = False  # only some of the objects were synced, by order
    agreed: Agreed | None = None  # what people said yes to, and this pass has written or found done
    unfinished: Unfinished | None = None  # what of that is live while people are asked about the plan
    ordered_by: str = ""  # who ordered the rollback that the pass was, whoever approved or retried it

    @property
    def cause(self) -> Trigger:
        """Why the pass ran; where it went on by itself with what people had agreed to, why that did."""
        ran = self.agreed.trigger if self.agreed is not None and not self.trigger.manual else self.trigger
        return replace(ran, by=self.ordered_by) if self.ordered_by else ran

    @property
    def summary(self) -> Summary:
        return self.plan.summary if self.plan else Summary()

    @property
    def did(self) -> tuple[Outcome, ...]:
        """What was done to the cluster, or tried."""
        return tuple(one for one in self.outcomes if one.deed not in {Deed.SKIPPED, Deed.KEPT})

    @property
    def worst_health(self) -> HealthState:
        """The worst state of any object; HEALTHY when there is none."""
        order = (HealthState.DEGRADED, HealthState.PROGRESSING, HealthState.UNKNOWN, HealthState.SUSPENDED)
        healthy = HealthState.HEALTHY  # most are, and an Enum is slow to hash
        states = {health.state for _, health in self.health if health.state is not healthy}
        return next((state for state in order if state in states), healthy)
