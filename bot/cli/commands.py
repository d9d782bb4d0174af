"""What each command does. Every function takes the parsed arguments and stdout and returns the exit status."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TextIO

import orjson
import yaml

from bot.cli import reports
from bot.cli.main import ERROR, OK, config_path
from bot.errors import OrderRefused, Problem, UsageError
from bot.model.app import AppSpec
from bot.model.control import Trigger, Via
from bot.model.outcome import Result, SyncReport
from bot.model.plan import Plan, PlanFailure
from bot.model.record import AuditHead, AuditLink
from bot.model.resource import ResourceId, id_of
from bot.plan.explain import plan_json, plan_text
from bot.plan.rights import roles
from bot.settings import Configuration, load, schema
from bot.settings.values import duration
from bot.wiring import Engine, build_engine

CHANGES: Final = 2
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


def now() -> datetime:
    return datetime.now(tz=UTC)


def operator() -> str:
    """Return who sits at the terminal, as the audit names them."""
    return f"os:{getpass.getuser()}"


def configuration(arguments: argparse.Namespace) -> Configuration:
    return load(config_path(arguments.config), os.environ)


@contextmanager
def engine(arguments: argparse.Namespace, *, announces: bool = True, follow: bool = True) -> Iterator[Engine]:
    built = build_engine(configuration(arguments), clock=now, announces=announces, follow=follow)
    try:
        built.passes.apps.refresh()
        yield built
    finally:
        built.close()


def _chosen(built: Engine, names: Sequence[str]) -> tuple[AppSpec, ...]:
    try:
        return tuple(built.desk.find(name) for name in names) or built.desk.apps()
    except OrderRefused as error:
        raise UsageError(str(error)) from error


def _one(built: Engine, arguments: argparse.Namespace) -> AppSpec:
    if not arguments.app:
        raise UsageError(f"{arguments.command} needs an app: one of {', '.join(app.name for app in built.desk.apps())}")
    return _chosen(built, [arguments.app])[0]


def _json(out: TextIO, value: Any) -> None:
    out.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    from bot.cli.serve import serve  # imported late: only the bot pays for Slack and HTTP

    return serve(lambda: configuration(arguments))


def plan(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments, follow=False) as built:
        plans = [built.desk.plan(app.key, arguments.ref) for app in _chosen(built, arguments.app)]
    if arguments.output == "json":
        _json(out, {"apps": [plan_json(one) for one in plans]})
    else:
        out.write("\n".join(plan_text(one).rstrip("\n") for one in plans) + "\n")
    if any(isinstance(one, PlanFailure) or one.blocked for one in plans):
        return ERROR
    return CHANGES if any(isinstance(one, Plan) and one.writes for one in plans) else OK


def sync(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments, announces=not arguments.no_announce) as built:
        chosen = _chosen(built, arguments.app)
        if arguments.confirm is not None and len(chosen) != 1:
            raise UsageError("--confirm is a yes to the plan of one app: name it")
        if arguments.timeout is not None:
            chosen = tuple(replace(app, timeout=timedelta(seconds=arguments.timeout)) for app in chosen)
        trigger = Trigger(via=Via.CLI, by=operator(), confirm=arguments.confirm)
        only = _named(arguments.only) if arguments.only else None
        if only is not None and len(chosen) != 1:
            raise UsageError("--only names an object of one app: name it")
        results = [(app, _pass(built, app, trigger, wait=not arguments.no_wait, only=only)) for app in chosen]
    if arguments.output == "json":
        _json(out, {"apps": [_sync_json(app, report) for app, report in results]})
    else:
        out.write("\n".join(reports.report_text(app.title, report) for app, report in results) + "\n")
    statuses = {
        OK if arguments.no_wait and report.result is Result.SUPERSEDED else _STATUS[report.result]
        for _, report in results
    }
    return next((one for one in (ERROR, HELD, UNHEALTHY) if one in statuses), OK)


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


def _done(app: AppSpec, report: SyncReport | None) -> SyncReport:
    if report is None:
        minutes = int(_LOCK_PATIENCE.total_seconds() / 60)
        raise OrderRefused(f"{app.title}: another pass has been running for {minutes} minutes; try again later")
    return report


def _named(text: str) -> Callable[[ResourceId], bool]:
    """Return whether an object is meant by `Deployment/api` or `deployment/shop/api`."""
    kind, *place = text.split("/")
    if not kind or len(place) not in {1, 2} or not all(place):
        raise UsageError(f"{text}: write KIND/NAME, or KIND/NAMESPACE/NAME")

    def means(id: ResourceId) -> bool:
        return id.kind.lower() == kind.lower() and place in ([id.name], [id.namespace, id.name])

    return means


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


def status(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments) as built:
        lines = built.desk.status([app.key for app in _chosen(built, arguments.app)])
        lines += () if arguments.app else built.desk.released()
    if arguments.output == "json":
        _json(out, reports.status_json(lines))
    else:
        out.write(reports.status_text(lines) + "\n")
    return OK


def history(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments) as built:
        app = _one(built, arguments)
        entries = built.desk.history(app.key, arguments.limit)
    if arguments.output == "json":
        _json(out, reports.history_json(app.name, entries))
    else:
        out.write(reports.history_text(entries) + "\n")
    return OK


def audit(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments) as built:
        if arguments.verify or arguments.export:
            return _audit_chain(built.store.audit_chain(), out, head=arguments.head, export=arguments.export)
        key = _chosen(built, [arguments.app])[0].key if arguments.app else None
        entries = built.store.audit(app=key, limit=arguments.limit)
    if arguments.output == "json":
        for one in entries:
            out.write(orjson.dumps(reports.audit_json(one)).decode() + "\n")
    else:
        out.write(reports.audit_text(entries) + "\n")
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


def _noting(built: Engine, app: AppSpec, verb: str, words: str = "") -> AbstractContextManager[None]:
    return built.desk.noting(app.key, verb, words, by=operator(), via=Via.CLI)


def pause(arguments: argparse.Namespace, out: TextIO) -> int:
    try:
        until = now() + duration(arguments.duration) if arguments.duration else None
    except ValueError as error:
        raise UsageError(f"--for {arguments.duration}: {error}") from error
    with engine(arguments) as built:
        app = _one(built, arguments)
        with _noting(built, app, "pause", arguments.reason):
            answer = built.desk.pause(app.key, by=operator(), until=until, reason=arguments.reason, via=Via.CLI)
    out.write(f"{answer}\n")
    return OK


def resume(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments) as built:
        app = _one(built, arguments)
        with _noting(built, app, "resume"):
            answer = built.desk.resume(app.key, by=operator(), via=Via.CLI)
    out.write(f"{answer}\n")
    return OK


def rollback(arguments: argparse.Namespace, out: TextIO) -> int:
    """Pin the app, then run the pass here: a terminal's rollback works without a running bot."""
    with engine(arguments) as built:
        app = _one(built, arguments)
        if not arguments.commit:
            raise UsageError("rollback needs a commit: 7 or more digits of its hash")
        with _noting(built, app, "rollback", f"{arguments.commit} {arguments.reason}".strip()):
            answer = built.desk.rollback(app.key, arguments.commit, by=operator(), reason=arguments.reason, via=Via.CLI)
        out.write(f"{answer}\n")
        report = _pass(built, app, Trigger(via=Via.CLI, by=operator()), wait=True)
        out.write(reports.report_text(app.title, report) + "\n")
    return OK if report.result is Result.CONVERGED else ERROR


