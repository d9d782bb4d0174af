"""The bot as a process: reconciler, deliveries, Slack and HTTP, from start to SIGTERM.

Order of start: state store, the port of HTTP, loop, then what answers there and the other ways to and from people,
each with its own retries. Order of stop: no new work, passes leave at their next safe point, what is being delivered
ends, everything is closed: within 20 s. A new configuration has its state and its port before the old one stops, and
requests wait for it meanwhile. The surprising part: the ways to people are imported only when the loop runs. Loading
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
from bot.errors import ConfigError
from bot.ports.tracing import UNTRACED, Tracer
from bot.server.listening import WebServer
from bot.settings import Configuration
from bot.wiring import Engine, build_engine, build_heartbeat, build_loop, notice_of

log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS: Final = 2.0  # a change of the configuration file is seen as fast as a person looks
_PASSES_LEAVE: Final = timedelta(seconds=12)  # of the 20 s that SIGTERM gives
_SPANS_LEAVE: Final = timedelta(seconds=2)  # deliveries have 5 s


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


@dataclass(frozen=True, slots=True)
class _Stage:
    """A configuration that may run: its engine, and the port that is its own."""

    engine: Engine
    server: WebServer


def serve(load: Callable[[], Configuration], *, tracer: Tracer = UNTRACED) -> int:
    """Run until SIGTERM or SIGINT, following the configuration; returns 0. Raises `ConfigError` before it starts."""
    signals = _Signals()
    signals.listen()
    configuration = load()
    gc.freeze()  # what is imported by now stays for good: no collection has to look at it; an engine may be replaced
    stage: _Stage | None = _stage(configuration, None, tracer)
    reloading = Reloading(configuration.path)
    while stage is not None:
        stage = _run(stage, signals, reloading, load)
    tracer.close(timeout=_SPANS_LEAVE)
    return 0


def _stage(configuration: Configuration, now: WebServer | None, tracer: Tracer) -> _Stage:
    """Build what runs a configuration; the port is the one of `now` where that does not change."""
    engine = build_engine(configuration, clock=_now, tracer=tracer)
    address = configuration.settings.server.host, configuration.port
    if now is not None and now.address == address:
        return _Stage(engine, now)
    try:
        return _Stage(engine, WebServer(host=address[0], port=address[1]))
    except ConfigError:
        engine.close()
        raise


def _run(stage: _Stage, signals: _Signals, reloading: Reloading, load: Callable[[], Configuration]) -> _Stage | None:
    """Run one configuration to its end; returns the next one, None when the bot stops."""
    engine, server = stage.engine, stage.server
    configuration = engine.configuration
    metrics = Metrics(engine)
    heartbeat = build_heartbeat(configuration, tell=notice_of(engine, clock=_now))
    beat = heartbeat.beat if heartbeat is not None else lambda: None
    loop = build_loop(engine, clock=_now, beat=beat, ended=metrics.passed)
    loop.start()
    try:
        from bot.cli.doors import Doors

        doors = Doors(engine, loop, heartbeat=heartbeat, metrics=metrics, reloading=reloading, clock=_now)
        engine.tracer.open()
    except BaseException:
        loop.stop(timeout=_PASSES_LEAVE)
        raise
    doors.open(server)
    log.info("gitops-bot is running: %s, http on port %d", _what(configuration), server.port)
    end = ending(engine)
    if end is not None:
        log.log(logging.ERROR if end.is_over else logging.WARNING, "on-call: %s %s", end.message, end.next_step)
    following: _Stage | None = None
    while not signals.stop and following is None:
        signals.woken.wait(_LOOK_EVERY_SECONDS)
        signals.woken.clear()
        asked, signals.reload = signals.reload, False
        following = (
            None if signals.stop else reloading.successor(lambda: _stage(load(), server, engine.tracer), asked=asked)
        )
    log.info("gitops-bot is stopping" if following is None else "gitops-bot takes up its new configuration")
    if engine.images is not None:
        engine.images.stop()
    left = loop.stop(timeout=_PASSES_LEAVE)
    doors.close()
    if following is not None and following.server is server:
        server.hold()
    else:
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
