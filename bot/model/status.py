"""What people are told when they ask: how an app stands, what it can return to, who has done a thing already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bot.model.control import ControlState, Pin
from bot.model.outcome import HealthState
from bot.model.record import AuditEntry, Mute, SyncState
from bot.model.source import Revision

STANDINGS: Final = (  # the words of how apps stand, the worst first
    "failing",
    "degraded",
    "waiting for approval",
    "rejected",
    "not decided on in time",
    "refused",
    "drifted",
    "behind",
    "syncing",
    "released",
    "not synced yet",
    "paused",
    "pinned",
    "synced",
)
REJECTED: Final = "rejected it"  # ends why nobody can decide any more
UNDECIDED: Final = "nobody decided in time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A plan that waits for people, and who agreed by now.

    `over` says why nobody can decide on it any more, `reason` what was said with a no; `live` what is live of a
    sync that people had agreed to before.
    """

    plan_hash: str
    until: datetime
    needed: int
    given: tuple[str, ...] = ()
    requesters: tuple[str, ...] = ()  # who asked for the sync: their own yes is not counted
    over: str = ""
    reason: str = ""
    live: str = ""

    def told(self, *, until: str) -> str:
        """Return what waits for people, and whether they may still decide; the texts stand in it as they are."""
        live = f"{self.live}; " if self.live else ""
        if self.over:
            why = f" ({self.reason})" if self.reason else ""
            return f"{live}{'no more of it' if live else 'nothing'} is applied: {self.over}{why}"
        given = f" by {', '.join(self.given)}" if self.given else ""
        counts = f"{len(self.given)} of {self.needed} approvals{given}"
        return f"{live}waits for a yes until {until}, {counts}, plan {self.plan_hash}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppStatus:
    """`control_*` say who paused or pinned the app, why, and until when; "" and None while it runs.

    `mute` is the one that keeps the app silent longest, `page` the alias of an open page that nobody has acknowledged.
    `writes` is how many objects the sync under way changes, 0 while there is none, `written` how many of them it has.
    """

    app: str  # name
    cluster: str
    env: str
    sync: SyncState
    health: HealthState
    control: ControlState
    seen_health: HealthState | None = None  # before `unseen_since`, from when on nobody could look
    unseen_since: datetime | None = None
    control_by: str = ""
    control_reason: str = ""
    control_until: datetime | None = None
    pin: Pin | None = None  # which a pause does not end
    revision: str = ""
    target_revision: str = ""
    last_sync_at: datetime | None = None
    last_error: str = ""
    consecutive_failures: int = 0
    objects: int = 0
    question: Question | None = None
    mute: Mute | None = None
    page: str = ""
    decided: AuditEntry | None = None  # what people chose last about the drift that there is
    failing_commit: str = ""  # the one that cannot be applied, or does not become healthy
    is_begun: bool = False  # something of it was written
    is_syncing: bool = False  # the cluster is being made equal to `target_revision`
    written: int = 0
    writes: int = 0
    ref: str = ""  # what it follows when nobody has pinned it
    images: tuple[str, ...] = ()  # whose newest tags are written to Git: `quay.io/acme/shop 1.x`
    unseen: tuple[tuple[str, datetime], ...] = ()  # registries whose new tags are not seen, since when

    @property
    def key(self) -> str:
        """The app's key, as `AppSpec.key`."""
        return f"{self.cluster}/{self.app}"

    @property
    def progress(self) -> str:
        """Return `3 of 5 objects written`, "" while no sync is under way."""
        return f"{self.written} of {self.writes} object{'' if self.writes == 1 else 's'} written" if self.writes else ""

    @property
    def is_failing(self) -> bool:
        """Tell whether its last passes failed: a pause, a pin or an old commit that is fine does not end that."""
        return self.sync is SyncState.FAILED or self.consecutive_failures > 0

    @property
    def is_asked_about(self) -> bool:
        """Tell whether people may decide on its plan now."""
        return self.question is not None and not self.question.over

    @property
    def words(self) -> tuple[str, ...]:
        """Return all that people have to know of how it stands, the worst first: `failing`, `paused`."""
        asked = self.sync in {SyncState.WAITING_APPROVAL, SyncState.REFUSED}
        sync, over = self.sync, self.question.over if self.question is not None else ""
        is_so = {
            "failing": self.is_failing,
            "degraded": self.health is HealthState.DEGRADED and not self.is_failing,
            "waiting for approval": asked
            and not over
            and (self.question is not None or sync is SyncState.WAITING_APPROVAL),
            "rejected": over.endswith(REJECTED),
            "not decided on in time": over == UNDECIDED,
            "refused": sync is SyncState.REFUSED and self.question is None,
            "drifted": sync is SyncState.DRIFTED,
            "behind": sync is SyncState.BEHIND and not self.is_syncing,
            "syncing": self.is_syncing,
            "released": sync is SyncState.RELEASED,
            "not synced yet": sync is SyncState.UNKNOWN and not self.is_failing,
            "paused": self.control is ControlState.PAUSED,
            "pinned": self.pin is not None,
            "synced": sync is SyncState.SYNCED and not self.is_failing,
        }
        return tuple(word for word in STANDINGS if is_so[word])

    @property
    def rank(self) -> int:
        """How it stands among others, the worst first."""
        return STANDINGS.index(self.words[0]) if self.words else len(STANDINGS)


def counts(lines: Sequence[AppStatus]) -> str:
    """Return how many apps are synced, and how many are in each other state, the worst first; some are in several."""
    words = Counter(word for one in lines for word in one.words)
    synced = words.pop("synced", 0)
    others = ", ".join(f"{words[word]} {word}" for word in sorted(words, key=STANDINGS.index))
    return f"{synced} of {len(lines)} apps are synced" + (f"; {others}." if others else ".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """An order that was followed: the sentence for its author, and the channels where everybody reads it."""

    text: str
    heard_in: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A commit an app can return to; `deployed_at` and `by` are of the last time it converged there."""

    revision: Revision
    deployed_at: datetime | None = None
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Something a button asks for and that is over: who did it, when, and what came of it."""

    by: str
    at: datetime
    what: str
