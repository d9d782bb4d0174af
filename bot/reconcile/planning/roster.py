"""The apps there are now: those of the configuration, and one for every folder that an app set matches.

Asks Git for the folders of each set once per interval. While Git does not answer, the folders known last hold, over
restarts too: an outage never makes an app disappear. A folder that is gone makes its app leave the roster and deletes
nothing. A folder that appears with the content of one that is gone is the same app under a new name: it takes over
the other one's objects.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, ItemsView, Iterator, Mapping, Sequence, ValuesView
from dataclasses import replace
from datetime import datetime
from typing import Final

from bot.errors import PassError
from bot.model.app import AppSpec
from bot.model.appset import AppSet, matches
from bot.model.record import AppMemory
from bot.model.source import SourceTree
from bot.ports.source import Repository
from bot.ports.state import Store
from bot.reconcile.planning.world import World

log = logging.getLogger(__name__)

_SIMILAR: Final = 0.5  # of the files, as git's own detection of renames has it


class Roster(Mapping[str, AppSpec]):
    """App keys to apps. Safe to read from every thread; `refresh` by one at a time."""

    def __init__(self, apps: Collection[AppSpec], sets: Sequence[AppSet], *, world: World, store: Store) -> None:
        self._static = {app.key: app for app in apps}
        self.sets = tuple(sets)
        self._world, self._store = world, store
        self._now: Mapping[str, AppSpec] = self._static
        self._refreshing = threading.Lock()
        self._heads: dict[str, str] = {}
        self._members: dict[str, tuple[AppSpec, ...]] = {}
        self._asked_at: dict[str, datetime] = {}
        self._said: set[str] = set()

    def __getitem__(self, key: str) -> AppSpec:
        return self._now[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now)

    def __len__(self) -> int:
        return len(self._now)

    def values(self) -> ValuesView[AppSpec]:
        """Return the apps of one moment: who is in the middle of them sees no later one."""
        return self._now.values()

    def items(self) -> ItemsView[str, AppSpec]:
        """Return the apps of one moment, as `values`."""
        return self._now.items()

    def expire(self, repo: str) -> None:
        """Let the next `refresh` ask for the folders of every set of a repository."""
        for one in self.sets:
            if one.template.repo == repo:
                self._asked_at.pop(one.title, None)

    def refresh(self) -> None:
        """Look for folders that came or went in the sets whose interval is over.

        Raises `StateError`; what Git says is logged, each trouble once.
        """
        with self._refreshing:
            now = self._world.clock()
            for one in self.sets:
                asked_at = self._asked_at.get(one.title)
                if asked_at is None or now - asked_at >= one.template.interval:
                    self._asked_at[one.title] = now
                    self._look(one, now)
            apps = dict(self._static)
            for members in self._members.values():
                for app in members:
                    if app.key in apps:
                        self._say(f"{app.app_set}: {app.key} is an app already: the folder {app.path} is left out")
                    else:
                        apps[app.key] = app
            self._now = apps

    def _look(self, one: AppSet, now: datetime) -> None:
        repo = self._world.repos[one.template.repo]
        try:
            head = repo.head(one.template.ref, newer_than=now)
            if self._heads.get(one.title) == head and not any(app.moved_from for app in self._members[one.title]):
                return
            found = [folder for folder in repo.folders(head) if any(matches(folder, path) for path in one.paths)]
            members = one.members(found)
            apps = self._moved(members.apps, repo, head)
        except PassError as error:
            self._say(f"{one.title}: its folders cannot be read: {error}")
            if one.title not in self._members:
                self._members[one.title] = one.members(self._store.folders(one.title)).apps
            return
        for fault in members.faults:
            self._say(fault)
        if [app.key for app in apps] != [app.key for app in self._members.get(one.title, ())]:
            log.info("%s has %d app%s", one.title, len(apps), "" if len(apps) == 1 else "s")
        self._store.save_folders(one.title, found)
        self._heads[one.title] = head
        self._members[one.title] = apps

    def _moved(self, apps: Sequence[AppSpec], repo: Repository, head: str) -> tuple[AppSpec, ...]:
        """Tell each app that has never converged which one it was before its folder was renamed."""
        memories = self._store.memories()
        keys = {app.key for app in apps}
        gone = {key: one for key, one in memories.items() if one.app_set and key not in keys and one.revision}
        if not gone:
            return tuple(apps)
        found: list[AppSpec] = []
        for app in apps:
            known = memories.get(app.key)
            if known is None or not known.revision:
                before = self._before(app, gone, repo, head)
                if before is not None:
                    del gone[before]
                    app = replace(app, moved_from=before.partition("/")[2])
            found.append(app)
        return tuple(found)

    def _before(self, app: AppSpec, gone: Mapping[str, AppMemory], repo: Repository, head: str) -> str | None:
        candidates = {
            key: one for key, one in gone.items() if one.app_set == app.app_set and key.startswith(f"{app.cluster}/")
        }
        if not candidates:
            return None
        here = repo.tree(head, app.path)
        likeness = {key: _likeness(here, repo.tree(one.revision, one.path)) for key, one in candidates.items()}
        best = max(likeness, key=lambda key: likeness[key])
        return best if likeness[best] >= _SIMILAR else None

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            log.warning("%s", text)


def _likeness(one: SourceTree, other: SourceTree) -> float:
    """Return the share of files that are in both, 0 to 1."""
    if one.subtree == other.subtree:
        return 1.0
    here, there = {file.blob for file in one.files}, {file.blob for file in other.files}
    return len(here & there) / max(len(here), len(there), 1)
