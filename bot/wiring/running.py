"""What the running bot alone needs: the loop, the ways out, the heartbeat and the threads of orders."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bot.errors import StateError
from bot.model.announcement import Page
from bot.model.outcome import SyncReport
from bot.model.record import Consignment, Dispatch, SinkName
from bot.ports.delivery import Sink
from bot.reconcile.incidents.attention import Attention
from bot.reconcile.notify.news import notice, operation_at
from bot.reconcile.schedule.rounds import Rounds
from bot.settings import Configuration
from bot.wiring import values
from bot.wiring.engine import Engine
from bot.wiring.outward import alert_api, write_back_targets

if TYPE_CHECKING:  # a command that only looks does not pay for what only the running bot needs
    from bot.chat.poster import SlackSink
    from bot.delivery.courier import Courier
    from bot.oncall.heartbeat import Heartbeat
    from bot.reconcile.schedule.loop import Loop

log = logging.getLogger(__name__)


def build_loop(
    engine: Engine,
    *,
    clock: Callable[[], datetime],
    beat: Callable[[], None],
    ended: Callable[[SyncReport], None] = lambda _: None,
) -> Loop:
    """Build the loop and let the desk wake it; `ended` hears of each pass."""
    from bot.oncall.sunset import sunset
    from bot.reconcile.schedule.loop import Loop

    slack = engine.configuration.settings.slack
    digest = slack.digest
    zone = ZoneInfo(digest.timezone if digest else slack.quiet.timezone if slack.quiet else "UTC")
    providers = [name for name, _, _ in values.oncall_providers(engine.configuration)]
    rounds = Rounds(
        engine.passes.apps,
        store=engine.store,
        post=engine.post,
        enquiry=engine.desk,
        clock=clock,
        schedule=digest.value() if digest is not None else None,
        notice=lambda now: sunset(providers, now.astimezone(zone)),
        descends=lambda app, new, old: engine.world.repos[app.repo].descends_here(new, old),
    )
    loop = Loop(
        engine.passes,
        store=engine.store,
        retry=values.retry(engine.configuration),
        clock=clock,
        beat=beat,
        ended=ended,
        rounds=rounds.make,
        errands=engine.images.due if engine.images is not None else tuple,
    )
    engine.loop.attach(loop)
    return loop


def build_courier(engine: Engine, *, clock: Callable[[], datetime], failed: Callable[[SinkName, str], None]) -> Courier:
    """Build the ways out that the configuration names; `failed` hears of each try that failed, and how."""
    from bot.delivery.courier import Courier
    from bot.delivery.tidings import Fate, tidings
    from bot.oncall.sink import AlertHook, OncallSink
    from bot.writeback.sink import WriteBackSink

    configuration = engine.configuration
    settings = configuration.settings
    sinks: list[Sink] = []
    slack: SlackSink | None = None
    if settings.slack.mode != "off":
        from bot.chat.people import People  # imported late: a bot without Slack does not pay for it
        from bot.chat.poster import SlackSink

        token = configuration.secret("SLACK_BOT_TOKEN")

        slack = SlackSink(
            token,
            api_url=settings.slack.api_url,
            store=engine.store,
            fallback_channel=settings.slack.default_channel,
            people=People(token, api_url=settings.slack.api_url, clock=clock, overrides=settings.slack.people),
            clock=clock,
            diverted=lambda: failed(SinkName.SLACK, "diverted"),
        )
        sinks.append(slack)
    if settings.oncall.provider != "off":
        sinks.append(
            OncallSink(
                [
                    AlertHook(host) if name == "webhook" else alert_api(configuration, name, host, variable)
                    for name, host, variable in values.oncall_providers(configuration)
                ],
                link=slack.link if slack is not None else lambda operation, channel: "",
            )
        )
    if settings.writebacks:
        sinks.append(WriteBackSink(write_back_targets(engine), values.receivers(configuration)))

    attention = Attention(engine.store, post=engine.post)

    def tell(consignment: Consignment, fate: Fate, why: str) -> tuple[Dispatch, ...]:
        if fate is Fate.ARRIVED and isinstance(consignment.parcel, Page):
            attention.arrived(consignment.parcel, at=clock())
        return engine.post.rows(tidings(consignment, fate, why=why, at=clock()))

    return Courier(engine.store, sinks, clock=clock, tell=tell, failed=failed, tracer=engine.tracer)


def send_again(engine: Engine, *, clock: Callable[[], datetime]) -> None:
    """Let pages that were refused for good be tried once with the configuration of now, where their trouble lasts."""
    try:
        again = Attention(engine.store, post=engine.post).send_again(at=clock())
    except StateError as error:
        log.error("pages that were refused are not sent again: %s", error)
        return
    for alias in again:
        log.info("the page %s, which was refused, is sent again", alias)


def build_heartbeat(configuration: Configuration, *, tell: Callable[[str], None] = lambda _: None) -> Heartbeat | None:
    """Return what beats once a minute while passes complete; None without a heartbeat."""
    oncall = configuration.settings.oncall
    if not oncall.heartbeat:
        return None
    from bot.oncall.heartbeat import Heartbeat

    return Heartbeat(
        oncall.heartbeat,
        host=oncall.host,
        provider=oncall.provider,
        key=configuration.secret("OPSGENIE_API_KEY"),
        tell=tell,
    )


def notice_of(engine: Engine, *, clock: Callable[[], datetime]) -> Callable[[str], None]:
    """Return what tells the default channel that the dead man's switch does not hear us, and what to do."""

    def tell(why: str) -> None:
        now = clock()
        news = notice(
            "heartbeat",
            f"The heartbeat does not arrive: {why}.",
            "Nobody is woken when this bot stops, until it does. /healthz says how it is",
            operation=operation_at(now, secrets.token_hex(3)),
            channel=engine.post.routing.default,
            at=now,
        )
        engine.store.dispatch(engine.post.rows([news]))

    return tell


def order_threads(count: int) -> ThreadPoolExecutor:
    """Return threads for orders: those that ask Git or a cluster before they can answer have some of their own."""
    return ThreadPoolExecutor(max_workers=count, thread_name_prefix="order")
