"""Results as people and machines read them: `status`, `history`, `audit`. Pure: values in, text or JSON values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.model.app import AppSpec
from bot.model.attempt import Attempt
from bot.model.control import ControlState
from bot.model.outcome import SyncReport
from bot.model.people import named
from bot.model.record import AuditEntry, HistoryEntry
from bot.model.resource import ResourceId
from bot.model.status import AppStatus, Question, counts
from bot.model.verification import Verification
from bot.plan.explain import object_json, summary_json


def stamp(at: datetime | None) -> str | None:
    """Return RFC 3339 in UTC, or None."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def status_json(lines: Sequence[AppStatus]) -> dict[str, Any]:
    return {
        "apps": [
            {
                "app": one.app,
                "cluster": one.cluster,
                "env": one.env,
                "sync": one.sync.value,
                "health": one.health.value,
                "seen_health": one.seen_health.value if one.seen_health is not None else None,
                "unseen_since": stamp(one.unseen_since),
                "control": one.control.value,
                "control_by": one.control_by or None,
                "control_reason": one.control_reason or None,
                "control_until": stamp(one.control_until),
                "revision": one.revision or None,
                "target_revision": one.target_revision or None,
                "last_sync_at": stamp(one.last_sync_at),
                "images": list(one.images),
                "registries_unseen_since": {host: stamp(since) for host, since in one.unseen},
                "last_error": one.last_error or None,
                "consecutive_failures": one.consecutive_failures,
                "objects": one.objects,
                "progress": {"written": one.written, "total": one.writes} if one.writes else None,
            }
            for one in lines
        ]
    }


def status_text(given: Sequence[AppStatus]) -> str:
    """Return a table, what needs attention first, what there is to say of each app, and how many stand how."""
    if not given:
        return "no app is like that"
    lines = sorted(given, key=lambda one: (one.rank, one.cluster, one.app))
    rows = [("APP", "CLUSTER", "SYNC", "HEALTH", "CONTROL", "REVISION", "TARGET", "OBJECTS", "LAST SYNC")]
    rows += [
        (
            one.app,
            one.cluster,
            one.sync.value,
            one.health.value,
            one.control.value,
            one.revision[:7] or "-",
            one.target_revision[:7] or "-",
            str(one.objects),
            stamp(one.last_sync_at) or "never",
        )
        for one in lines
    ]
    often = Counter(one.app for one in lines)

    def name(one: AppStatus) -> str:
        return one.key if often[one.app] > 1 else one.app

    notes = [f"{name(one)}: {one.last_error}" for one in lines if one.last_error]
    notes += [
        f"{name(one)}: nobody could look since {stamp(one.unseen_since)}, it was {one.seen_health.value} before"
        for one in lines
        if one.unseen_since is not None and one.seen_health is not None
    ]
    notes += [
        f"{name(one)}: {one.control.value} by {one.control_by}"
        + (f": {one.control_reason}" if one.control_reason else "")
        for one in lines
        if one.control_by
    ]
    for one in lines:
        syncing = [f"syncing to {one.target_revision[:7]}"] if one.is_syncing else []
        if syncing or one.progress:
            notes.append(f"{name(one)}: {', '.join([*syncing, *filter(None, [one.progress])])}")
    notes += [f"{name(one)}: {_asked(one.question)}" for one in lines if one.question is not None]
    notes += [
        f"{name(one)}: pinned at {one.pin.commit[:7]} by {one.pin.by}, under the pause; `resume` ends both"
        for one in lines
        if one.pin is not None and one.control is ControlState.PAUSED
    ]
    notes += [
        f"{name(one)}: to {one.decided.verb}, proposed by {one.decided.who}: {one.decided.arguments}"
        for one in lines
        if one.decided is not None
    ]
    unseen = [(name(one), host, since) for one in lines for host, since in one.unseen]
    notes += [f"{who}: new tags of {host} are not seen since {stamp(since)}" for who, host, since in unseen]
    if len(lines) == 1 and lines[0].images:
        notes.append(f"{name(lines[0])}: follows {', '.join(lines[0].images)}")
    return "\n".join([table(rows), *notes, *([counts(lines)] if len(lines) > 1 else [])])


def _asked(question: Question) -> str:
    shown = replace(question, plan_hash=question.plan_hash[:19])
    return shown.told(until=stamp(question.until) or "")


def history_json(app: AppSpec, entries: Sequence[HistoryEntry]) -> dict[str, Any]:
    return {
        "app": app.name,
        "cluster": app.cluster,
        "entries": [
            {
                "id": one.id,
                "revision": one.revision,
                "ref": one.ref,
                "kind": one.kind.value,
                "by": one.by,
                "via": one.via.value,
                "started_at": stamp(one.started_at),
                "finished_at": stamp(one.finished_at),
                "result": one.result.value,
                "summary": summary_json(one.summary),
                "rendered_digest": one.digest or None,
                "live_digest": one.live_digest or None,
                "approved_by": list(one.approved_by),
            }
            for one in entries
        ],
    }


