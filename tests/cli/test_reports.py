"""What a terminal shows of values that chat shows too."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.cli.reports import history_text, status_json, status_text
from bot.model.attempt import attempts
from bot.model.control import ControlState
from bot.model.outcome import Result
from bot.model.record import SyncState
from tests.lines import entry, standing

NOW: Final = datetime(2026, 11, 23, 4, 35, tzinfo=UTC)


def test_equal_failures_in_a_row_are_one_line_with_their_span() -> None:
    """Each retry of a failing sync was a row, and twenty rows all said the same."""
    failed = entry(NOW)
    good = replace(failed, result=Result.CONVERGED, revision="a" * 40, by="os:ana", approved_by=("os:ben",))
    often = [replace(failed, finished_at=NOW - timedelta(minutes=n)) for n in range(30)]
    header, first, second = history_text(attempts([*often, good])).splitlines()
    assert header.split() == ["FINISHED", "REVISION", "KIND", "RESULT", "CHANGES", "BY"]
    assert "2026-11-23T04:35:00Z  bbbbbbb" in first
    assert "failed 30 times since 2026-11-23T04:06:00Z" in first
    assert "os:ana, approved by os:ben" in second
    assert history_text([]) == "nothing was deployed yet"


def test_status_has_what_needs_attention_first_and_a_count_at_the_end() -> None:
    fine = standing(cluster="c2")
    failing = replace(fine, cluster="c3", sync=SyncState.FAILED, last_error="no quota")
    paused = replace(fine, app="docs", control=ControlState.PAUSED, control_by="os:ana")
    first = replace(fine, app="zoo", cluster="c1")
    lines = status_text([fine, first, paused, failing]).splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [["shop", "c3"], ["docs", "c2"], ["zoo", "c1"], ["shop", "c2"]]
    assert lines[5:] == [
        "c3/shop: no quota",
        "docs: paused by os:ana",
        "3 of 4 apps are synced; 1 failing, 1 paused.",
    ]
    under_way = replace(fine, is_syncing=True, target_revision="b" * 40, written=3, writes=5)
    assert "shop: syncing to bbbbbbb, 3 of 5 objects written" in status_text([under_way])
    assert "\nshop: 3 of 5 objects written" in status_text([replace(under_way, is_syncing=False)])
    assert status_json([under_way])["apps"][0]["progress"] == {"written": 3, "total": 5}
    assert len(status_text([fine]).splitlines()) == 2
    assert status_text([]) == "no app is like that"
