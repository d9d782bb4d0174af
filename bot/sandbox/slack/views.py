"""Modals and App Homes: what is open before each person, and the API methods and answers that change it.

A person has a stack of modals, at most three (https://docs.slack.dev/surfaces/modals); a new root takes the place of
an open stack. Each view has a hash that changes with every update, so that a late `views.update` is refused.
Callers hold the workspace's condition.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bot.sandbox.slack import limits

View = Mapping[str, Any]
DEPTH: Final = 3


class ViewRefused(Exception):
    """Slack's error word, and its messages."""

    def __init__(self, error: str, *messages: str) -> None:
        self.error = error
        self.messages = messages
        super().__init__(error)


@dataclass(slots=True, kw_only=True)
class Views:
    """`new_id` makes ids that nobody has had; `app`, `team` and `bot` are named in every view."""

    new_id: Callable[[str], str]
    app: str
    team: str
    bot: str
    known: dict[str, View] = field(default_factory=dict)  # by view id, closed ones included
    stacks: dict[str, list[str]] = field(default_factory=dict)  # by person, the one on top last
    homes: dict[str, str] = field(default_factory=dict)  # by person

    def stack(self, user: str) -> tuple[View, ...]:
        return tuple(self.known[id] for id in self.stacks.get(user, ()))

    def home(self, user: str) -> View | None:
        id = self.homes.get(user)
        return self.known[id] if id is not None else None

    def open(self, user: str, said: object) -> View:
        """Open a modal as a new root."""
        view = self._made(said, "modal", previous="", root="")
        self.stacks[user] = [view["id"]]
        return view

    def push(self, user: str, said: object) -> View:
        """Put a modal on top of the open ones."""
        stack = self.stacks.setdefault(user, [])
        if len(stack) >= DEPTH:
            raise ViewRefused("push_limit_reached")
        view = self._made(said, "modal", previous=stack[-1] if stack else "", root=stack[0] if stack else "")
        stack.append(view["id"])
        return view

    def update(self, id: str, said: object, *, hash: str = "") -> View:
        """Replace what a view shows; what the person has filled in stays where the blocks stay."""
        before = self.known.get(id)
        if before is None or not self.is_open(id):
            raise ViewRefused("not_found")
        if hash and hash != before["hash"]:
            raise ViewRefused("hash_conflict")
        checked = self._checked(said, str(before["type"]), before=before["blocks"])
        view = {**checked, **_identity(before), "hash": self.new_id("hash.")}
        kept = {str(block.get("block_id") or "") for block in view["blocks"]}
        values = {block: value for block, value in before["state"]["values"].items() if block in kept}
        self.known[id] = {**view, "state": {"values": values}}
        return self.known[id]

    def publish(self, user: str, said: object, *, hash: str = "") -> View:
        """Show a Home tab to a person."""
        if user in self.homes:
            return self.update(self.homes[user], said, hash=hash)
        if hash:
            raise ViewRefused("hash_conflict")
        view = self._made(said, "home", previous="", root="")
        self.homes[user] = view["id"]
        return view

    def fill(self, id: str, values: Mapping[str, Mapping[str, Any]]) -> View:
        """Keep what a person has filled in, by block and action as `view.state.values` has it."""
        view = self.known[id]
        merged = {block: dict(one) for block, one in view["state"]["values"].items()}
        for block, one in values.items():
            merged.setdefault(block, {}).update(one)
        self.known[id] = {**view, "state": {"values": merged}}
        return self.known[id]

    def close(self, user: str, id: str) -> bool:
        """Take a view off a person's stack; False when it was not there."""
        stack = self.stacks.get(user, [])
        if id not in stack:
            return False
        stack.remove(id)
        return True

    def answer(self, user: str, id: str, said: Mapping[str, Any]) -> None:
        """Do what the answer to a submission says; without an action the view closes."""
        match said.get("response_action"):
            case "errors":
                pass  # the person sees them below the fields; the view stays
            case "update":
                self.update(id, said.get("view"))
            case "push":
                self.push(user, said.get("view"))
            case "clear":
                self.stacks[user] = []
            case _:
                self.close(user, id)

    def is_open(self, id: str) -> bool:
        return id in self.homes.values() or any(id in stack for stack in self.stacks.values())

    def _made(self, said: object, kind: str, *, previous: str, root: str) -> View:
        checked = self._checked(said, kind)
        id = self.new_id("V")
        view = {
            **checked,
            "id": id,
            "hash": self.new_id("hash."),
            "root_view_id": root or id,
            "previous_view_id": previous or None,
            "state": {"values": {}},
        }
        self.known[id] = view
        return view

    def _checked(self, said: object, kind: str, *, before: Sequence[View] = ()) -> dict[str, Any]:
        """Return the view with every block named: by the app, as the same block was named before, or anew."""
        found = limits.view_complaints(said, kind)
        if found:
            raise ViewRefused("invalid_arguments", *(f"[ERROR] {one}" for one in found))
        assert isinstance(said, Mapping)  # else there was a complaint
        if limits.characters([said]) > limits.VIEW_CHARACTERS:
            raise ViewRefused("view_too_large")
        named = {"app_id": self.app, "team_id": self.team, "bot_id": self.bot}
        names = {_content(one): one["block_id"] for one in before}
        blocks = []
        for one in said["blocks"]:
            # A person may be pressing what stays; taken out of `names`, as two equal blocks need two names.
            known = names.pop(_content(one), "")
            blocks.append({**one, "block_id": one.get("block_id") or known or self.new_id("b")})
        return {"private_metadata": "", "callback_id": "", "external_id": "", **said, **named, "blocks": blocks}


def _content(block: View) -> str:
    return json.dumps({key: value for key, value in block.items() if key != "block_id"}, sort_keys=True)


def _identity(view: View) -> dict[str, Any]:
    return {name: view[name] for name in ("id", "root_view_id", "previous_view_id")}
