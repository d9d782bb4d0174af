"""What a pass would say if its app were alone, what the app fails for, and how that is recognised elsewhere. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bot.model.announcement import Announcement, News, Page
from bot.model.app import AppSpec
from bot.model.outcome import HealthState, Result, SyncReport
from bot.model.record import AppMemory
from bot.reconcile.notify.fingerprint import fingerprint, kinship

TROUBLES: Final = frozenset({News.FAILED, News.DEGRADED})


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNews:
    """What a pass would say if its app were alone.

    `heard` names the root message in each channel that hears of its trouble; `owns` tells that it begins with it.
    """

    app: AppSpec
    report: SyncReport
    before: AppMemory
    memory: AppMemory
    said: tuple[Announcement, ...]
    pages: tuple[Page, ...]
    heard: Mapping[str, str]
    owns: bool

    @property
    def trouble(self) -> Announcement | None:
        return next((one for one in self.said if one.news in TROUBLES and not one.edits_only), None)

    @property
    def is_well(self) -> bool:
        quiet = self.memory.failing_since is None and self.memory.degraded_since is None
        return self.report.result is Result.CONVERGED and quiet

    @property
    def holds(self) -> str:
        """Say what keeps an app that has a plan from being synced: people, a pause, the hour; "" for nothing."""
        if self.report.plan is None:
            return ""
        if self.report.result in {Result.REFUSED, Result.WAITING_APPROVAL}:
            return "waits for a yes"
        return self.report.reason if self.report.result in {Result.PAUSED, Result.SKIPPED} else ""

    @property
    def is_cut_off(self) -> bool:
        """True while a neighbour is away; others that need it are about to notice."""
        failure = self.report.failure
        return failure is not None and failure.transient and bool(failure.neighbour)

    @property
    def reason(self) -> str:
        """What the app fails for, of a file that could not be read with its place: `app/a.yaml:3: …`."""
        failure = self.report.failure
        if failure is not None and failure.problems and not failure.problems[0].subject:
            return str(failure.problems[0])
        return next(self._texts(), "")

    def kin(self) -> tuple[str, bool]:
        """Return the key under which apps with this reason meet, and whether a neighbour is to blame for it."""
        failure = self.report.failure
        if failure is not None and failure.neighbour:
            return fingerprint(failure.neighbour), True
        plan, app = self.report.plan, self.app
        objects = [change.id for change in plan.changes] if plan is not None else []
        own = [app.name, app.namespace, app.path, *(id.name for id in objects), *(id.namespace for id in objects)]
        alike = kinship(list(self._texts()), own=own)
        revision = self.report.revision
        if failure is None or plan is not None or revision is None:
            return alike, False
        # Files that nobody could read: two commits with the same mistake are two authors to tell.
        return hashlib.sha256(f"{alike} {revision.blamed.commit}".encode()).hexdigest(), False

    def _texts(self) -> Iterator[str]:
        failure = self.report.failure
        if failure is not None:
            yield from (one.message for one in failure.problems)
            if not failure.problems:
                yield failure.message
            return
        yield from (one.message for _, one in self.report.health if one.state is HealthState.DEGRADED)
