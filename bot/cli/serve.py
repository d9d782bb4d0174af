"""The bot as a process: reconciler, deliveries, Slack and HTTP, from start to SIGTERM.

Order of start: state store, the port of HTTP, loop, then what answers there and the other ways to and from people,
each with its own retries. Order of stop: no new work, passes leave at their next safe point, what is being delivered
ends, everything is closed: within 20 s. The surprising part: those ways are imported only when the loop runs. Loading
them keeps a processor busy for a tenth of a second, half a second with Slack, while the first passes wait for others.
"""

from __future__ import annotations

import gc
import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.cli.checking import ending
from bot.cli.metrics import Metrics
from bot.cli.reloading import Reloading
from bot.server.listening import WebServer
from bot.settings import Configuration
from bot.wiring import Engine, build_engine, build_heartbeat, build_loop, notice_of

log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS: Final = 2.0  # a change of the configuration file is seen as fast as a person looks
_PASSES_LEAVE: Final = timedelta(seconds=12)  # of the 20 s that SIGTERM gives


@dataclass(slots=True)
class _Signals:
    """What the process was told; `woken` is set with each of them."""

    woken: threading.Event = field(default_factory=threading.Event)
    stop: bool = False
    reload: bool = False

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._hear(stop=True))
        signal.signal(signal.SIGHUP, lambda *_: self._hear(reload=True))

    def _hear(self, *, stop: bool = False, reload: bool = False) -> None:
        self.stop, self.reload = self.stop or stop, self.reload or reload
        self.woken.set()


def serve(load: Callable[[], Configuration]) -> int:
    """Run until SIGTERM or SIGINT, following the configuration; returns 0. Raises `ConfigError` before it starts."""
    signals = _Signals()
    signals.listen()
    configuration = load()
    gc.freeze()  # what is imported by now stays for good: no collection has to look at it; an engine may be replaced

    def build(one: Configuration) -> Engine:
        return build_engine(one, clock=_now)

    reloading = Reloading(configuration, load=load, build=build)
    engine: Engine | None = build(configuration)
    while engine is not None:
        engine = _run(engine, signals, reloading)
    return 0


def _run(engine: Engine, signals: _Signals, reloading: Reloading) -> Engine | None:
    """Run one configuration to its end; returns the engine of the next one, None when the bot stops."""
    configuration = engine.configuration
    metrics = Metrics(engine)
    heartbeat = build_heartbeat(configuration, tell=notice_of(engine, clock=_now))
    beat = heartbeat.beat if heartbeat is not None else lambda: None
    loop = build_loop(engine, clock=_now, beat=beat, ended=metrics.passed)
    server = WebServer(host=configuration.settings.server.host, port=configuration.port)  # ours, or nothing begins
    loop.start()
    try:
        from bot.cli.doors import Doors

        doors = Doors(engine, loop, heartbeat=heartbeat, metrics=metrics, reloading=reloading, clock=_now)
    except BaseException:
        loop.stop(timeout=_PASSES_LEAVE)
        raise
    doors.open(server)
    log.info("gitops-bot is running: %s, http on port %d", _what(configuration), server.port)
    end = ending(engine)
    if end is not None:
        log.log(logging.ERROR if end.is_over else logging.WARNING, "on-call: %s %s", end.message, end.next_step)
    following: Engine | None = None
    while not signals.stop and following is None:
        signals.woken.wait(_LOOK_EVERY_SECONDS)
        signals.woken.clear()
        asked, signals.reload = signals.reload, False
        following = None if signals.stop else reloading.successor(asked=asked)
    log.info("gitops-bot is stopping" if following is None else "gitops-bot takes up its new configuration")
    left = loop.stop(timeout=_PASSES_LEAVE)
    doors.close()
    server.stop()
    engine.close()
    log.info("everything has stopped%s", "" if left else "; a pass was abandoned and goes on at the next start")
    return following


def _what(configuration: Configuration) -> str:
    """Return `3 apps and 2 app sets`; what the sets have is known when Git has answered."""
    counts = (("app", len(configuration.apps)), ("app set", len(configuration.app_sets)))
    return " and ".join(f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in counts if count) or "no apps"


def _now() -> datetime:
    return datetime.now(tz=UTC)
