"""What tries cost while the on-call service is away: its trouble is not the reconciler's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from itertools import pairwise
from statistics import quantiles
from typing import Any, Final

from bench.rows import Goal, Row
from bench.running import SPACE, RunningBot, bot_in, new_world
from bench.workloads import configmaps, text
from bench.world import Measured, World
from bot.model.outcome import Result
from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.oncall import OncallService
from bot.state.store import SqlStore

_TREES: Final = ("alder", "aspen", "birch", "cedar", "elder", "hazel", "holly", "larch", "linden", "maple", "oak")
_APPS: Final = {f"app-{number}": tree for number, tree in enumerate(_TREES)}
_MENDED_SECONDS: Final = 1.5  # all converge, and their pages close
_BROKEN_SECONDS: Final = 5.0  # all fail, each is a page, and each is tried again
_PAUSE: Final = timedelta(milliseconds=500)
_FAULTS: Final = {
    "refused": Fault(kind=FaultKind.REFUSE),
    "hanging": Fault(kind=FaultKind.HANG),
    "answering 500": Fault(kind=FaultKind.STATUS, status=500),
}


def paging(_: int) -> Iterator[Row]:
    """Tries of apps that break and are mended: with an on-call service that answers, and with one that does not.

    Both by turns in one run of the bot, so that what else the machine does strikes both alike.
    """
    with new_world(controllers=False) as world, _oncall() as oncall:
        _change(world, mended=True)
        pause = f"{_PAUSE // timedelta(milliseconds=1)}ms"
        more: dict[str, Any] = {
            "retry": {"first": pause, "factor": 1, "max": pause},
            "oncall": {"provider": "opsgenie", "host": oncall.url, "page_after": {"failures": 1, "duration": "1h"}},
        }
        apps = [{"name": name, "path": f"apps/{name}", "namespace": SPACE, "interval": "10s"} for name in _APPS]
        with bot_in(world, apps, environment={"OPSGENIE_API_KEY": "bench"}, **more) as bot:
            bot.all_synced(len(_APPS))
            _break_and_mend(world, bot)  # once to warm up
            calm: list[str] = []
            away: list[str] = []
            with bot.measured() as made:
                for fault in _FAULTS.values():
                    calm.append(_break_and_mend(world, bot))
                    oncall.faults.add(fault)
                    away.append(_break_and_mend(world, bot))
                    oncall.faults.heal()
            if not bot.process.metric("gitops_bot_delivery_failures_total", 'sink="oncall"'):
                raise RuntimeError("no page was late: nothing was disturbed")
            undisturbed, disturbed = _tries(bot, calm), _tries(bot, away)
            measured = made(_p99(disturbed), len(disturbed))
        what = f"from one try of {len(_APPS)} failing apps to the next, less the pause (p99)"
        alone = Measured(seconds=_p99(undisturbed), cpu=0)
        yield Row(what=what, who=f"gitops-bot run, {len(undisturbed)} tries undisturbed", measured=alone)
        goals = (Goal(got=measured.seconds / alone.seconds, most=1.2, unit="x"),)
        who = f"gitops-bot run, {len(disturbed)} tries with on-call {', '.join(_FAULTS)}"
        yield Row(what=what, who=who, measured=measured, against=alone.seconds, goals=goals)


def _break_and_mend(world: World, bot: RunningBot) -> str:
    """Break all apps and mend them; return the commit that broke them."""
    broken = _change(world, mended=False)
    bot.push(broken)
    time.sleep(_BROKEN_SECONDS)
    bot.push(_change(world, mended=True))
    time.sleep(_MENDED_SECONDS)
    return broken


def _tries(bot: RunningBot, commits: list[str]) -> list[float]:
    """Return the seconds of every try after the first of an app at these commits, as the bot has recorded them.

    From the end of the try before it, less the pause: what the save and the waking take is part of it.
    """
    found: list[float] = []
    with closing(SqlStore(f"sqlite:///{bot.process.folder / 'gitops-bot.db'}")) as store:
        for name in _APPS:
            failed = [one for one in store.history(f"prod/{name}", limit=10_000) if one.result is Result.FAILED]
            found += [
                (after.finished_at - before.finished_at - _PAUSE).total_seconds()
                for after, before in pairwise(failed)  # newest first
                if after.revision == before.revision and after.revision in commits
            ]
    return found


def _p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[-1]


def _change(world: World, *, mended: bool) -> str:
    """Break or mend all apps in one commit; each breaks with a word of its own, so that each is a page of its own."""
    files = {}
    for name, tree in _APPS.items():
        (body,) = configmaps(1, SPACE)
        good = text({**body, "metadata": {**body["metadata"], "name": name}})
        files[f"apps/{name}/object.json"] = good if mended else f'{{"{tree}": 1, "{tree}": 2}}'
    return world.upstream.commit(files)


@contextmanager
def _oncall() -> Iterator[OncallService]:
    service = OncallService()
    service.start()
    try:
        yield service
    finally:
        service.faults.heal()
        service.stop()
