"""How long a failed app rests before it is tried again, and what brings that closer. Pure.

A pass that fails rests for longer each time; one that converged may rest too, where somebody fights over its objects.
An outage that ends, or a commit that is not about the app, brings the next try closer and never puts it off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot.model.outcome import Result, SyncReport
from bot.reconcile.notify.fingerprint import api_server

_RETURN_REST: Final = timedelta(seconds=5)  # after a failure: a cluster may come and go


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Back-off after the n-th failed pass in a row: first * factor^(n-1), at most `longest`."""

    first: timedelta
    factor: float
    longest: timedelta

    def after(self, failures: int) -> timedelta:
        power = min(max(failures - 1, 0), 64)
        return min(timedelta(seconds=min(self.first.total_seconds() * self.factor**power, 1e9)), self.longest)


@dataclass(slots=True)
class Tries:
    """One app's; guarded by whoever has it."""

    failures: int = 0  # in a row
    commit: str = ""  # that the last pass failed at, while the app rests
    not_before: datetime | None = None
    cut_off_at: datetime | None = None  # when the last pass ended because its cluster was away

    def rests(self, now: datetime) -> bool:
        return self.not_before is not None and now < self.not_before

    def ended(
        self, report: SyncReport | None, retry: Retry, *, calm: timedelta, now: datetime, returned: datetime
    ) -> None:
        """Note how a pass ended, None for one that left no report, and how long the next one rests.

        `calm` is the rest after one that did not fail. `returned` is when the app's cluster last came back: one that
        did while the pass was failing is asked soon.
        """
        failed = has_failed(report)
        self.failures = self.failures + 1 if failed else 0
        rest = retry.after(self.failures) if failed else calm
        self.cut_off_at = now if report is not None and _is_cut_off(report) else None
        if self.cut_off_at and report and returned >= report.started_at:
            rest = min(rest, _RETURN_REST)
        self.not_before = now + rest if rest else None
        self.commit = report.target.commit if rest and report and report.target else ""

    def sooner(self, at: datetime) -> bool:
        """Rest until `at` at most; False where that is no sooner."""
        if self.not_before is None or at >= self.not_before:
            return False
        self.not_before = at
        return True

    def cluster_returned(self, now: datetime) -> datetime | None:
        """Rest no longer than a moment where the outage that has ended was the trouble; returns until when."""
        if self.cut_off_at is None:
            return None
        at = max(self.cut_off_at + _RETURN_REST, now)
        return at if self.sooner(at) else None


def has_failed(report: SyncReport | None) -> bool:
    """Tell whether a pass is to be tried again."""
    return report is None or report.result in {Result.FAILED, Result.UNHEALTHY}


def _is_cut_off(report: SyncReport) -> bool:
    return report.failure is not None and report.failure.neighbour == api_server(report.app.partition("/")[0])
