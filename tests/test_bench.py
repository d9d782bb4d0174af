"""The tables of the measurements: parts that are measured anew replace their rows, the others stay."""

from __future__ import annotations

from bench.rows import GROWTH, Goal, Row, grown, line, merged, short
from bench.world import Measured

ORDER = ("drift", "push", "idle")


def row(part: str, ms: float, *, goal: bool = True, day: str = "2026-11-25") -> str:
    goals = (Goal(got=ms, most=100, unit="ms"),) if goal else ()
    return line(
        part, Row(what=f"what {part} does", who="us", measured=Measured(seconds=1, cpu=1), goals=goals), day=day
    )


def test_parts_measured_anew_replace_their_rows_and_no_others() -> None:
    table = merged(
        "", {"idle": [row("idle", 5)], "drift": [row("drift", 50), row("drift", 60, goal=False)]}, order=ORDER
    )
    later = merged(table, {"push": [row("push", 7)], "drift": [row("drift", 40, day="2026-11-26")]}, order=ORDER)
    assert later.splitlines()[2:] == [row("drift", 40, day="2026-11-26"), row("push", 7), row("idle", 5)]
    assert later.splitlines()[:2] == table.splitlines()[:2]
    assert merged(later, {}, order=ORDER) == later


def test_short_table_has_what_has_a_goal() -> None:
    table = merged("", {"drift": [row("drift", 150), row("drift", 1, goal=False)]}, order=ORDER)
    assert short(table).splitlines()[2:] == ["| what drift does | us | **150 of 100 ms: missed** |"]


def test_growth_has_a_line_for_each_size_and_a_column_for_each_client() -> None:
    def one(what: str, who: str, seconds: float) -> str:
        measured = Measured(seconds=seconds, cpu=0.5, requests={"patch": 10, "list": 2}, peak=64 << 20)
        return line("drift", Row(what=f"{GROWTH}{what}", who=who, measured=measured), day="2026-11-26")

    rows = [
        one("unchanged, 100 ConfigMaps", "gitops-bot, a whole pass", 3),
        one("unchanged, 100 ConfigMaps", "gitops-bot, a round at rest", 1),
        one("first apply, 1000 ConfigMaps", "gitops-bot", 2),
        one("first apply, 100 ConfigMaps", "bare client", 1),
        one("first apply, 100 ConfigMaps", "kubectl apply", 4),
        one("render, 10 changed, 1000 ConfigMaps", "gitops-bot", 6),
        one("render, 10 changed, 100 ConfigMaps", "gitops-bot", 5),
        row("drift", 50),
    ]
    cost = "s, 0.5 s CPU, 12 requests, 64 MiB"
    assert grown(merged("", {"drift": rows}, order=ORDER)).splitlines() == [
        "| what | bare client | kubectl | gitops-bot |",
        "|---|---|---|---|",
        f"| first apply, 100 ConfigMaps | 1 {cost} | 4 {cost} |  |",
        f"| first apply, 1000 ConfigMaps |  |  | 2 {cost} |",
        f"| render, 10 changed, 100 ConfigMaps |  |  | 5 {cost} |",
        f"| render, 10 changed, 1000 ConfigMaps |  |  | 6 {cost} |",
        f"| unchanged, 100 ConfigMaps |  |  | 3 {cost} |",
    ]
