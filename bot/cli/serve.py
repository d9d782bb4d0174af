"""The bot as a process: reconciler, deliveries, Slack and HTTP, from start to SIGTERM.

Order of start: state store, HTTP, loop, then the ways to and from people, each with its own retries. Order of stop:
no new work, passes leave at their next safe point, what is being delivered ends, everything is closed: within 20 s.
"""

from __future__ import annotations

import gc
import logging
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from bot.cli.checking import ending
from bot.cli.metrics import Metrics
from bot.cli.reloading import Reloading
from bot.delivery.courier import Courier
from bot.errors import StateError
from bot.oncall.heartbeat import Heartbeat
from bot.oncall.webhook_in import read_webhook
from bot.reconcile.loop import Loop
from bot.server.web import Answer, Handlers, Web, WebServer, WsgiApp
from bot.settings import Configuration
from bot.source.push_events import PushRefused, read_push
from bot.wiring import Engine, build_courier, build_engine, build_heartbeat, build_loop, notice_of, order_threads, rules

log = logging.getLogger(__name__)

_STUCK_AFTER: Final = timedelta(seconds=60)  # the loop's clock ticks every second
_LOOK_EVERY_SECONDS: Final = 2.0  # a change of the configuration file is seen as fast as a person looks
_PASSES_LEAVE: Final = timedelta(seconds=12)  # of the 20 s that SIGTERM gives


class _Door(Protocol):
    """Slack's way in that is a connection of ours."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def state(self) -> str: ...


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
    courier = build_courier(engine, clock=_now, failed=metrics.undelivered)
    door, slack = _slack(engine)
    server = WebServer(
        Web(_handlers(engine, loop, courier, heartbeat, door, slack, reloading, metrics)),
        host=configuration.settings.server.host,
        port=configuration.port,
    )
    server.start()
    courier.start()
    loop.start()
    if door is not None:
        door.start()
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
    if door is not None:
        door.stop()
    courier.stop(timeout=timedelta(seconds=5))
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


def _slack(engine: Engine) -> tuple[_Door | None, WsgiApp | None]:
    configuration = engine.configuration
    settings = configuration.settings.slack
    if settings.mode == "off":
        return None, None
    from bot.chat.app import build_app
    from bot.chat.http import SlackHttpDoor
    from bot.chat.people import People
    from bot.chat.socket import SocketDoor

    token, secret = configuration.secret("SLACK_BOT_TOKEN"), configuration.secret("SLACK_SIGNING_SECRET")
    app = build_app(
        desk=engine.desk,
        rules=rules(configuration),
        people=People(token, api_url=settings.api_url, clock=_now),
        bot_token=token,
        signing_secret=secret,
        api_url=settings.api_url,
        clock=_now,
        quick=order_threads(16),
        slow=order_threads(8),
    )
    if settings.mode == "http":
        return None, SlackHttpDoor(app, signing_secret=secret)
    return SocketDoor(app, app_token=configuration.secret("SLACK_APP_TOKEN"), api_url=settings.api_url), None


def _handlers(
    engine: Engine,
    loop: Loop,
    courier: Courier,
    heartbeat: Heartbeat | None,
    door: _Door | None,
    slack: WsgiApp | None,
    reloading: Reloading,
    metrics: Metrics,
) -> Handlers:
    configuration = engine.configuration

    def health() -> tuple[str, Mapping[str, str]]:
        parts = {"reconciler": "ok", "state": "ok"}
        if _now() - loop.alive_at > _STUCK_AFTER:
            parts["reconciler"] = "stuck"
        try:
            engine.store.check()
        except StateError:
            parts["state"] = "stuck"
        if door is not None:
            parts["slack"] = door.state()
        parts |= {f"deliveries to {sink}": why for sink, why in courier.troubles().items()}
        for memory in engine.store.memories().values() if parts["state"] == "ok" else ():
            if memory.failing_since is not None:
                parts[f"app {memory.app}"] = "failing"
        if heartbeat is not None and heartbeat.trouble:
            parts["heartbeat"] = heartbeat.trouble
        if reloading.trouble:
            parts["configuration"] = reloading.trouble
        if "stuck" in parts.values():
            return "stuck", parts
        return ("ok" if set(parts.values()) <= {"ok", "connected"} else "degraded"), parts

    def push(repo: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if repo not in {one.name for one in configuration.repos}:
            return Answer(404, "no such repository in the configuration")
        try:
            event = read_push(headers, body, secret=configuration.secret("WEBHOOK_SECRET", suffix=repo))
        except PushRefused as error:
            return Answer(401, str(error))
        woken = engine.desk.pushed(repo, event.tips) if event is not None else ()
        return Answer(202, f"woke {len(woken)} apps")

    def oncall(headers: Mapping[str, str], body: bytes) -> Answer:
        event = read_webhook(headers, body, secret=configuration.secret("ONCALL_WEBHOOK_SECRET"))
        if event is None:
            return Answer(401, "the secret header is missing or wrong")
        for one in event:
            engine.desk.heard(one.action, one.alias, one.by)
        return Answer(200, "ok")

    return Handlers(
        health=health,
        ready=lambda: loop.alive_at is not None,
        metrics=metrics.text,
        push=push,
        oncall=oncall,
        slack=slack,
    )
