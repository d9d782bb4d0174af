"""The commands that only look: plan, status, history, audit, verify."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final, TextIO

import orjson

from bot.cli import reports
from bot.cli.exits import ERROR, OK
from bot.cli.terminal import app_named, apps_named, apps_of_name, engine, write_json
from bot.errors import NotThere, OrderRefused, UsageError
from bot.model.attempt import READ, attempts
from bot.model.people import named
from bot.model.plan import Plan, PlanFailure
from bot.model.record import AuditHead, AuditLink
from bot.plan.explain import plan_json, plan_text

CHANGES: Final = 2


def plan(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments, follow=False, speaks=False) as built:
        plans = [built.desk.plan(app.key, arguments.ref) for app in apps_named(built, arguments.app)]
    if arguments.output == "json":
        write_json(out, {"apps": [plan_json(one) for one in plans]})
    else:
        out.write("\n".join(plan_text(one).rstrip("\n") for one in plans) + "\n")
    if any(isinstance(one, PlanFailure) or one.blocked for one in plans):
        return ERROR
    return CHANGES if any(isinstance(one, Plan) and one.writes for one in plans) else OK


def status(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments, speaks=False) as built:
        try:
            lines = built.desk.choose(arguments.app)
        except NotThere as error:
            raise UsageError(str(error)) from error
        names = built.store.names()
    if arguments.output == "json":
        write_json(out, reports.status_json(lines))
    else:
        out.write(named(reports.status_text(lines), names) + "\n")
    return OK


def history(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments, speaks=False) as built:
        apps = apps_of_name(built, arguments)
        as_json = arguments.output == "json"
        limit = arguments.limit if as_json else max(arguments.limit, READ)
        found = [(app, built.desk.history(app.key, limit)) for app in apps]
        names = built.store.names()
    if as_json:
        values = [reports.history_json(app, entries) for app, entries in found]
        write_json(out, values[0] if len(values) == 1 else {"apps": values})
    else:
        tables = [(app.title, reports.history_text(attempts(entries)[: arguments.limit])) for app, entries in found]
        texts = [f"{title}\n{text}" for title, text in tables] if len(tables) > 1 else [text for _, text in tables]
        out.write(named("\n\n".join(texts), names) + "\n")
    return OK


def audit(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments, speaks=False) as built:
        if arguments.verify or arguments.export:
            return _audit_chain(built.store.audit_chain(), out, head=arguments.head, export=arguments.export)
        key = apps_named(built, [arguments.app])[0].key if arguments.app else None
        entries = built.store.audit(app=key, limit=arguments.limit)
        names = built.store.names()
    if arguments.output == "json":
        for one in entries:
            out.write(orjson.dumps(reports.audit_json(one)).decode() + "\n")
    else:
        out.write(reports.audit_text(entries, names) + "\n")
    return OK


def _audit_chain(links: Sequence[AuditLink], out: TextIO, *, head: str, export: bool) -> int:
    """Write every line with its chain, or whether the chain holds; a chain that does not is an error.

    `head` is an end that was kept elsewhere, `LINES:CHAIN`: without it nobody sees that the newest lines are gone.
    """
    if export:
        for one in links:
            line = {"id": one.id, **reports.audit_json(one.entry), "line": one.text, "chain": one.chain}
            out.write(orjson.dumps(line).decode() + "\n")
    broken = next((one for one in links if not one.holds), None)
    if broken is not None:
        raise OrderRefused(f"the audit does not hold: line {broken.id} or one before it is not what was written")
    if head:
        count, _, chain = head.partition(":")
        if not count.isdigit() or not chain:
            raise UsageError(f"--head {head}: expected LINES:CHAIN, as `audit --verify` and the digest print it")
        if not 0 < int(count) <= len(links) or links[int(count) - 1].chain != chain:
            raise OrderRefused(f"the audit does not hold: it did end at {head}, and has {len(links)} lines now")
    if not export:
        end = AuditHead(lines=len(links), chain=links[-1].chain if links else "")
        out.write(f"the audit holds: {len(links)} lines, head {end}\n")
    return OK


def verify(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments, speaks=False) as built:
        app = app_named(built, arguments)
        found = built.desk.verify(app.key, arguments.ref)
    if arguments.output == "json":
        write_json(out, reports.verification_json(app.name, found))
    else:
        out.write(reports.verification_text(app.title, found) + "\n")
    return CHANGES if found.differences else OK
