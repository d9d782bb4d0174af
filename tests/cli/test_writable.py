"""A health check that waits for nobody who writes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.cli.writable import Writable
from bot.state.store import SqlStore
from tests.source.upstream import Clock
from tests.waiting import until


def test_store_that_is_written_by_another_is_well_for_a_minute(tmp_path: Path) -> None:
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    with closing(SqlStore(f"sqlite:///{tmp_path}/state.db")) as store:
        writable = Writable(store.check, clock=lambda: now)
        with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert writable()
            now += timedelta(seconds=59)
            assert writable()
            now += timedelta(seconds=1)
            assert not writable()
        until(writable, "the check has written")


def test_store_that_cannot_be_written_is_not_well_until_it_is_mended(tmp_path: Path) -> None:
    with closing(SqlStore(f"sqlite:///{tmp_path}/state.db")) as store:
        writable = Writable(store.check, clock=Clock())
        assert writable()
        (tmp_path / "state.db").rename(tmp_path / "elsewhere")
        until(lambda: not writable(), "the loss is noticed")
        (tmp_path / "elsewhere").rename(tmp_path / "state.db")
        until(writable, "it is there again")
