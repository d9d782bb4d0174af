"""Which apps there are, while folders come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.model.appset import AppSet
from bot.reconcile.planning.roster import Roster
from bot.reconcile.planning.world import World
from bot.source.repository import GitRepository
from bot.source.spec import RepoSpec
from bot.state.store import SqlStore
from tests.plan.world import APP
from tests.render.worlds import renderer
from tests.source.upstream import Upstream


@pytest.mark.parametrize("view", [Roster.values, Roster.items])
def test_folder_that_goes_while_somebody_looks_at_the_apps_disturbs_nobody(
    tmp_path: Path, view: Callable[[Roster], Any]
) -> None:
    """Whoever was in the middle of them failed with a KeyError: a round, a push event, a look at images."""
    times = iter(datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(1000))
    upstream = Upstream(tmp_path / "fleet.git")
    upstream.commit({"apps/a/a.yaml": "", "apps/b/b.yaml": ""})
    spec = RepoSpec(name="fleet", url=str(upstream.path))
    repo = GitRepository(spec, directory=tmp_path / "cache", clock=lambda: next(times))
    store = SqlStore(f"sqlite:///{tmp_path / 'state.db'}")
    world = World(
        repos={"fleet": repo},
        clusters={},
        renderer=renderer(tmp_path, tools=()),
        labels=lambda app: {},
        siblings=lambda app: (),
        key=store.key(),
        clock=lambda: next(times),
    )
    template = replace(APP, name="{basename}", path="", images=())
    sets = [AppSet(title="all", template=template, paths=("apps/*",), exclude=(), clusters=("prod",))]
    roster = Roster([], sets, world=world, store=store)
    roster.refresh()
    looking = iter(view(roster))
    next(looking)
    upstream.commit({"apps/a/a.yaml": "", "apps/b/b.yaml": None})
    roster.refresh()
    assert list(roster) == ["prod/a"]
    assert len(list(looking)) == 1
    repo.close()
    store.close()
