"""Answers to one person: help, status, history, plans. Pure: values in, text and blocks out, within Slack's limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from bot.chat.kit import escape, person, when
from bot.chat.parse import usage
from bot.model.app import AppSpec
from bot.model.plan import Plan, PlanFailure
from bot.model.record import HistoryEntry
from bot.model.status import AppStatus
from bot.plan.explain import plan_text

Answer = tuple[str, Sequence[dict[str, Any]]]
_APPS_SHOWN: Final = 40  # a message has 50 blocks; each app is one
_CODE_LIMIT: Final = 2_800

_WHAT: Final = {
    "status": "how the apps stand",
    "plan": "what a sync would change",
    "sync": "make the cluster equal to Git now",
    "pause": "apply nothing for a while",
    "resume": "end a pause or a rollback",
    "rollback": "return to an earlier commit and stay there",
    "history": "what was deployed, when, by whom",
}


def help_text(allowed: frozenset[str]) -> Answer:
    """Return the help with what this person may do here."""
    lines = [f"`{usage(verb)}`  {what}" for verb, what in _WHAT.items() if verb in allowed]
    lines.append(f"`{usage('whoami')}`  what you may do, and which rule says so")
    text = "*gitops-bot* keeps clusters equal to Git. Here you may type:\n" + "\n".join(lines)
    return text, (_section(text),)


def whoami(user: str, identities: frozenset[str], rights: Sequence[tuple[str, str]]) -> Answer:
    known = ", ".join(sorted(one for one in identities if one != user))
    lines = [f"You are {person(user)}" + (f" ({escape(known)})" if known else "") + ". Here you may:"]
    lines += [f"• *{escape(title)}*: {verbs}" for title, verbs in rights]
    text = "\n".join(lines)
    return text, (_section(text),)


def status(lines: Sequence[AppStatus]) -> Answer:
    """Return one block per app, the troubled ones first."""
    ordered = sorted(lines, key=lambda one: (one.sync.value == "synced" and one.control.value == "running", one.app))
    synced = sum(1 for one in lines if one.sync.value == "synced")
    text = f"{synced} of {len(lines)} apps are synced."
    blocks = [_section(f"*{text}*"), *(_section(_status_line(one)) for one in ordered[:_APPS_SHOWN])]
    if len(ordered) > _APPS_SHOWN:
        blocks.append(_section(f"and {len(ordered) - _APPS_SHOWN} more: `/gitops status <app>`"))
    return f"{text} " + "; ".join(f"{one.app} {one.sync.value}" for one in ordered[:10]), tuple(blocks)


def _status_line(one: AppStatus) -> str:
    at = f" at `{one.revision[:7]}`" if one.revision else ""
    text = f"*{escape(one.app)} / {escape(one.cluster)}*  {one.sync.value}{at}, {one.health.value}"
    if one.target_revision and one.target_revision != one.revision:
        text += f", `{one.target_revision[:7]}` is in Git"
    if one.control_by:
        until = f" until {when(one.control_until)}" if one.control_until else ""
        why = f": {escape(one.control_reason)}" if one.control_reason else ""
        text += f"\n{one.control.value} by {person(one.control_by)}{until}{why}"
    if one.last_error:
        text += f"\n{escape(one.last_error[:500])}"
    if one.last_sync_at:
        text += f"\nlast sync {when(one.last_sync_at)}"
    return text


def history(app: AppSpec, entries: Sequence[HistoryEntry]) -> Answer:
    if not entries:
        return f"{app.title}: nothing was deployed yet.", ()
    lines = [
        f"`{one.revision[:7]}` {one.kind.value} {one.result.value}, {one.summary}, "
        f"{when(one.finished_at)} by {person(one.by) if one.by else one.via.value}"
        for one in entries
    ]
    text = f"*{escape(app.title)}*, newest first\n" + "\n".join(lines)
    return f"{app.title}: last deployed {entries[0].revision[:7]}.", (_section(text),)


def plan(found: Plan | PlanFailure) -> Answer:
    text = plan_text(found)
    return text.splitlines()[0], (_code(text),)


def rollback_preview(app: AppSpec, found: Plan | PlanFailure) -> Answer:
    """Return what would change back, with Confirm and Cancel, for its author only."""
    if isinstance(found, PlanFailure):
        return plan(found)
    title = f"Roll back {app.title} to {found.revision.short} ({found.revision.subject})? {found.summary}."
    value = orjson.dumps({"app": app.key, "commit": found.revision.commit}).decode()
    buttons = {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "action_id": "gitops.rollback_go",
                "style": "danger",
                "text": {"type": "plain_text", "text": "Confirm"},
                "value": value,
            },
            {
                "type": "button",
                "action_id": "gitops.cancel",
                "text": {"type": "plain_text", "text": "Cancel"},
                "value": value,
            },
        ],
    }
    return title, (_section(escape(title)), _code(plan_text(found)), buttons)


def _code(text: str) -> dict[str, Any]:
    safe = escape(text.replace("`", "'"))
    if len(safe) > _CODE_LIMIT:
        safe = f"{safe[:_CODE_LIMIT]}\n… the terminal shows all of it: gitops-bot plan"
    return _section(f"```{safe}```")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:3_000]}}
