"""Says what a pass is about to do and how far it is, in the outbox, while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.model.announcement import Announcement
from bot.model.app import AppSpec
from bot.model.outcome import Health, HealthState, Outcome, PassKind
from bot.model.plan import Plan
from bot.model.record import AppMemory, Dispatch, HistoryEntry, Pruned
from bot.model.resource import Body, ResourceId
from bot.model.source import Revision
from bot.oncall.escalation import PagePolicy
from bot.plan.restoring import keepsake
from bot.ports.source import ProposalHosts
from bot.ports.state import Store
from bot.reconcile.notify import fights, news
from bot.reconcile.notify.post import Post
from bot.reconcile.notify.telling import Links, Target
from bot.reconcile.passes import interrupted
from bot.reconcile.passes.consent import Consent

_PROGRESS_EVERY: Final = timedelta(seconds=3)  # Slack takes 50 edits a minute; people read no faster


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Who is told what besides: links, write-backs, pages, when it is tried again, and the lanes it goes by."""

    links: Callable[[AppSpec, Revision, str], Links]
    targets: Sequence[Target]
    policy: PagePolicy | None
    retry: Callable[[int], timedelta]  # pause after the n-th failure in a row
    post: Post
    hosts: ProposalHosts  # by which a revert gets to people


class Narrator:
    """Says in the outbox what a pass is about to do and how far it is.

    Where one message speaks for many apps, named by `fold`, each one's changes stand in its thread.
    """

    def __init__(
        self,
        app: AppSpec,
        base: Announcement,
        store: Store,
        outside: Outside,
        memory: AppMemory,
        *,
        fold: str = "",
    ) -> None:
        self.memory, self._fold = memory, fold
        self._app, self._base, self._store, self._outside = app, base, store, outside
        self._latest: Announcement | None = None
        self._plan: Plan | None = None
        self._done: set[ResourceId] = set()
        self._writes: frozenset[ResourceId] = frozenset()
        self._before = 0  # objects that passes before this one have written of what people agreed to
        self._said_at = base.at

    def planned(self, plan: Plan, kind: PassKind, digest: str, consent: Consent) -> None:
        links = self._outside.links(self._app, plan.revision, self.memory.revision)
        base = replace(self._base, revision_url=links.commit, compare_url=links.compare, previous=self.memory.revision)
        base = replace(base, started_at=self._base.at, total=plan.summary.total)
        known = kind is PassKind.DRIFT and fights.is_known(self.memory, plan, self._base.at)
        said, backs = news.found(
            self._app, plan, kind, base=base, targets=self._outside.targets, unfinished=consent.unfinished
        )
        rows = self._outside.post.rows([*said, *backs])
        if self._fold:
            thread = [replace(one, operation=self._fold) for one in said if one.in_thread]
            rows = (*self._outside.post.exactly(thread), *self._outside.post.rows(backs))
        if known:  # the message about the fight counts it
            rows = ()
        self._latest, self._plan = None if self._fold or known else said[-1], plan
        # The operation is remembered first: a pass killed after this line goes on in the same message.
        agreed = consent.agreed
        planned = agreed.summary if agreed is not None else plan.summary
        cut, own = self.memory.cut, interrupted.begun(plan, kind, digest, consent, app=self._app.key, base=self._base)
        if cut is not None and cut.digest != digest:
            self.enter(cut)
        self._writes = frozenset(change.id for change in plan.writes)
        self._before = max(planned.total - plan.summary.total, 0)
        self.memory = replace(
            self.memory,
            operation=self._base.operation,
            planned=planned,
            written=self._before,
            begun=digest,
            agreed=agreed,
            cut=own,
        )
        self._store.save_pass(self.memory, dispatches=rows)

    def enter(self, cut: HistoryEntry) -> None:
        """Enter the line of what another pass had begun, in one transaction with that it is entered."""
        self.memory = replace(self.memory, cut=None)
        self._store.save_pass(self.memory, history=cut, audits=interrupted.lines(cut))

    def applied(self, outcome: Outcome) -> None:
        self._done.add(outcome.id)
        if self._is_due():
            self._say(f"{outcome.deed.value} {outcome.id}")

    def pruning(self, bodies: list[Body]) -> None:
        kept = [one for one in map(keepsake, bodies) if one is not None]
        commit = self._plan.revision.commit if self._plan is not None else ""
        self._store.save_pruned([Pruned(app=self._app.key, at=self._now(), commit=commit, body=body) for body in kept])

    def waiting(self, health: Mapping[ResourceId, Health]) -> None:
        if not self._is_due():
            if self._plan is not None and self.memory.written != self._written():
                self._count()
            return
        late = [id for id, one in health.items() if one.state is HealthState.PROGRESSING]
        more = f" and {len(late) - 1} more" if len(late) > 1 else ""
        self._say(f"waiting for {late[0]}: {health[late[0]].message}{more}" if late else "")

    def _is_due(self) -> bool:
        return self._plan is not None and self._now() - self._said_at >= _PROGRESS_EVERY

    def _say(self, message: str) -> None:
        now = self._said_at = self._now()
        self._count(*self._outside.post.rows(self._progress(message, now)))

    def _count(self, *dispatches: Dispatch) -> None:
        """Save how far the sync is, for `status`, with what is said of it."""
        self.memory = replace(self.memory, written=self._written())
        self._store.save_pass(self.memory, dispatches=dispatches)

    def _written(self) -> int:
        return self._before + len(self._writes & self._done)

    def _progress(self, message: str, now: datetime) -> Sequence[Announcement]:
        """Return the message as it reads now; nothing where another speaks for the app."""
        if self._latest is None or self._plan is None:
            return ()
        progress = replace(
            self._latest,
            id=f"{self._base.operation}:progress:{now.timestamp():.0f}",
            at=now,
            done=len(self._done),
            message="",
            progress=news.progress(self._plan, self._done, message),
        )
        return (progress,)

    def _now(self) -> datetime:
        return datetime.now(tz=self._base.at.tzinfo)
