"""What the world is told: values that wait in the outbox until their sink has delivered them.

An announcement is data, not text: the chat room turns it into Block Kit, the on-call room into an alert, the
write-back room into a commit status or a CloudEvent. All strings are masked before they come here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from bot.model.outcome import Cause
from bot.model.plan import Summary
from bot.model.source import Revision

MOVED: Final = "fails for another reason now"  # what ends an app's part in a message, and is no recovery
ROLLOUT: Final = "rollout:"  # begins the name of a message that tells one commit of many apps


class News(Enum):
    """The edges people hear of. The first word of each message is this word."""

    DIFF = "diff"
    SYNCING = "syncing"
    CONVERGED = "converged"
    FAILED = "failed"
    REFUSED = "refused"
    APPROVAL = "waiting for approval"
    DELETED = "deleted"
    APPROVED = "approved"  # one person's yes, in the thread
    REJECTED = "rejected"
    EXPIRED = "expired"  # nobody decided in time
    MUTED = "muted"
    UNMUTED = "unmuted"
    REMINDER = "reminder"  # of a pause or a pin that goes on
    DIGEST = "digest"
    PAUSED = "paused"
    RESUMED = "resumed"
    ROLLED_BACK = "rolled back"
    WAITING = "waiting"  # newer commits wait behind a pause or a pin
    DRIFT = "drift"  # seen, not undone: paused, or self_heal is off
    FIGHT = "fight"  # the same fields are set back again and again
    PROPOSED = "change proposed"  # a branch with what people changed by hand, or with a field to ignore
    DEGRADED = "degraded"
    RECOVERED = "recovered"
    SETTLED = "settled"  # drift or a question is over, and nothing was written
    PAGED = "paged"
    PAGE_CLOSED = "page closed"
    PAGE_LATE = "page late"  # the on-call service does not answer: nobody was woken yet
    ACKNOWLEDGED = "acknowledged"
    NOTICE = "notice"  # of something that ends or begins by the calendar
    UNDELIVERABLE = "undeliverable"  # a page or write-back that will not arrive


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLine:
    """One changed object for people: action word, object, changed fields as `path: before -> after`, origin.

    The action is a plan's, or `restore`: created again, because it was deleted by hand.
    """

    action: str
    object: str
    fields: tuple[str, ...] = ()
    origin: str = ""
    why: str = ""
    hands: tuple[str, ...] = ()  # who changed it by hand, and when
    paths: tuple[str, ...] = ()  # of the changed fields, in their order


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleLine:
    """One object or file in trouble: what, where in Git, what the server or the workload says, and the cause."""

    subject: str
    message: str
    where: str = ""
    cause: Cause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppLine:
    """One of the apps that a message speaks for; `how` says what ended its trouble, "" while it lasts.

    In a rollout it is the value of the last news of the app. `reason` is what it fails for, where not all of them fail
    for the same. `root` names the root message that says more of the app, and `link` is where that is read, "" where
    neither is known. `operation` is the one in which it fails.
    """

    key: str
    name: str
    cluster: str
    env: str = ""
    how: str = ""
    reason: str = ""
    root: str = ""
    link: str = ""
    operation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a sync is, in words: what is done, what is under way or waited for, what is left."""

    done: str = ""
    now: str = ""
    left: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One edge of one app.

    `operation` names the root message: every announcement of an operation edits the same message, `in_thread` ones
    are posted below it, `edits_only` ones are dropped when there is none. `id` is unique and makes a delivery
    idempotent. Times are aware UTC.
    """

    id: str
    operation: str
    news: News
    app: str
    cluster: str
    env: str
    channel: str
    at: datetime
    in_thread: bool = False
    edits_only: bool = False  # held back, or about a root message that may never have been posted
    rings: bool = False  # asks in a message that stood for something else: an edit alone is seen by nobody
    revision: Revision | None = None
    revision_url: str = ""
    compare_url: str = ""
    previous: str = ""
    ref: str = ""
    summary: Summary | None = None
    changes: tuple[ChangeLine, ...] = ()
    troubles: tuple[TroubleLine, ...] = ()
    warnings: tuple[str, ...] = ()
    impact: tuple[str, ...] = ()
    message: str = ""  # the one sentence that says what is the matter or was done
    next_step: str = ""  # what to press or type next, or what happens by itself and when
    by: str = ""
    via: str = ""
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None
    started_at: datetime | None = None
    done: int = 0
    total: int = 0
    progress: Progress | None = None
    ready: int = 0
    objects: int = 0
    failures: int = 0
    plan_hash: str = ""
    prune: bool = True
    next_at: datetime | None = None  # of the next retry
    every: timedelta | None = None  # how often Git is looked at: unlike a time, it stays true
    outage: bool = False  # a neighbour is away: no commit is to blame
    undone: bool = False  # nobody pushed anything: what was changed by hand is as in Git again
    behind: int = 0  # commits that wait behind a pause or a pin
    needed: int = 0  # distinct approvals that the plan needs
    given: tuple[str, ...] = ()  # who has approved it by now
    page: str = ""  # who was paged: `sre, P2`
    alias: str = ""  # of the alert that is open
    acknowledged_by: str = ""  # who has that alert in hand
    apps: tuple[AppLine, ...] = ()  # those that one message speaks for
    awaited: tuple[str, ...] | None = ()  # keys of apps that a rollout may reach still; None while nobody knows
    inherits: str = ""  # root message whose place this one takes, when it is the first of its own
    root: str = ""  # names the root message where that is not the operation's own: in another channel

    @property
    def holds(self) -> bool:
        """Tell whether it speaks of a pause or a pin that goes on: one that has ended has no next step."""
        return self.news in {News.PAUSED, News.ROLLED_BACK} and bool(self.next_step)

    @property
    def is_rollout(self) -> bool:
        """Tell whether it is how one commit gets to many apps."""
        return self.operation.startswith(ROLLOUT)

    @property
    def root_key(self) -> str:
        """Name the root message."""
        return self.root or self.operation


TEST_ALIAS: Final = "gitops-bot:test"  # of the alert that people try on-call with
SHARED_ALIAS: Final = "gitops-bot:_shared:"  # begins that of an alert that speaks for several apps


class PageAct(Enum):
    OPEN = "open"
    NOTE = "note"
    ACKNOWLEDGE = "acknowledge"
    RAISE = "raise"  # to a more urgent priority
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One call to the on-call service.

    `alias` is stable: `gitops-bot:<cluster>:<app>`, or `gitops-bot:_shared:<reason>` for apps that fail for one reason.
    A page with a `collapse` key takes the place of those with the same key that wait on its lane.
    """

    id: str
    act: PageAct
    alias: str
    app: str
    cluster: str
    env: str
    channel: str
    operation: str  # whose thread hears of it
    at: datetime
    message: str
    description: str = ""
    priority: str = "P3"
    team: str = ""
    by: str = ""  # who acknowledges, or asked for it
    collapse: str = ""
    provider: int = 0  # place in the configuration: each one gets a copy of its own
    via: str = ""  # its name, where there are several

    @property
    def is_shared(self) -> bool:
        """Tell whether it is about several apps: `app` says how many then."""
        return self.alias.startswith(SHARED_ALIAS)


class Verdict(Enum):
    """What a write-back says of a commit."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"


class Fault(Enum):
    """Whose fault a failure is, for programs: what to do about it is another thing."""

    COMMIT = "commit"
    OUTAGE = "outage"  # the Git host, the API server or a registry is away
    ACCESS = "access"  # one of them refuses the bot


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBack:
    """One commit status, one webhook call, or the links on the issues of a change.

    `target` is the index that the write-back had in the configuration, `receiver` its name, "" in rows of before there
    were names. `event` is one of diff, converged, failed, rolled-back. `verdict` is for commit statuses. `previous` is
    the commit that was live before, "" when none was. `fault` is that of a failure, as the values of `Fault`.
    """

    id: str
    target: int
    event: str
    verdict: Verdict
    app: str
    cluster: str
    env: str
    operation: str
    commit: str
    at: datetime
    description: str
    previous: str = ""
    url: str = ""
    summary: Summary | None = None
    digest: str = ""
    fault: str = ""
    receiver: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An ephemeral answer or a plain message that is no announcement (pickers, previews), for one person."""

    id: str
    channel: str
    user: str
    text: str
    response_url: str = ""


Parcel = Announcement | Page | WriteBack | Reply
