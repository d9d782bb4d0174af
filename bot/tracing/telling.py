"""What the spans say: of a pass and its steps, and of a delivery. Pure.

Names and attributes are those of OpenTelemetry's semantic conventions for CI/CD, VCS, deployments and Kubernetes, and
of the bot itself where there are none. Texts are those that people see in Slack: masked, and without people's names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from bot.model.announcement import TEST_ALIAS, Announcement, News, Page, WriteBack
from bot.model.app import AppSpec
from bot.model.outcome import Failure, PassKind, Result, SyncReport
from bot.model.record import Consignment
from bot.ports.tracing import Fact, Passed
from bot.tracing import ids
from bot.tracing.ids import Place

_RESULTS: Final[Mapping[Result, str]] = {  # `cicd.pipeline.result`
    Result.CONVERGED: "success",
    Result.UNHEALTHY: "failure",
    Result.FAILED: "failure",
    Result.REFUSED: "skip",
    Result.PAUSED: "skip",
    Result.WAITING_APPROVAL: "skip",
    Result.SKIPPED: "skip",
    Result.SUPERSEDED: "cancellation",
}
_CUT_OFF: Final = "cut off: the process ended while it ran; the next pass goes on"
_TOLD: Final = frozenset(  # what a pass says at its beginning and its end; progress is too much, orders have no pass
    {
        News.DIFF,
        News.CONVERGED,
        News.DELETED,
        News.FAILED,
        News.REFUSED,
        News.APPROVAL,
        News.ROLLED_BACK,
        News.DRIFT,
        News.DEGRADED,
        News.RECOVERED,
        News.SETTLED,
    }
)
_EVENTS: Final = 10  # objects in trouble that a span names


class Kind(Enum):
    """`SpanKind` of OpenTelemetry."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


