"""Which apps are at rest: what their last passes found, for as long as nothing of it has changed.

An app is taken out before each pass and put back when that pass has left nothing to be done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from bot.errors import PassError
from bot.model.app import AppSpec
from bot.model.control import Control
from bot.model.outcome import Result
from bot.model.record import AppMemory
from bot.model.source import GitRef
from bot.ports.live import Stamp
from bot.ports.source import Repository
from bot.ports.state import Store
from bot.reconcile.passes.once import PassResult
from bot.reconcile.planning.rest import Rest, are_good
from bot.reconcile.planning.roster import Roster
from bot.reconcile.planning.world import World

_COMPARED_KEPT: Final = 16  # pairs of commits of a repository: those of its latest pushes


class Resting:
    """The apps of one configuration that are at rest. Safe to use from several threads."""

    def __init__(self, apps: Roster, *, world: World, store: Store) -> None:
        self._apps, self._world, self._store = apps, world, store
        self._rests: dict[str, Rest] = {}  # each written whole, under its app's lock
        self._differences = {name: _Differences(repo) for name, repo in world.repos.items()}

    def disturbed(self, app: AppSpec) -> Rest | None:
        """Return how an app has been at rest, and take it out: a pass looks at it."""
        return self._rests.pop(app.key, None)

    def settle(self, app: AppSpec, ran: PassResult, memory: AppMemory, control: Control, before: Stamp) -> None:
        """Save what the server said to be equal, and remember a pass that left nothing to be done."""
        cluster, report = self._world.clusters[app.cluster], ran.report
        if ran.rest is None and ran.made is not None:
            refs = [change.ref for change in ran.made.plan.changes if change.manifest]
            if (saved := cluster.verdicts(app, refs)) is not None:
                self._store.save_verdicts(app.key, saved)
        quiet = not memory.said and memory.failing_since is None and memory.degraded_since is None
        if report.result is not Result.CONVERGED or report.partial or not quiet or control.pause is not None:
            return
        if ran.made is None or report.target is None or (app.helm is not None and app.helm.repo):
            return
        head = report.target.commit
        if ran.rest is not None:
            self._rests[app.key] = ran.rest if ran.rest.head == head else replace(ran.rest, head=head)
            return
        if any(change.pending for change in ran.made.plan.changes):
            return  # nothing on the cluster tells when it may go
        found = Rest(
            app=app,
            head=head,
            placement=ran.made.placement,
            plan=ran.made.plan,
            inventory=ran.made.inventory,
            health=report.health,
            proof=report.live_digest,
            stamp=before,
            written={one.id: one.uid for one in report.outcomes if one.uid},
        )
        with suppress(PassError):  # the next pass asks again
            found = found.surveyed(cluster)
            if are_good(found.health):
                self._rests[app.key] = found

    def is_settled(self, app: AppSpec, head: Callable[[GitRef], str] | None) -> bool:
        """Tell whether a pass would find nothing to do and nothing to say. Costs no request and no transaction.

        True when the last pass found everything equal and healthy, watches have followed all of its objects since and
        tell of no change, and the commit is the same; `head` returns it, None takes it for unchanged. Health that
        changed is looked at here: a workload on its way that stays healthy is no reason for a pass.
        """
        known = self._rests.get(app.key)
        if known is None or known.app != app or any(key not in self._rests for key in app.depends_on):
            return False
        cluster = self._world.clusters[app.cluster]
        if not known.is_current(cluster):
            return False
        try:
            now = known.surveyed(cluster)
            if now is not known:
                if not are_good(now.health):
                    return False
                self._rests[app.key] = now
            return head is None or head(app.ref) == known.head
        except PassError:
            return False  # the pass meets the same trouble and reports it

    def is_untouched(self, app: AppSpec, head: Callable[[GitRef], str]) -> bool:
        """Tell whether a commit, which `head` returns, leaves an app at rest as it is. Costs no request."""
        known = self._rests.get(app.key)
        if known is None or known.app != app or not known.is_current(self._world.clusters[app.cluster]):
            return False
        try:
            return not self.concerns(app, known.head, head(app.ref))
        except PassError:
            return False  # the pass meets the same trouble and reports it

    def concerns(self, app: AppSpec, before: str, after: str) -> bool:
        """Tell whether two commits differ in what the app was last rendered of. Raises `SourceError`."""
        renderer = self._world.renderer

        def of_all() -> set[str]:
            return {root for one in self._apps.values() if one.repo == app.repo for root in renderer.roots(one)}

        return self._differences[app.repo].any_of(renderer.roots(app), before, after, beside=of_all)


class _Differences:
    """Which paths of one repository differ between two commits. Safe to use from several threads."""

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._asking = threading.Lock()  # for each repository: one that hangs holds nobody else's apps
        self._known: dict[tuple[str, str], dict[str, bool]] = {}  # by commits and path; guarded by _asking

    def any_of(self, paths: Sequence[str], before: str, after: str, *, beside: Callable[[], Collection[str]]) -> bool:
        """Tell whether one of the paths differs. Raises `SourceError`.

        Hundreds of apps ask at once after a push, each for itself: the first of them asks Git about the paths `beside`
        its own too, and the last answers are kept.
        """
        with self._asking:
            known = self._known.get((before, after))
            if known is None:
                if len(self._known) >= _COMPARED_KEPT:
                    del self._known[next(iter(self._known))]  # the oldest
                known = self._known[before, after] = {}
            if any(path not in known for path in paths):
                asked = sorted({*paths, *beside()} - known.keys())
                then, now = (self._repo.hashes(commit, asked) for commit in (before, after))
                known |= {path: old != new for path, old, new in zip(asked, then, now, strict=True)}
            return any(known[path] for path in paths)