def approve(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments) as built:
        app = _one(built, arguments)
        if not arguments.plan_hash:
            raise UsageError("approve needs the hash of the plan, as `gitops-bot plan` shows it")
        with _noting(built, app, "approve", arguments.plan_hash):
            if app.approvers and not app.approvers.name([operator()], in_group=lambda _: False):
                raise OrderRefused(f"{operator()} is not among the approvers of {app.title}")
            answer = built.desk.approve(app.key, arguments.plan_hash, by=operator(), via=Via.CLI)
    out.write(f"{answer}\n")
    return OK


def delete(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments) as built:
        if not arguments.app:
            raise UsageError("delete needs an app")
        app = built.desk.unwanted(arguments.app)
        trigger = Trigger(via=Via.CLI, by=operator(), confirm=arguments.confirm)
        with _noting(built, app, "delete", arguments.confirm or ""):
            removed = built.passes.remove(app, trigger, keep_objects=arguments.keep_objects, patience=_LOCK_PATIENCE)
            report = _done(app, removed)
    if arguments.output == "json":
        _json(out, {"apps": [_sync_json(app, report)]})
    else:
        out.write(reports.report_text(app.title, report) + "\n")
        if report.result is Result.REFUSED and report.plan is not None:
            out.write(f"Say yes to it with: gitops-bot delete {arguments.app} --confirm {report.plan.hash}\n")
    return _STATUS[report.result]


