"""The ways in and out of the running bot: what HTTP answers, Slack, deliveries, the on-call service's webhook.

A module of its own because it takes a while to load: the bot imports it while its first passes wait for Git and the
clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

from bot.cli.metrics import Metrics
from bot.cli.reloading import Reloading
from bot.cli.writable import Writable
from bot.model.record import AppMemory
from bot.oncall.heartbeat import Heartbeat
from bot.oncall.webhook_in import read_webhook
from bot.reconcile.schedule.loop import Loop
from bot.server.listening import WebServer, WsgiApp
from bot.server.web import Answer, Handlers, Web
from bot.source.push_events import PushRefused, read_push
from bot.wiring import Engine, build_courier, order_threads, rules, send_again

_LISTED: Final = 10  # failing apps; `status failing` has all
_TRACEPARENT: Final = 55  # characters of one (W3C Trace Context, 2.2)
_STUCK_AFTER: Final = timedelta(seconds=60)  # the loop's clock ticks every second


class _Door(Protocol):
    """Slack's way in that is a connection of ours."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def state(self) -> str: ...


class Doors:
    """All of them, of one configuration; `open` and `close` once each. Building contacts nobody."""

    def __init__(
        self,
        engine: Engine,
        loop: Loop,
        *,
        heartbeat: Heartbeat | None,
        metrics: Metrics,
        reloading: Reloading,
        clock: Callable[[], datetime],
    ) -> None:
        self._engine, self._loop, self._heartbeat = engine, loop, heartbeat
        self._reloading, self._clock = reloading, clock
        self._writable = Writable(engine.store.check, clock=clock)
        self._courier = build_courier(engine, clock=clock, failed=metrics.undelivered)
        self._socket, slack = _slack(engine, clock)
        self._web = Web(
            Handlers(
                health=self._health,
                ready=lambda: loop.alive_at is not None,
                metrics=metrics.text,
                push=self._push,
                oncall=self._oncall,
                registry=self._registry,
                slack=slack,
            )
        )

    def open(self, server: WebServer) -> None:
        """Answer HTTP, deliver what waits, and hear Slack."""
        server.serve(self._web)
        send_again(self._engine, clock=self._clock)
        self._courier.start()
        if self._socket is not None:
            self._socket.start()

    def close(self) -> None:
        """Hear no more, and end what is being delivered; HTTP is its server's."""
        if self._socket is not None:
            self._socket.stop()
        self._courier.stop(timeout=timedelta(seconds=5))

    # --- what HTTP answers ------------------------------------------------------------------------------------

    def _health(self) -> tuple[str, Mapping[str, str]]:
        parts = {"reconciler": "ok", "state": "ok"}
        if self._clock() - self._loop.alive_at > _STUCK_AFTER:
            parts["reconciler"] = "stuck"
        if not self._writable():
            parts["state"] = "stuck"
        if self._socket is not None:
            parts["slack"] = self._socket.state()
        parts |= {f"deliveries to {sink}": why for sink, why in self._courier.troubles().items()}
        if self._engine.images is not None:
            parts |= {f"registry {host}": why for host, why in self._engine.images.standing().items() if why}
        if parts["state"] == "ok":
            parts |= failing_apps(self._engine.store.memories().values())
        if self._heartbeat is not None and self._heartbeat.trouble:
            parts["heartbeat"] = self._heartbeat.trouble
        if self._reloading.trouble:
            parts["configuration"] = self._reloading.trouble
        if "stuck" in parts.values():
            return "stuck", parts
        return ("ok" if set(parts.values()) <= {"ok", "connected"} else "degraded"), parts

    def _push(self, repo: str, headers: Mapping[str, str], body: bytes) -> Answer:
        configuration, desk = self._engine.configuration, self._engine.desk
        if repo not in {one.name for one in configuration.repos}:
            return Answer(404, "no such repository in the configuration")
        try:
            event = read_push(headers, body, secret=configuration.secret("WEBHOOK_SECRET", suffix=repo))
        except PushRefused as error:
            return Answer(401, str(error))
        trace = next((value for name, value in headers.items() if name.lower() == "traceparent"), "")
        woken = desk.pushed(repo, event.tips, trace=trace[:_TRACEPARENT]) if event is not None else ()
        return Answer(202, f"woke {len(woken)} apps")

    def _registry(self, name: str, headers: Mapping[str, str], given: str, body: bytes) -> Answer:
        configuration = self._engine.configuration
        host = next((one.host for one in configuration.settings.registries if one.name == name), "")
        if not host:
            return Answer(404, "no such registry in the configuration")
        from bot.registry.events import EventRefused, read_event  # imported late: most have no registry

        try:
            secret = configuration.secret("REGISTRY_WEBHOOK_SECRET", suffix=name)
            event = read_event(headers, given, body, secret=secret)
        except EventRefused as error:
            return Answer(401, str(error))
        images = self._engine.images
        woken = images.pushed(host, event.pushed) if images is not None else ()
        return Answer(202, f"looks at {len(woken)} image{'' if len(woken) == 1 else 's'}")

    def _oncall(self, headers: Mapping[str, str], body: bytes) -> Answer:
        secret = self._engine.configuration.secret("ONCALL_WEBHOOK_SECRET")
        event = read_webhook(headers, body, secret=secret)
        if event is None:
            return Answer(401, "the secret header is missing or wrong")
        for one in event:
            self._engine.desk.heard(one.action, one.alias, one.by)
        return Answer(200, "ok")


def failing_apps(memories: Iterable[AppMemory]) -> dict[str, str]:
    """Return the parts of `/healthz` about apps: the first that failed, and how many do besides.

    A probe logs what it hears every few seconds, and Kubernetes keeps no more than 10 KiB of it.
    """
    failing = [(one.failing_since, one.app) for one in memories if one.failing_since is not None]
    parts = {f"app {app}": "failing" for _, app in sorted(failing)[:_LISTED]}
    return parts if len(failing) <= _LISTED else parts | {"further apps": f"{len(failing) - _LISTED} failing"}


def _slack(engine: Engine, clock: Callable[[], datetime]) -> tuple[_Door | None, WsgiApp | None]:
    """Return Slack's way in: a connection of ours, or what answers its requests."""
    configuration = engine.configuration
    settings = configuration.settings.slack
    if settings.mode == "off":
        return None, None
    from bot.chat.app import build_app  # imported late: a bot without Slack does not pay for it
    from bot.chat.http import SlackHttpDoor
    from bot.chat.people import People
    from bot.chat.socket import SocketDoor

    token, secret = configuration.secret("SLACK_BOT_TOKEN"), configuration.secret("SLACK_SIGNING_SECRET")
    app = build_app(
        desk=engine.desk,
        rules=rules(configuration),
        people=People(token, api_url=settings.api_url, clock=clock),
        bot_token=token,
        signing_secret=secret,
        api_url=settings.api_url,
        clock=clock,
        quick=order_threads(16),
        slow=order_threads(8),
    )
    if settings.mode == "http":
        return None, SlackHttpDoor(app, signing_secret=secret)
    return SocketDoor(app, app_token=configuration.secret("SLACK_APP_TOKEN"), api_url=settings.api_url), None
