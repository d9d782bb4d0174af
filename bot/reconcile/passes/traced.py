"""Which passes are told to whoever keeps traces, and which of them ends its operation. The rest leave no trace.

Told are edges, as in chat: what somebody hears of, what changed the cluster, what a person asked for. An app at rest,
a commit that changes nothing of it and a failure that is the same again are not.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Final

from bot.model.app import AppSpec
from bot.model.outcome import Result, SyncReport
from bot.model.record import AppMemory
from bot.ports.tracing import Passed, PassTrace, Tracer

_OPEN: Final = frozenset({Result.WAITING_APPROVAL, Result.REFUSED, Result.SUPERSEDED})  # another pass goes on


class Traced:
    """One for the apps of one configuration. Each app by one thread at a time."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._closed: dict[str, str] = {}  # the last operation that came to its first end, by app

    def passing(self) -> AbstractContextManager[PassTrace]:
        """Begin to follow a pass."""
        return self._tracer.passing()

    def tell(
        self,
        trace: PassTrace,
        app: AppSpec,
        report: SyncReport,
        *,
        before: AppMemory,
        after: AppMemory,
        is_heard: bool,
        noticed_at: datetime | None,
    ) -> None:
        """Tell of a pass, if it is worth it. `is_heard` where people or services hear of it.

        A pass that was cut off, that is superseded or that asks people leaves the end of its operation to the next.
        """
        # Who pauses an app wakes it too, and asks for no sync.
        is_asked_for = report.trigger.manual and not report.trigger.follows
        if not (is_heard or is_asked_for or _did(report, before, after)):
            return
        goes_on = before.operation == report.operation
        # A failure has ended it already: what goes on in its message is the fix.
        is_open = (before.planned is not None or bool(before.waiting_hash)) and not before.consecutive_failures
        closes = report.result not in _OPEN and (is_open or not goes_on)
        closes = closes and self._closed.get(app.key) != report.operation
        if closes:
            self._closed[app.key] = report.operation
        passed = Passed(
            app=app,
            report=report,
            noticed_at=min(noticed_at or report.started_at, report.started_at),
            closes=closes,
            goes_on=goes_on,
            asked_at=before.waiting_since if goes_on and report.result not in _OPEN else None,
            cut_off_at=_cut_off_at(before) if goes_on else None,
        )
        trace.ended(passed)

    def removed(self, trace: PassTrace, app: AppSpec, report: SyncReport) -> None:
        """Tell of an order to delete or release an app, an operation of its own."""
        trace.ended(Passed(app=app, report=report, noticed_at=report.started_at, closes=True))


def _did(report: SyncReport, before: AppMemory, after: AppMemory) -> bool:
    """Tell whether a pass did something, or failed with another commit, although nobody hears of it."""
    if report.result in {Result.FAILED, Result.UNHEALTHY}:
        return before.failing_commit != after.failing_commit
    return bool(report.did)


def _cut_off_at(before: AppMemory) -> datetime | None:
    """Return when the pass began that left this memory as it was killed: one that ends by itself says so in it."""
    cut = before.cut
    was_killed = before.planned is not None and cut is not None and cut.finished_at == cut.started_at
    return cut.started_at if cut is not None and was_killed and cut.operation == before.operation else None
