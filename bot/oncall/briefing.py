"""What a page says: the person who is woken reads nothing else, on a phone. Pure.

The message names app, cluster, environment and what is the matter; the description answers what is asked next, in that
order: why, since when, after which commit of whom, what was good before, and the command that helps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from bot.model.app import AppSpec
from bot.model.outcome import Cause, HealthState, SyncReport
from bot.model.record import AppMemory
from bot.model.source import Revision

MESSAGE_LIMIT: Final = 130  # characters, Opsgenie alert API
DESCRIPTION_LIMIT: Final = 15_000
_TROUBLES: Final = 5  # the rest is counted: Slack has all of them
_TROUBLE: Final = 600  # characters of one
_LOG_LINES: Final = 5


def shortened(text: str, limit: int) -> str:
    """Return text of at most `limit` characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def place(app: str, cluster: str, env: str) -> str:
    """Return where it is, as a message begins: `payments / prod (production)`."""
    return f"{app} / {cluster} ({env})" if env else f"{app} / {cluster}"


def headline(app: AppSpec, memory: AppMemory, report: SyncReport) -> str:
    """Return the message of an app's page."""
    return shortened(f"{place(app.name, app.cluster, app.env)}: {_what(memory, report)}", MESSAGE_LIMIT)


def briefing(app: AppSpec, memory: AppMemory, report: SyncReport, *, since: datetime, link: str) -> str:
    """Return the description of an app's page; `link` leads to the web page of the commit to blame, "" for none."""
    failure, revision, name = report.failure, report.revision, app.name
    fails = memory.failing_since is not None  # a pass that was cut short does not say why again
    known = memory.last_error if fails else "Degraded, with no commit and no sync before it."
    lines = [failure.message if failure is not None else known]
    lines += [*_troubles(report), "", _since(since, report.finished_at, memory.consecutive_failures)]
    if failure is not None and failure.transient:
        lines.append(f"No commit is to blame: {failure.neighbour or 'a neighbour'} does not answer.")
        lines += ["", f"What helps: mend {failure.neighbour or 'it'}. It is tried again by itself."]
    elif fails:
        good = good_before(revision, report.previous)
        lines += [*commit_lines(revision, link), *_good_line(good), "", "What helps: push a fix, or"]
        lines.append(f"/gitops rollback {name} {good}" if good else f"/gitops history {name}")
        lines.append("It is tried again by itself.")
    else:
        lines += [*commit_lines(revision, link, title="Deployed"), "", "What helps, if what is deployed is to blame:"]
        lines.append(f"/gitops rollback {name} (shows what was deployed before)")
    lines.append(f"The page closes by itself when {app.title} has converged and is healthy. {report.operation}")
    return shortened("\n".join(lines), DESCRIPTION_LIMIT)


def good_before(revision: Revision | None, previous: str) -> str:
    """Return the commit to roll back to, shortened; "" where none was deployed, or that very one fails now."""
    return previous[:7] if previous and (revision is None or previous != revision.commit) else ""


def commit_lines(revision: Revision | None, link: str, *, title: str = "Commit") -> Iterator[str]:
    """Yield the commit to blame with its subject, its author and its web page."""
    if revision is None:
        return
    blamed = revision.blamed
    by = f", by {blamed.author}" if blamed.author else ""
    yield f"{title}: {blamed.short} {shortened(blamed.subject or '(no subject)', 120)}{by}"
    if link:
        yield link


def _good_line(good: str) -> Sequence[str]:
    return (f"Last good: {good}",) if good else ()


def _since(since: datetime, now: datetime, failures: int) -> str:
    minutes = int((now - since).total_seconds() // 60)
    tries = {0: "", 1: ", 1 failure"}.get(failures, f", {failures} failures in a row")
    return f"Since: {since:%Y-%m-%d %H:%M:%S} UTC ({minutes} min){tries}"


def _what(memory: AppMemory, report: SyncReport) -> str:
    if report.failure is not None:
        return memory.last_error or report.failure.message
    bad = [f"{id} is degraded: {one.message}" for id, one in report.health if one.state is HealthState.DEGRADED]
    return "; ".join(bad) or memory.last_error or "workloads are degraded with no commit to blame"


def _troubles(report: SyncReport) -> Iterator[str]:
    """Yield a line for each object or file in trouble, and below it what its workload says."""
    causes: dict[str, Cause | None] = {str(id): one.cause for id, one in report.health}
    if report.failure is not None:
        found = [(one.subject, one.where, one.message) for one in report.failure.problems]
    else:
        found = [(str(id), "", one.message) for id, one in report.health if one.state is HealthState.DEGRADED]
    for subject, where, message in found[:_TROUBLES]:
        named = " ".join(part for part in (subject, f"({where})" if where else "") if part)
        yield shortened(f"- {named}: {message}" if named else f"- {message}", _TROUBLE)
        yield from _cause(causes.get(subject), message)
    if len(found) > _TROUBLES:
        yield f"- and {len(found) - _TROUBLES} more"


def _cause(cause: Cause | None, message: str) -> Iterator[str]:
    if cause is None:
        return
    pod = f"pod {cause.pod}" if cause.pod else ""
    parts = [part for part in (pod, cause.reason, cause.message, cause.event) if part and part not in message]
    if parts:
        yield shortened(f"  {' - '.join(parts)}", _TROUBLE)
    yield from (shortened(f"  {line}", _TROUBLE) for line in cause.log[-_LOG_LINES:])
