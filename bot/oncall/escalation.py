"""When is a person woken? Pure: the memory before and after a pass in, pages out.

A page opens after N failures in a row or after T of trouble, whichever comes first; an outage of a neighbour and a
degradation count by time alone. While it is open, a new failing commit is a note. It closes with convergence, and
only then. Refused, paused and waiting apps wake nobody. The alias is stable, so that a page that was sent twice
is one alert. What is decided here is for an app alone; `bot.reconcile.incidents.folding` makes one page of many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.model.announcement import Page, PageAct
from bot.model.app import AppSpec
from bot.model.outcome import Result, SyncReport
from bot.model.record import AppMemory, SyncState
from bot.oncall.briefing import DESCRIPTION_LIMIT, MESSAGE_LIMIT, briefing, commit_lines, headline, shortened


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePolicy:
    """Failures in a row, and how long trouble may last."""

    failures: int
    duration: timedelta


def escalate(
    before: AppMemory, after: AppMemory, *, app: AppSpec, report: SyncReport, policy: PagePolicy, link: str = ""
) -> tuple[AppMemory, tuple[Page, ...]]:
    """Return the memory with what was paged, and the pages to send; `link` leads to the commit to blame."""
    now = report.finished_at
    operation = after.operation or before.operation or report.operation
    well = after.sync is SyncState.SYNCED and after.degraded_since is None and report.result is Result.CONVERGED
    if well:
        if not before.paged:
            return after, ()
        revision = report.revision.short if report.revision else ""
        page = page_of(app, PageAct.CLOSE, f"Converged at {revision} ({report.operation}).", now, before.page_operation)
        return replace(after, paged=False, page_operation=""), (page,)
    since = after.failing_since or after.degraded_since
    troubled = after.sync is SyncState.FAILED or after.degraded_since is not None
    if since is None or not troubled:
        return after, ()
    if before.paged:
        commit = after.failing_commit  # the one to blame: a commit that leaves the app alone is no news of it
        if commit and commit != before.failing_commit:
            blamed = "; ".join(commit_lines(report.revision, link))
            text = f"Still failing, now at {commit[:7]}: {after.last_error}" + (f"\n{blamed}" if blamed else "")
            return after, (page_of(app, PageAct.NOTE, text, now, before.page_operation, unique=commit[:12]),)
        return after, ()
    if after.consecutive_failures < policy.failures and now - since < policy.duration:
        return after, ()
    page = page_of(app, PageAct.OPEN, headline(app, after, report), now, operation)
    description = briefing(app, after, report, since=since, link=link)
    page = replace(page, description=description, priority=urgency(app, report))
    return replace(after, paged=True, page_operation=operation), (page,)


def urgency(app: AppSpec, report: SyncReport) -> str:
    """Return the priority of what a pass found: a failed sync leaves running what ran, a degraded workload does not."""
    if report.failure is None:
        return app.oncall_degraded or app.oncall_priority
    return (app.oncall_outage if report.failure.transient else "") or app.oncall_priority


def trial(
    alias: str,
    *,
    id: str,
    at: datetime,
    opened: str,
    closed: str,
    operation: str = "",
    channel: str = "",
    team: str = "",
    by: str = "",
) -> tuple[Page, Page]:
    """Return a test alert and its end, which say `opened` and `closed`."""
    page = Page(
        id=f"{id}:open",
        act=PageAct.OPEN,
        alias=alias,
        app="test alert",
        cluster="no cluster",
        env="",
        channel=channel,
        operation=operation,
        at=at,
        message=opened,
        priority="P5",
        team=team,
        by=by,
    )
    return page, replace(page, id=f"{id}:close", act=PageAct.CLOSE, message=closed)


def alias_of(app: AppSpec) -> str:
    """Return the alias of an app's alert."""
    return f"gitops-bot:{app.cluster}:{app.name}"


def page_of(app: AppSpec, act: PageAct, text: str, now: datetime, operation: str, *, unique: str = "") -> Page:
    """Return one call about an app's alert, with its priority; `unique` tells calls of one operation apart."""
    limit = MESSAGE_LIMIT if act is PageAct.OPEN else DESCRIPTION_LIMIT
    return Page(
        id=f"{operation}:{act.value}:{unique or int(now.timestamp())}",
        act=act,
        alias=alias_of(app),
        app=app.name,
        cluster=app.cluster,
        env=app.env,
        channel=app.channel,
        operation=operation,
        at=now,
        message=shortened(text, limit),
        priority=app.oncall_priority,
        team=app.oncall_team,
    )
