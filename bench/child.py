"""One engine in a process of its own, driven by words on stdin; each answer is one line of JSON.

`pass APP` runs one pass, `apply APP` one that waits for nobody's health, `round APP` goes round as the schedule does,
`rest APP N` asks N times whether the app is at rest, `end` leaves. CPU and peak memory are of this process, `git` is
the CPU of the git processes that it has started and waited for; requests are counted outside, by the API server.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from bot.cli.main import collect_less
from bot.model.control import Trigger, Via
from bot.settings import load
from bot.wiring import Engine, build_engine


def now() -> datetime:
    return datetime.now(tz=UTC)


def run_pass(engine: Engine, key: str, *, waits: bool = True) -> Mapping[str, Any]:
    """Run the pass that the schedule runs."""
    app = engine.passes.apps[key]
    report = engine.passes.perform(
        app if waits else replace(app, timeout=timedelta(0)),
        Trigger(via=Via.SCHEDULE),
        stop=lambda _: False,
        patience=timedelta(seconds=5),
        since=now(),
    )
    assert report is not None
    return {"result": report.result.value, "summary": str(report.summary), "failure": str(report.failure or "")[:300]}


def go_round(engine: Engine, key: str) -> Mapping[str, Any]:
    """Do what a round of the schedule does: ask Git anew, then whether the app is at rest."""
    app, since = engine.passes.apps[key], now()
    repo = engine.world.repos[app.repo]
    return {"rests": engine.passes.resting.is_settled(app, lambda ref: repo.head(ref, newer_than=since))}


def rest(engine: Engine, key: str, times: int) -> Mapping[str, Any]:
    """Ask what a round asks of each app, with the answer of Git at hand."""
    app = engine.passes.apps[key]
    head = engine.world.repos[app.repo].head(app.ref, newer_than=now())
    return {"rests": sum(engine.passes.resting.is_settled(app, lambda _: head) for _ in range(times)) == times}


def git_cpu() -> float:
    """Return the CPU seconds of all processes that have ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(configuration: str) -> None:
    collect_less()
    gc.freeze()  # both as `gitops-bot run` does
    engine = build_engine(load(Path(configuration), os.environ), clock=now)
    for line in sys.stdin:
        word, *rest_of = line.split()
        git, before, started = git_cpu(), time.process_time(), time.perf_counter()
        match word:
            case "pass":
                values = run_pass(engine, rest_of[0])
            case "apply":
                values = run_pass(engine, rest_of[0], waits=False)
            case "round":
                values = go_round(engine, rest_of[0])
            case "rest":
                values = rest(engine, rest_of[0], int(rest_of[1]))
            case _:
                break
        measured = {
            "seconds": time.perf_counter() - started,
            "cpu": time.process_time() - before,
            "git": git_cpu() - git,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        sys.stdout.buffer.write(orjson.dumps({**values, **measured}) + b"\n")
        sys.stdout.buffer.flush()
    engine.close()


if __name__ == "__main__":
    main(sys.argv[1])
