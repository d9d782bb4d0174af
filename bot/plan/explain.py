"""A plan for people and machines: lines for chat, text for a terminal, JSON for programs.

Pure. Everything in a plan is masked already, so nothing is hidden here. The JSON is a promise to programs: keys are
added, never renamed. Objects that do not change appear in the JSON only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from bot.errors import Problem
from bot.model.announcement import ChangeLine
from bot.model.marks import IGNORE, ignored
from bot.model.plan import Action, Change, FieldChange, Plan, PlanFailure, Summary
from bot.model.resource import ResourceId
from bot.model.source import Revision

_SIGNS: Final = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.RECREATE: "±",
    Action.DELETE: "-",
    Action.BLOCKED: "!",
    Action.UNCHANGED: "=",
}
_ABSENT: Final = "(none)"


def change_lines(plan: Plan) -> tuple[ChangeLine, ...]:
    """Return one line for each object that changes, is blocked, or stays although Git dropped it."""
    idle = Action.UNCHANGED
    shown = [one for one in plan.changes if one.action is not idle or one.retained]
    return tuple(
        ChangeLine(
            action=change.action.value,
            object=str(change.id),
            fields=tuple(field_text(field) for field in change.fields),
            origin=str(change.origin) if change.origin is not None else "",
            why=change.why,
            hands=change.hands,
            paths=tuple(field.path for field in change.fields),
        )
        for change in shown
    )


def field_text(field: FieldChange) -> str:
    """Return `path: before -> after` on one line."""
    return f"{field.path}: {_value(field.before)} -> {_value(field.after)}"


def plan_json(plan: Plan | PlanFailure) -> dict[str, Any]:
    """Return one entry of `apps` in the output of `plan --output json`."""
    if isinstance(plan, PlanFailure):
        return {
            "app": plan.app,
            "cluster": plan.cluster,
            "revision": plan.revision.commit if plan.revision is not None else None,
            "ref": plan.ref,
            "plan_hash": None,
            "summary": summary_json(Summary()),
            "changes": [],
            "impact": [],
            "warnings": [],
            "refusals": [],
            "errors": [_problem_json(problem) for problem in plan.problems],
        }
    return {
        "app": plan.app,
        "cluster": plan.cluster,
        "revision": plan.revision.commit,
        "ref": plan.ref,
        "plan_hash": plan.hash,
        "summary": summary_json(plan.summary),
        "changes": [_change_json(change) for change in plan.changes],
        "impact": list(plan.impact),
        "warnings": list(plan.warnings),
        "refusals": [{"kind": refusal.kind.value, "message": refusal.message} for refusal in plan.refusals],
        "errors": [],
    }


def plan_text(plan: Plan | PlanFailure, *, hands: bool = True) -> str:
    """Return a plan as a terminal shows it, several lines without colour, ending with a line break.

    Without `hands` it says no times: who changed what by hand is told apart.
    """
    lines = _failure_lines(plan) if isinstance(plan, PlanFailure) else _plan_lines(plan, hands=hands)
    return "\n".join(lines) + "\n"


def _plan_lines(plan: Plan, *, hands: bool) -> Iterator[str]:
    yield f"{plan.app} / {plan.cluster}{_at(plan.revision, plan.ref)}: {plan.summary}"
    shown = _shown(plan)
    width = max((len(str(change.id)) for change in shown), default=0)
    for change in shown:
        yield from _change_text(change, width)
        if hands:
            yield from (f"      changed by {hand}" for hand in change.hands)
    for refusal in plan.refusals:
        yield f"refused: {refusal.message}"
    for warning in plan.warnings:
        yield f"warning: {warning}"
    for sentence in plan.impact:
        yield f"impact: {sentence}"
    for change in plan.changes:
        if change.manifest is not None and (fields := ignored(change.manifest.annotations)):
            yield f"left alone: {change.id} {', '.join(fields)} ({IGNORE})"
    if plan.refusals:
        yield f"A human may agree to exactly this plan: {plan.hash}"
    elif plan.writes:
        yield f"plan {plan.hash}"


def _failure_lines(failure: PlanFailure) -> Iterator[str]:
    at = _at(failure.revision, failure.ref) if failure.revision is not None else f" ({failure.ref})"
    count = len(failure.problems)
    yield f"{failure.app} / {failure.cluster}{at}: {count} {'error' if count == 1 else 'errors'}, no plan"
    for problem in failure.problems:
        subject = f"{problem.subject}: " if problem.subject and problem.subject not in problem.message else ""
        where = f"{problem.where}: " if problem.where else ""
        yield f"error: {where}{subject}{problem.message}"


def _at(revision: Revision, ref: str) -> str:
    """Return the commit, and the branch it is the head of; a commit that somebody named is not said twice."""
    return f" at {revision.short}" + (f" ({ref})" if not revision.commit.startswith(ref) else "")


def _change_text(change: Change, width: int) -> Iterator[str]:
    words = ["blocked:"] if change.action is Action.BLOCKED else [] if change.verified else ["unverified:"]
    words += [change.why, *([f"({change.origin})"] if change.origin is not None else [])]
    yield f"{_SIGNS[change.action]} {change.id!s:<{width}}   {' '.join(words)}"
    for field in change.fields:
        yield f"      {field_text(field)}"


def _shown(plan: Plan) -> list[Change]:
    return [one for one in plan.changes if one.action is not Action.UNCHANGED or one.retained]


def _value(value: object) -> str:
    """Return a value on one line."""
    if value is None:
        return _ABSENT
    if isinstance(value, str):
        return value.replace("\r", "\\r").replace("\n", "\\n") if value else '""'
    return orjson.dumps(value).decode()


def summary_json(summary: Summary) -> dict[str, int]:
    """Return the numbers of a plan, as `plan` and `history` print them."""
    return {
        "create": summary.create,
        "update": summary.update,
        "recreate": summary.recreate,
        "delete": summary.delete,
        "unchanged": summary.unchanged,
        "blocked": summary.blocked,
    }


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "action": change.action.value,
        "verified": change.verified,
        "object": object_json(change.ref.api_version, change.id),
        "why": change.why,
        "origin": str(change.origin) if change.origin is not None else None,
        "fields": [{"path": field.path, "before": field.before, "after": field.after} for field in change.fields],
    }


def object_json(api_version: str, id: ResourceId) -> dict[str, str]:
    """Return the name of an object in every output."""
    return {"apiVersion": api_version, "kind": id.kind, "namespace": id.namespace, "name": id.name}


def _problem_json(problem: Problem) -> dict[str, Any]:
    """Return a problem; its object has no apiVersion, which a broken file may not have either."""
    kind, _, place = problem.subject.partition(" ")
    namespace, _, name = place.rpartition("/")
    return {
        "message": problem.message,
        "origin": problem.where or None,
        "object": {"kind": kind, "namespace": namespace, "name": name} if problem.subject else None,
    }