def restore(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments) as built:
        app = _one(built, arguments)
        if arguments.list:
            lines = built.desk.restorable(app.key)
            rows = [("OBJECT", "PRUNED AT", "COMMIT")]
            rows += [(str(id_of(one.body)), str(reports.stamp(one.at)), one.commit[:7]) for one in lines]
            out.write(reports.table(rows) + "\n")
            return OK
        wanted = _named(arguments.object) if arguments.object else lambda _: True
        with _noting(built, app, "restore", arguments.object or ""):
            done = built.desk.restore(app.key, wanted, by=operator(), via=Via.CLI)
            if not done:
                what = "like that " if arguments.object else ""
                raise OrderRefused(f"{app.title}: nothing {what}was pruned in thirty days")
    for id, message in done:
        out.write(f"{'not restored' if message else 'restored'} {id}" + (f": {message}" if message else "") + "\n")
    out.write("Restored objects belong to nobody: put them back into Git, or delete them by hand.\n")
    return ERROR if any(message for _, message in done) else OK


def verify(arguments: argparse.Namespace, out: TextIO) -> int:
    with engine(arguments) as built:
        app = _one(built, arguments)
        found = built.desk.verify(app.key, arguments.ref)
    if arguments.output == "json":
        _json(out, reports.verification_json(app.name, found))
    else:
        out.write(reports.verification_text(app.title, found) + "\n")
    return CHANGES if found.differences else OK


def check(arguments: argparse.Namespace, out: TextIO) -> int:
    from bot.cli.checking import check_all, ending

    with engine(arguments) as built:
        problems, end = check_all(built, page=arguments.page), ending(built)
    notice = f"{end.message} {end.next_step}" if end is not None else ""
    if end is not None and end.is_over:
        problems = (*problems, Problem(message=notice, subject="on-call"))
    warnings = [notice] if end is not None and not end.is_over else []
    if arguments.output == "json":
        found = [{"subject": p.subject, "message": p.message, "where": p.where} for p in problems]
        _json(out, {"problems": found, "warnings": warnings})
        return ERROR if problems else OK
    out.writelines(f"warning: {one}\n" for one in warnings)
    if problems:
        out.write("\n".join(f"{one.subject + ': ' if one.subject else ''}{one}" for one in problems) + "\n")
    else:
        out.write("everything answers\n")
    return ERROR if problems else OK


def rbac(arguments: argparse.Namespace, out: TextIO) -> int:
    from bot.cli.checking import rights_of

    if arguments.subject.count("/") != 1 or not all(arguments.subject.split("/")):
        raise UsageError(f"--subject {arguments.subject}: write NAMESPACE/NAME of the bot's service account")
    with engine(arguments) as built:
        names = [arguments.cluster] if arguments.cluster else [*built.world.clusters]
        if unknown := [name for name in names if name not in built.world.clusters]:
            raise UsageError(f"there is no cluster {unknown[0]}: one of {', '.join(built.world.clusters)}")
        found = {name: rights_of(built, name) for name in names}
    for name, (grants, problems) in found.items():
        out.write(f"# cluster {name}\n")
        for one in problems:
            sys.stderr.write(f"{one}\n")
        title = f"gitops-bot-{built.configuration.settings.instance}"
        out.write(yaml.safe_dump_all(roles(grants, subject=arguments.subject, name=title), sort_keys=False))
        out.write("---\n" if name != names[-1] else "")
    return ERROR if any(problems for _, problems in found.values()) else OK


def config(arguments: argparse.Namespace, out: TextIO) -> int:
    _json(out, schema())
    return OK


def slack(arguments: argparse.Namespace, out: TextIO) -> int:
    from bot.chat.manifest import manifest

    if arguments.mode == "http" and not arguments.url:
        raise UsageError("slack manifest --mode http needs --url, where Slack reaches the bot")
    _json(out, manifest(mode=arguments.mode, url=arguments.url))
    return OK


COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace, TextIO], int]]] = {
    "run": run,
    "plan": plan,
    "sync": sync,
    "status": status,
    "history": history,
    "audit": audit,
    "pause": pause,
    "resume": resume,
    "rollback": rollback,
    "approve": approve,
    "delete": delete,
    "restore": restore,
    "verify": verify,
    "check": check,
    "rbac": rbac,
    "config": config,
    "slack": slack,
}
