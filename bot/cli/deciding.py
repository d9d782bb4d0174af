"""The commands that the running bot picks up: pause, resume, mute, unmute, approve."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import timedelta
from typing import TextIO

from bot.cli.exits import OK
from bot.cli.terminal import app_named, apps_ordered, engine, noting, now, operator
from bot.errors import OrderRefused, UsageError
from bot.model.app import AppSpec
from bot.model.bulk import ALL, BulkOrder, chooses, reasons
from bot.model.control import Via
from bot.model.people import named
from bot.model.record import EVERY_APP
from bot.model.status import Followed
from bot.settings.values import duration
from bot.wiring import Engine


def pause(arguments: argparse.Namespace, out: TextIO) -> int:
    span, reason = _span(arguments), arguments.reason
    until = now() + span if span is not None else None
    return _order(
        arguments,
        out,
        lambda built, app: built.desk.pause(app.key, by=operator(), until=until, reason=reason, via=Via.CLI),
        span=span,
    )


def resume(arguments: argparse.Namespace, out: TextIO) -> int:
    return _order(arguments, out, lambda built, app: built.desk.resume(app.key, by=operator(), via=Via.CLI))


def mute(arguments: argparse.Namespace, out: TextIO) -> int:
    span = _span(arguments)
    if span is None:
        raise UsageError("mute needs a time: --for 2h")
    until, reason = now() + span, arguments.reason

    def muted(built: Engine, app: str) -> Followed:
        return built.desk.mute(app, by=operator(), until=until, reason=reason, via=Via.CLI)

    if arguments.app == [ALL]:
        with engine(arguments) as built:
            out.write(f"{muted(built, EVERY_APP).text}\n")
        return OK
    return _order(arguments, out, lambda built, app: muted(built, app.key), span=span)


def unmute(arguments: argparse.Namespace, out: TextIO) -> int:
    if arguments.app == [ALL]:
        with engine(arguments) as built:
            if built.desk.mutes_all():
                out.write(f"{built.desk.unmute(EVERY_APP, by=operator(), via=Via.CLI).text}\n")
                return OK
    return _order(arguments, out, lambda built, app: built.desk.unmute(app.key, by=operator(), via=Via.CLI))


def approve(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments) as built:
        app = app_named(built, arguments)
        if not arguments.plan_hash:
            raise UsageError("approve needs the hash of the plan, as `gitops-bot plan` shows it")
        with noting(built, app, "approve", arguments.plan_hash):
            if app.approvers and not app.approvers.name([operator()], in_group=lambda _: False):
                raise OrderRefused(f"{operator()} is not among the approvers of {app.title}")
            answer = built.desk.approve(app.key, arguments.plan_hash, by=operator(), via=Via.CLI)
    out.write(f"{answer}\n")
    return OK


def _span(arguments: argparse.Namespace) -> timedelta | None:
    try:
        return duration(arguments.duration) if arguments.duration else None
    except ValueError as error:
        raise UsageError(f"--for {arguments.duration}: {error}") from error


def _order(
    arguments: argparse.Namespace,
    out: TextIO,
    follow: Callable[[Engine, AppSpec], Followed],
    *,
    span: timedelta | None = None,
) -> int:
    """Order something of one app by `follow`, or of many at once."""
    verb, reason = arguments.command, getattr(arguments, "reason", "")
    words = " ".join(arguments.app)
    with engine(arguments) as built:
        apps = apps_ordered(built, arguments)
        if len(arguments.app) == 1 and not chooses(words):
            with noting(built, apps[0], verb, reason):
                out.write(f"{follow(built, apps[0]).text}\n")
            return OK
        order = BulkOrder(verb=verb, words=words, by=operator(), via=Via.CLI, span=span, reason=reason)
        done = built.desk.sweep(order, apps, words=words, denied=())
        lines = [named(line, built.store.names()) for line in reasons(done.kept)]
    if not done.apps:
        raise OrderRefused("\n  ".join([done.done.text, *lines]))
    out.write("\n".join([done.done.text, *(f"  {app.title}" for app in done.apps), *lines]) + "\n")
    return OK
