"""The commands that write to a cluster, with or without a running bot: sync, rollback, delete, restore."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TextIO

from bot.cli import reports
from bot.cli.exits import ERROR, OK
from bot.cli.terminal import app_named, apps_named, engine, noting, objects_named, operator, write_json
from bot.errors import OrderRefused, Problem, UsageError
from bot.model.app import AppSpec
from bot.model.control import Trigger, Via
from bot.model.outcome import Deed, Result, SyncReport
from bot.model.people import named
from bot.model.plan import PlanFailure
from bot.model.resource import ResourceId, id_of
from bot.plan.explain import plan_json
from bot.wiring import Engine

UNHEALTHY: Final = 3
HELD: Final = 4
_LOCK_PATIENCE: Final = timedelta(minutes=10)  # a pass of the running bot may be waiting for health

_STATUS: Final[Mapping[Result, int]] = {
    Result.CONVERGED: OK,
    Result.SUPERSEDED: UNHEALTHY,
    Result.UNHEALTHY: UNHEALTHY,
    Result.FAILED: ERROR,
    Result.REFUSED: HELD,
    Result.PAUSED: HELD,
    Result.WAITING_APPROVAL: HELD,
    Result.SKIPPED: HELD,
}


def sync(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments, announces=not arguments.no_announce, traced=True) as built:
        chosen = apps_named(built, arguments.app)
        if arguments.confirm is not None and len(chosen) != 1:
            raise UsageError("--confirm is a yes to the plan of one app: name it")
        if arguments.timeout is not None:
            chosen = tuple(replace(app, timeout=timedelta(seconds=arguments.timeout)) for app in chosen)
        trigger = Trigger(via=Via.CLI, by=operator(), confirm=arguments.confirm)
        only = objects_named(arguments.only) if arguments.only else None
        if only is not None and len(chosen) != 1:
            raise UsageError("--only names an object of one app: name it")
        results = [(app, _pass(built, app, trigger, wait=not arguments.no_wait, only=only)) for app in chosen]
        names = built.store.names()
    if arguments.output == "json":
        write_json(out, {"apps": [_sync_json(app, report) for app, report in results]})
    else:
        lines = [named(reports.report_text(app.title, report), names) for app, report in results]
        out.write("\n".join(lines) + "\n")
    statuses = {OK if arguments.no_wait and _is_applied(report) else _STATUS[report.result] for _, report in results}
    return next((one for one in (ERROR, HELD, UNHEALTHY) if one in statuses), OK)


def rollback(arguments: argparse.Namespace, out: TextIO) -> int:
    """Pin the app, then run the pass here: a terminal's rollback works without a running bot."""
    with engine(arguments, traced=True) as built:
        app = app_named(built, arguments)
        if not arguments.commit:
            raise UsageError("rollback needs a commit: 7 or more digits of its hash")
        with noting(built, app, "rollback", f"{arguments.commit} {arguments.reason}".strip()):
            answer = built.desk.rollback(app.key, arguments.commit, by=operator(), reason=arguments.reason, via=Via.CLI)
        out.write(f"{answer}\n")
        report = _pass(built, app, Trigger(via=Via.CLI, by=operator(), follows=True), wait=True)
        out.write(reports.report_text(app.title, report) + "\n")
    return OK if report.result is Result.CONVERGED else ERROR


def delete(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments, traced=True) as built:
        if not arguments.app:
            raise UsageError("delete needs an app")
        app = built.desk.unwanted(arguments.app)
        trigger = Trigger(via=Via.CLI, by=operator(), confirm=arguments.confirm)
        with noting(built, app, "delete", arguments.confirm or ""):
            removed = built.passes.remove(app, trigger, keep_objects=arguments.keep_objects, patience=_LOCK_PATIENCE)
            report = _done(app, removed)
    if arguments.output == "json":
        write_json(out, {"apps": [_sync_json(app, report)]})
    else:
        out.write(reports.report_text(app.title, report) + "\n")
        if report.result is Result.REFUSED and report.plan is not None:
            out.write(f"Say yes to it with: gitops-bot delete {arguments.app} --confirm {report.plan.hash}\n")
    return _STATUS[report.result]


def restore(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments) as built:
        app = app_named(built, arguments)
        if arguments.list:
            lines = built.desk.restorable(app.key)
            rows = [("OBJECT", "PRUNED AT", "COMMIT")]
            rows += [(str(id_of(one.body)), str(reports.stamp(one.at)), one.commit[:7]) for one in lines]
            out.write(reports.table(rows) + "\n")
            return OK
        wanted = objects_named(arguments.object) if arguments.object else lambda _: True
        with noting(built, app, "restore", arguments.object or ""):
            done = built.desk.restore(app.key, wanted, by=operator(), via=Via.CLI)
            if not done:
                what = "like that " if arguments.object else ""
                raise OrderRefused(f"{app.title}: nothing {what}was pruned in thirty days")
    for id, message in done:
        out.write(f"{'not restored' if message else 'restored'} {id}" + (f": {message}" if message else "") + "\n")
    out.write("Restored objects belong to nobody: put them back into Git, or delete them by hand.\n")
    return ERROR if any(message for _, message in done) else OK


def _pass(
    built: Engine,
    app: AppSpec,
    trigger: Trigger,
    *,
    wait: bool,
    only: Callable[[ResourceId], bool] | None = None,
) -> SyncReport:
    stop = _StopWhenApplied(enabled=not wait)
    return _done(app, built.passes.perform(app, trigger, stop=stop, patience=_LOCK_PATIENCE, only=only))


def _is_applied(report: SyncReport) -> bool:
    """Tell whether all was written, of a pass that did not wait: the next waves are not without those before."""
    return report.result is Result.SUPERSEDED and all(one.deed is not Deed.SKIPPED for one in report.outcomes)


def _done(app: AppSpec, report: SyncReport | None) -> SyncReport:
    if report is None:
        minutes = int(_LOCK_PATIENCE.total_seconds() / 60)
        raise OrderRefused(f"{app.title}: another pass has been running for {minutes} minutes; try again later")
    return report


class _StopWhenApplied:
    """With `--no-wait` the health wait ends at its first look; the applies before it do not ask."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled

    def __call__(self, commit: str) -> bool:
        return self.enabled


def _sync_json(app: AppSpec, report: SyncReport) -> dict[str, Any]:
    problems = report.failure.problems if report.failure else ()
    if report.failure and not problems:
        problems = (Problem(message=report.failure.message),)
    base = plan_json(
        report.plan
        or PlanFailure(app=app.name, cluster=app.cluster, revision=report.revision, ref=str(app.ref), problems=problems)
    )
    return {**base, **reports.report_json(report)}
