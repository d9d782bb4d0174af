"""What is remembered of an app between passes, and the lines of history and audit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum
from typing import Final

from bot.model.agreed import Agreed
from bot.model.announcement import Parcel
from bot.model.control import Pin, Via
from bot.model.outcome import HealthState, PassKind, Result
from bot.model.plan import Summary
from bot.model.resource import Body, ResourceRef

_HASH: Final = re.compile(r"\b(?:[0-9a-f]{40}|(sha256:)[0-9a-f]{64})\b")


class SyncState(Enum):
    """How the cluster stands to Git, as `status` shows it."""

    SYNCED = "synced"
    DRIFTED = "drifted"
    BEHIND = "behind"
    FAILED = "failed"
    REFUSED = "refused"
    WAITING_APPROVAL = "waiting-approval"
    RELEASED = "released"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """A field, or a whole object, that was set back to what Git says: how often, from when to when, after whom."""

    what: str  # `ConfigMap default/shop data.level`
    since: datetime
    last: datetime
    count: int = 0
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One pass that changed or tried to change the cluster."""

    operation: str
    app: str
    revision: str
    ref: str
    kind: PassKind
    by: str
    via: Via
    started_at: datetime
    finished_at: datetime
    result: Result
    summary: Summary
    digest: str = ""  # of the rendered objects
    live_digest: str = ""  # of the live fields we own
    committed_at: datetime | None = None  # of the commit that changed the app; None where none did
    approved_by: tuple[str, ...] = ()  # who said yes to the plan, where it needed that
    id: int = 0  # given by the store

    @property
    def did(self) -> str:
        """What the pass did, or set out to do."""
        if self.result is Result.CONVERGED:
            return self.summary.done
        return str(self.summary) if self.summary != Summary() else "no plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppMemory:
    """The app as the last pass left it; the news compares it with the present to find edges.

    `said` is a fingerprint of the trouble last announced: the same trouble is not announced twice.
    """

    app: str  # key
    sync: SyncState = SyncState.UNKNOWN
    health: HealthState = HealthState.UNKNOWN
    seen_health: HealthState | None = None  # the last one there was, while nobody can look
    unseen_since: datetime | None = None  # from when on nobody could
    revision: str = ""  # deployed commit
    target: str = ""  # head of what is followed
    followed: str = ""  # what that was, as `AppSpec.followed` has it: the configuration may name another by now
    digest: str = ""
    begun: str = ""  # digest of the rendering that was applied since in part, and has not converged
    agreed: Agreed | None = None  # what people said yes to of it
    live_digest: str = ""
    objects: int = 0
    last_sync_at: datetime | None = None  # end of the last pass that converged and did not find it at rest
    last_error: str = ""
    consecutive_failures: int = 0
    failing_since: datetime | None = None
    failing_commit: str = ""
    degraded_since: datetime | None = None
    operation: str = ""  # whose thread the present trouble lives in
    overtaken: tuple[str, ...] = ()  # operations whose messages a rollback ends when it has converged
    planned: Summary | None = None  # what that operation set out to do, until a pass of it has ended
    written: int = 0  # objects of that, by now
    cut: HistoryEntry | None = None  # the line of what was begun, until it or one of a pass that goes on is entered
    said: str = ""
    paged: bool = False
    page_operation: str = ""
    page_alias: str = ""  # of the alert that speaks for the app
    incident: str = ""  # id of the one it is part of
    waiting_commit: str = ""  # newest commit of the app announced as waiting
    waiting_hash: str = ""  # of the plan that waits for approval
    waiting_since: datetime | None = None  # when it was asked for
    requested_by: tuple[str, ...] = ()  # who asked for the passes that found it; empty for the schedule
    path: str = ""  # where the app lies in its repository
    app_set: str = ""  # title of the set it comes from
    channel: str = ""  # where it is spoken of, for the time after the configuration dropped it
    pin_operation: str = ""  # of the last rollback that has converged
    undone: tuple[Undone, ...] = ()  # what was set back lately
    fight: str = ""  # operation of the message that says what is set back again and again
    reverted: str = ""  # operation of the last rollback whose revert was proposed, or could not be

    def has_reached(self, pin: Pin) -> bool:
        """Tell whether a rollback has converged: at its commit, and by its order where the pin names one.

        The commit alone does not tell: what people roll back to is the last that converged, while a newer one fails.
        """
        return self.revision == pin.commit and pin.operation in {"", self.pin_operation}

    def unreached(self, pin: Pin | None) -> Pin | None:
        """Return the pin of a rollback that has not converged yet; None for one that has, and where there is none."""
        return pin if pin is not None and not self.has_reached(pin) else None