def history_text(shown: Sequence[Attempt]) -> str:
    if not shown:
        return "nothing was deployed yet"
    rows = [("FINISHED", "REVISION", "KIND", "RESULT", "CHANGES", "BY")]
    rows += [
        (
            stamp(one.newest.finished_at) or "",
            one.newest.revision[:7],
            one.newest.kind.value,
            one.newest.result.value + (f" {one.count} times since {stamp(one.first)}" if one.count > 1 else ""),
            one.newest.did,
            _by(one.newest),
        )
        for one in shown
    ]
    return table(rows)


def _by(one: HistoryEntry) -> str:
    approved = f", approved by {', '.join(one.approved_by)}" if one.approved_by else ""
    return f"{one.by or one.via.value}{approved}"


def audit_json(one: AuditEntry) -> dict[str, Any]:
    return {
        "at": stamp(one.at),
        "who": one.who,
        "via": one.via.value,
        "verb": one.verb,
        "app": one.app.rpartition("/")[2],
        "cluster": one.app.rpartition("/")[0],
        "arguments": one.arguments,
        "decision": one.decision.value,
        "why": one.why,
    }


def audit_text(entries: Sequence[AuditEntry], names: Mapping[str, str]) -> str:
    """Return the lines with the people's names, by id."""
    rows = [("AT", "WHO", "VERB", "APP", "DECISION", "DETAIL")]
    rows += [
        (
            stamp(one.at) or "",
            named(one.who, names),
            one.verb,
            one.app,
            one.decision.value,
            named(one.detail, names),
        )
        for one in entries
    ]
    return table(rows)


def report_json(report: SyncReport) -> dict[str, Any]:
    """Return what `sync --output json` adds to the plan of an app."""
    versions = {change.id: change.ref.api_version for change in report.plan.changes} if report.plan else {}

    def named(id: ResourceId) -> dict[str, str]:
        return object_json(versions.get(id, id.group), id)

    return {
        "outcomes": [
            {"object": named(one.id), "deed": one.deed.value, "message": one.message} for one in report.outcomes
        ],
        "health": [
            {"object": named(id), "health": one.state.value, "message": one.message} for id, one in report.health
        ],
        "result": report.result.value,
        "reason": report.reason or (report.failure.message if report.failure else ""),
    }


def verification_json(app: str, one: Verification) -> dict[str, Any]:
    return {
        "app": app,
        "commit": one.found.commit,
        "equal": not one.differences,
        "as_recorded": one.is_as_recorded,
        "objects": sum(1 for change in one.plan.changes if change.manifest is not None),
        "rendered_digest": one.found.rendered,
        "live_digest": one.found.live or None,
        "recorded": {
            "commit": one.recorded.commit or None,
            "rendered_digest": one.recorded.rendered or None,
            "live_digest": one.recorded.live or None,
        },
        "differences": list(one.differences),
    }


def verification_text(title: str, one: Verification) -> str:
    objects = sum(1 for change in one.plan.changes if change.manifest is not None)
    if one.differences:
        count = len(one.differences)
        head = f"{title} is not equal to {one.revision.short}: {count} {'difference' if count == 1 else 'differences'}"
        return "\n".join([head, *(f"  {line}" for line in one.differences)])
    lines = [f"{title} equals {one.revision.short}: {objects} objects"]
    lines.append(f"  rendered {one.found.rendered}")
    lines.append(f"  live     {one.found.live}")
    if one.found.commit == one.recorded.commit and not one.is_as_recorded:
        lines.append("  the live fields are equal, but not those recorded: objects were made anew or changed owners")
    return "\n".join(lines)


def report_text(title: str, report: SyncReport) -> str:
    revision = f" at {report.revision.short}" if report.revision else ""
    lines = [f"{title}: {report.result.value}{revision}"]
    lines += [f"  {one.deed.value} {one.id}" + (f": {one.message}" if one.message else "") for one in report.outcomes]
    if report.failure:
        lines.append(f"  {report.failure.message}")
        for problem in report.failure.problems:
            subject = f"{problem.subject}: " if problem.subject else ""
            lines.append(f"  {problem.where + ': ' if problem.where else ''}{subject}{problem.message}")
        for id, health in report.health:
            if health.cause is not None:
                cause = health.cause
                parts = [cause.pod, cause.reason, cause.message, cause.event]
                lines.append(f"  {id}: {', '.join(part for part in parts if part)}")
                lines += [f"    | {text}" for text in cause.log]
    elif report.reason:
        lines.append(f"  {report.reason}")
    return "\n".join(lines)


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return columns aligned for a terminal."""
    rows = [tuple(row) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
