"""Starting: --help, a bot that watches fifty thousand objects, and rendering."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench.render import Bench
from bench.rows import Goal, Row
from bench.running import SPACE, bot_in, new_world
from bench.workloads import configmaps
from bench.world import ROOT, Measured, World, cpu_of, memory_of
from bot.cli.main import collect_less

_WATCHED: Final = 50  # times the number of objects: 50,000
_TRIES: Final = 3
_MIB: Final = 1024**2


def help(_: int) -> Iterator[Row]:
    """How long a person waits for --help."""
    runs = []
    for _run in range(5):
        used, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-m", "bot", "--help"], cwd=ROOT, capture_output=True, check=True)
        seconds, now = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        runs.append(Measured(seconds=seconds, cpu=cpu))
    best = min(runs, key=lambda run: run.seconds)
    goals = (Goal(got=best.seconds * 1000, most=200, unit="ms"),)
    yield Row(what="--help (best of 5)", who="gitops-bot", measured=best, goals=goals)


def watching(count: int) -> Iterator[Row]:
    """From the start of the process to the first app synced, in a namespace that is full of other people's objects.

    The best of three, of LISTs and of starts alike: what else the machine does only adds. Each start is a first one:
    a state of its own, a namespace of its own on the cluster, and objects that are not there yet.
    """
    number = count * _WATCHED
    with new_world(controllers=False) as world:
        world.bare("apply", world.requests_file(configmaps(number, SPACE)))
        path = f"/api/v1/namespaces/{SPACE}/configmaps"
        listed = min((world.bare("list", path) for _ in range(_TRIES)), key=lambda one: one.seconds)
        what = f"ready, with {number} ConfigMaps watched"
        yield Row(what=what, who=f"bare client, one LIST (best of {_TRIES})", measured=listed)
        measured, after = min((_started(world, turn) for turn in range(_TRIES)), key=lambda one: one[0].seconds)
        goals = (
            Goal(got=measured.seconds / listed.seconds, most=1.3, unit="x"),
            Goal(got=measured.peak / _MIB, most=250, unit="MiB at most"),
            Goal(got=after / _MIB, most=250, unit="MiB after"),
        )
        who = f"gitops-bot run, from its start (best of {_TRIES})"
        yield Row(what=what, who=who, measured=measured, against=listed.seconds, goals=goals)


def _started(world: World, turn: int) -> tuple[Measured, int]:
    """Start a bot that knows nothing yet; return what that cost, and the bytes it holds when all is done."""
    ours = [
        {**body, "metadata": {"name": f"ours-{turn}-{n}", "namespace": SPACE}}
        for n, body in enumerate(configmaps(4, SPACE))
    ]
    world.commit(f"apps/shop-{turn}", ours)
    app = {"name": "shop", "path": f"apps/shop-{turn}", "namespace": SPACE, "interval": "1h"}
    own = [{"name": "prod", "kubeconfig": world.kubeconfig, "namespace": f"gitops-bot-{turn}"}]
    began, server = time.perf_counter(), world.server_cpu()
    with world.counted() as requests, bot_in(world, [app], clusters=own, instance=f"start-{turn}") as bot:
        bot.converged("prod/shop")
        seconds = time.perf_counter() - began
        used, spent = cpu_of(bot.pid), world.server_cpu() - server
        time.sleep(2)
        peak, after = memory_of(bot.pid), _resident(bot.pid)
    return Measured(seconds=seconds, cpu=used, server=spent, requests=requests, peak=peak), after


def render(count: int) -> Iterator[Row]:
    """Reading and rendering a commit, the middle of five runs."""
    collect_less()  # as every command does
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), count)
        for what, changed, most in (
            (f"render, {count} documents changed", count, 300.0),
            (f"render, 10 of {count} changed", 10, 20.0),
            ("render, an unrelated commit", 0, 0.0),
        ):
            seconds, _, cpu = (one / 1000 for one in bench.timed(partial(bench.commit, changed)))
            goals = (Goal(got=seconds * 1000, most=most, unit="ms"),) if most else ()
            yield Row(what=what, who="gitops-bot", measured=Measured(seconds=seconds, cpu=cpu), goals=goals)
        bench.repo.close()


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024