class Decision(Enum):
    ALLOWED = "allowed"
    DENIED = "denied"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What is known of an image that an app follows.

    `reached` is the last followed tag that Git has had, `files` those that had it, `proposed` the last one that people
    were asked about, on a branch whose tip was `proposed_tip`. `said` is the trouble that people have heard of in the
    message of `operation`; it began at `since`.
    """

    reached: str = ""
    files: tuple[str, ...] = ()
    proposed: str = ""
    proposed_tip: str = ""  # a commit of ours; "" when the branch was there already
    said: str = ""
    since: datetime | None = None
    operation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who ordered, decided or changed what. `arguments` is the order as typed, cleaned of control characters."""

    at: datetime
    who: str
    via: Via
    verb: str
    app: str
    arguments: str
    decision: Decision
    why: str = ""

    @property
    def detail(self) -> str:
        """What was ordered and what became of it, with hashes as long as people write them."""
        parts = dict.fromkeys(part for part in (self.arguments, self.why) if part)
        return _HASH.sub(lambda found: found[0][: 19 if found[1] else 7], ": ".join(parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    """Where the chain ends: how many lines there are, and the last one's chain, "" for none."""

    lines: int
    chain: str

    def __str__(self) -> str:
        return f"{self.lines}:{self.chain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLink:
    """One line of the audit with its place in the chain.

    `chain` is the SHA-256 of the chain before, a line feed and `text`, the line as it was written.
    """

    id: int
    entry: AuditEntry
    text: str
    chain: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's verdict on exactly one plan of an app; the last one of a person on a plan counts."""

    app: str  # key
    plan_hash: str
    by: str
    via: Via
    at: datetime
    granted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """An object that was deleted because Git dropped it, as it can be created again."""

    app: str  # key
    at: datetime
    commit: str  # at which it was no longer there
    body: Body


EVERY_APP: Final = "*"  # in place of an app's key


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """No messages and no pages of an app (key, or `EVERY_APP`) until then; passes go on."""

    app: str
    by: str
    via: Via
    reason: str
    since: datetime
    until: datetime


class SinkName(Enum):
    """The three ways out."""

    SLACK = "slack"
    ONCALL = "oncall"
    WRITEBACK = "writeback"


class Turn(IntEnum):
    """When a row of a lane leaves, next to others that wait: the lower first."""

    FIRST = 0  # what wakes or asks people, and what they wait for
    NEXT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """A parcel on its way into the outbox.

    Rows of one (sink, lane) are delivered one at a time, by turn and then in order. A row with a `collapse` key takes
    the place of the waiting rows of its lane with the same key that nobody has tried yet and has to read any more
    (`bot.model.overtaking`); in their order, those with one key stay. One that `clears` its lane takes the place of all
    that waits there, tried or not: when an app has converged, a page that never got through wakes nobody any more.
    """

    sink: SinkName
    lane: str
    parcel: Parcel
    turn: Turn = Turn.NEXT
    collapse: str = ""
    clears: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Consignment:
    """A claimed row of the outbox: `attempts` counts earlier tries."""

    id: int
    sink: SinkName
    lane: str
    parcel: Parcel
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What one app owns on its cluster, as its parent ConfigMap says; `version` is for optimistic locking."""

    app: str  # the app's name
    refs: frozenset[ResourceRef]
    version: str = ""  # "" when there is no parent yet