@dataclass(slots=True)
class Step:
    """One step; `within` is the place of the one it lies in, -1 for none. Times are nanoseconds since 1970."""

    name: str
    facts: Mapping[str, Fact]
    within: int
    began: int
    ended: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span with those that lie in it; `id` 0 is drawn. Times are nanoseconds since 1970."""

    name: str
    began: int
    ended: int
    facts: Mapping[str, Fact]
    id: int = 0
    kind: Kind = Kind.INTERNAL
    error: str = ""
    events: tuple[Mapping[str, Fact], ...] = ()
    links: tuple[Place, ...] = ()
    within: tuple[Span, ...] = ()


def root(passed: Passed, *, now: int) -> Span:
    """Return the span of an operation, from what began it to its first end."""
    report, app = passed.report, passed.app
    began = ids.began_at(report.operation) if passed.goes_on else None
    link = ids.read(report.trigger.trace)
    return Span(
        name=f"{_action(report)} {app.name}",
        id=ids.root_of(report.operation),
        kind=Kind.SERVER,
        began=_nanoseconds(min(began, passed.noticed_at) if began is not None else passed.noticed_at),
        ended=now,
        facts=_facts(app, report),
        error=_error(report.failure),
        links=(link,) if link is not None else (),
    )


def parts(passed: Passed, steps: Sequence[Step], *, began: int, now: int) -> tuple[Span, ...]:
    """Return what lies in an operation's span because of one pass: what it waited for, and the pass with its steps.

    A pass before it that was killed has told nothing of itself: it began to write, and was over when this one began.
    """
    report, app = passed.report, passed.app
    noticed = _nanoseconds(passed.noticed_at)
    found: list[Span] = []
    if passed.cut_off_at is not None:
        facts = {**_place(app), "cicd.pipeline.result": "error", "gitops_bot.result": "cut off"}
        cut_off = _nanoseconds(passed.cut_off_at)
        found.append(Span(name="pass", began=cut_off, ended=min(noticed, began), facts=facts, error=_CUT_OFF))
    if passed.asked_at is not None:
        found.append(Span(name="approval", began=_nanoseconds(passed.asked_at), ended=began, facts={}))
    if noticed < began:
        found.append(Span(name="queue", began=noticed, ended=began, facts={"gitops_bot.trigger": _via(report)}))
    failure = report.failure
    events = tuple(
        {key: text for key, text in (("object", one.subject), ("message", one.message), ("where", one.where)) if text}
        for one in (failure.problems if failure is not None else ())[:_EVENTS]
    )
    ran = Span(
        name="pass",
        began=began,
        ended=now,
        facts=_facts(app, report),
        error=_error(failure),
        events=events,
        within=_within(steps, -1),
    )
    return (*found, ran)


def operation_of(consignment: Consignment) -> str:
    """Return the operation whose trace a delivery belongs to; "" for what no pass has said, and for rollouts.

    What is about several apps that fail belongs to that with which it began.
    """
    parcel = consignment.parcel
    match parcel:
        case WriteBack():
            return ids.operation_in(parcel.operation)
        case Page():
            return ids.operation_in(parcel.operation) if parcel.alias != TEST_ALIAS else ""
        case Announcement():
            edge = parcel.news in _TOLD and not (parcel.in_thread or parcel.edits_only)
            return ids.operation_in(parcel.operation) if edge else ""
        case _:
            return ""


def delivered(consignment: Consignment, *, id: int, began: int, now: int, error: str) -> Span:
    """Return the span of one try of a delivery, with links to the operations of all the apps that it is about."""
    parcel = consignment.parcel
    assert isinstance(parcel, WriteBack | Page | Announcement)  # others are of no operation
    what = {WriteBack: "event", Page: "act", Announcement: "news"}[type(parcel)]
    value = getattr(parcel, what)
    facts: dict[str, Fact] = {
        "k8s.cluster.name": parcel.cluster,
        "deployment.environment.name": parcel.env,
        f"gitops_bot.{what}": value.value if isinstance(value, Enum) else value,
        "gitops_bot.attempt": consignment.attempts + 1,
        "gitops_bot.waited_ms": max(began - _nanoseconds(consignment.created_at), 0) // 1_000_000,
    }
    several = parcel.apps if isinstance(parcel, Announcement) else ()
    if several:
        facts["gitops_bot.apps"] = len(several)
    elif not (isinstance(parcel, Page) and parcel.is_shared):
        facts["gitops_bot.app"] = f"{parcel.cluster}/{parcel.app}"
    own = operation_of(consignment)
    others = (one for line in several if (one := ids.operation_in(line.operation)) not in {"", own})
    return Span(
        name=f"deliver {consignment.sink.value}",
        id=id,
        kind=Kind.CLIENT,
        began=began,
        ended=now,
        facts=_set(facts),
        error=error,
        links=tuple(Place(ids.trace_of(one), ids.root_of(one), sampled=True) for one in others),
    )


def _within(steps: Sequence[Step], place: int) -> tuple[Span, ...]:
    return tuple(
        Span(
            name=one.name,
            began=one.began,
            ended=one.ended,
            facts={f"gitops_bot.{name}": value for name, value in one.facts.items()},
            error=one.trouble,
            within=_within(steps, index),
        )
        for index, one in enumerate(steps)
        if one.within == place
    )


def _facts(app: AppSpec, report: SyncReport) -> Mapping[str, Fact]:
    failure = report.failure
    facts: dict[str, Fact] = {
        **_place(app),
        "cicd.pipeline.run.id": report.operation,
        "cicd.pipeline.action.name": _action(report),
        "cicd.pipeline.result": "error" if failure is not None and failure.transient else _RESULTS[report.result],
        "gitops_bot.kind": report.kind.value,
        "gitops_bot.result": report.result.value,
        "gitops_bot.trigger": _via(report),
    }
    if report.kind is not PassKind.DELETE:
        facts |= {"vcs.repository.name": app.repo, "vcs.ref.head.name": str(app.ref)}
        facts["vcs.ref.head.revision"] = report.revision.commit if report.revision is not None else ""
    if report.kind is PassKind.ROLLBACK or report.previous:
        facts["gitops_bot.previous"] = report.previous
    if report.plan is not None:
        facts |= {f"gitops_bot.objects.{name}": count for name, count in asdict(report.summary).items()}
    if failure is not None:
        facts["error.type"] = failure.neighbour or report.result.value
    return _set(facts)


def _place(app: AppSpec) -> Mapping[str, Fact]:
    return {
        "cicd.pipeline.name": app.name,
        "deployment.environment.name": app.env,
        "k8s.cluster.name": app.cluster,
        "gitops_bot.app": app.key,
    }


def _action(report: SyncReport) -> str:
    """Return the name of what is done, as `cicd.pipeline.action.name` has it: SYNC is of the conventions."""
    return "DELETE" if report.kind is PassKind.DELETE else "SYNC"


def _set(facts: Mapping[str, Fact]) -> Mapping[str, Fact]:
    return {name: value for name, value in facts.items() if value != ""}


def _error(failure: Failure | None) -> str:
    return failure.message if failure is not None else ""


def _via(report: SyncReport) -> str:
    return report.trigger.via.value


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
