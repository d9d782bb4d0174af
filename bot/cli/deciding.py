"""The commands that the running bot picks up: pause, resume, approve."""

from __future__ import annotations

import argparse
from typing import TextIO

from bot.cli.main import OK
from bot.cli.terminal import app_named, engine, noting, now, operator
from bot.errors import OrderRefused, UsageError
from bot.model.control import Via
from bot.settings.values import duration


def pause(arguments: argparse.Namespace, out: TextIO) -> int:
    try:
        until = now() + duration(arguments.duration) if arguments.duration else None
    except ValueError as error:
        raise UsageError(f"--for {arguments.duration}: {error}") from error
    with engine(arguments) as built:
        app = app_named(built, arguments)
        with noting(built, app, "pause", arguments.reason):
            done = built.desk.pause(app.key, by=operator(), until=until, reason=arguments.reason, via=Via.CLI)
    out.write(f"{done.text}\n")
    return OK


def resume(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments) as built:
        app = app_named(built, arguments)
        with noting(built, app, "resume"):
            done = built.desk.resume(app.key, by=operator(), via=Via.CLI)
    out.write(f"{done.text}\n")
    return OK


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
