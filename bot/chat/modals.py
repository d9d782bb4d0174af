"""Modals of the rollback: choose a commit, see what would change back, confirm. Pure: values in, views out.

What was chosen travels in the view itself (`private_metadata`), so that a modal works after a restart of the bot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from bot.chat import kit
from bot.chat.kit import Block, cut, escape, person, took, when
from bot.chat.replies import plan_blocks
from bot.model.app import AppSpec
from bot.model.plan import Plan, PlanFailure
from bot.model.source import Revision
from bot.model.status import Choice
from bot.plan.explain import plan_text

View = dict[str, Any]

PICK: Final = "gitops.rollback.pick"
CONFIRM: Final = "gitops.rollback.confirm"
COMMIT: Final = "gitops.commit"
REASON: Final = "gitops.reason"
_LAST: Final = 5  # good commits shown above the menu
_CODE: Final = 2_800


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """What a modal carries: the app's key, where it was asked, and by now the commit, the plan seen, the reason."""

    app: str
    channel: str
    commit: str = ""
    plan: str = ""
    reason: str = ""


def waiting(picked: Picked, title: str = "Roll back") -> View:
    """Return the view shown while Git and the cluster are asked."""
    return _view(title, picked, [kit.section("One moment: asking Git and the cluster.")], callback=PICK)


def pick(app: AppSpec, picked: Picked, choices: Sequence[Choice], stands: str) -> View:
    """Return the picker: how the app `stands`, the last good commits to read, a menu that searches all, a reason."""
    now = f" It is {stands} now." if stands else ""
    head = kit.section(f"*{escape(app.title)}* returns to a commit and stays there until someone resumes it.{now}")
    good = [one for one in choices if one.deployed_at is not None][:_LAST]
    lines = [f"{_commit(one.revision, 80)}{_origin(one)}" for one in good]
    last = [kit.section("*Last good commits*\n" + "\n".join(lines))] if lines else []
    blocks = [
        head,
        *last,
        _input("Commit", COMMIT, kit.search_menu(COMMIT, "Search by hash, subject or author")),
        _input(
            "Reason",
            REASON,
            {"type": "plain_text_input", "action_id": REASON, "max_length": 300},
            optional=True,
        ),
    ]
    return _view("Roll back", picked, blocks, callback=PICK, submit="Show changes")


def preview(app: AppSpec, picked: Picked, found: Plan | PlanFailure) -> View:
    """Return what would change back, to be confirmed."""
    if isinstance(found, PlanFailure):
        return refused(picked, plan_text(found))
    revision = found.revision
    head = f"*{escape(app.title)}* goes back to {_commit(revision, 120)}"
    blocks = [
        kit.section(head),
        kit.section(f"*What would change back:* {found.summary}"),
        *plan_blocks(found),
        *([kit.section(f"*Reason:* {escape(picked.reason)}")] if picked.reason else []),
        kit.context(["Nothing has changed yet.", f"plan `{found.hash[:19]}`"]),
    ]
    return _view("Roll back", picked, blocks, callback=CONFIRM, submit="Roll back")


def refused(picked: Picked, why: str) -> View:
    """Return why it cannot be done."""
    return _view("Roll back", picked, [kit.section(f"That cannot be done.\n{kit.code(why, _CODE)}")], callback=PICK)


def notice(text: str, blocks: Sequence[Block] = ()) -> View:
    """Return an answer as a view, for the Home tab, where no message could carry it."""
    shown = list(blocks) or [kit.section(text)]
    return _view("GitOps", Picked(app="", channel=""), shown, callback="gitops.notice")


def commit_option(one: Choice, now: datetime) -> Block:
    """Return a choice. A menu takes no times in the reader's zone: how long ago it was is the same everywhere."""
    blamed = one.revision.blamed
    text = f"{blamed.short} {blamed.subject}".strip()
    deployed = f"deployed {took(now - one.deployed_at)} ago" if one.deployed_at else "never deployed"
    at = f" at {one.revision.short}" if one.revision.cause and one.deployed_at else ""
    return kit.option(text, one.revision.commit, f"{blamed.author or 'unknown'}, {deployed}{at}")


def carried(view: Mapping[str, Any]) -> Picked:
    """Return what a view carries. Raises ValueError for a view of another version."""
    try:
        return Picked(**orjson.loads(view.get("private_metadata") or ""))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise ValueError("the view is from another version of the bot") from error


def chosen(view: Mapping[str, Any]) -> tuple[str, str]:
    """Return the commit and the reason that a person filled in."""
    values = view.get("state", {}).get("values", {})
    option = (values.get(COMMIT, {}).get(COMMIT) or {}).get("selected_option") or {}
    reason = (values.get(REASON, {}).get(REASON) or {}).get("value") or ""
    return str(option.get("value") or ""), " ".join(str(reason).split())


def _commit(revision: Revision, limit: int) -> str:
    """Return the commit that changed the app, and the one it is deployed with where that is another."""
    blamed = revision.blamed
    at = f" (at `{revision.short}`)" if revision.cause else ""
    return f"`{blamed.short}` {escape(cut(blamed.subject, limit))}{at}"


def _origin(one: Choice) -> str:
    at = f", {when(one.deployed_at)}" if one.deployed_at else ""
    by = f" by {person(one.by)}" if one.by else ""
    author = f", {escape(cut(one.revision.blamed.author, 60))}" if one.revision.blamed.author else ""
    return f"{author}{at}{by}"


def _input(label: str, block_id: str, element: Block, *, optional: bool = False) -> Block:
    return {
        "type": "input",
        "block_id": block_id,
        "label": {"type": "plain_text", "text": label},
        "element": element,
        "optional": optional,
    }


def _view(title: str, picked: Picked, blocks: Sequence[Block], *, callback: str, submit: str = "") -> View:
    view: View = {
        "type": "modal",
        "callback_id": callback,
        "title": {"type": "plain_text", "text": title},
        "close": {"type": "plain_text", "text": "Cancel"},
        "private_metadata": orjson.dumps(picked).decode(),
        "blocks": list(blocks),
    }
    return {**view, "submit": {"type": "plain_text", "text": submit}} if submit else view
