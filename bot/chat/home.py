"""The App Home: how all apps stand, filtered, a page at a time, with what a person may press. Pure.

A Home has 100 blocks and as many apps as they come: at 300 apps a page shows the troubled ones first. The filters
travel in the view itself (`private_metadata`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson

from bot.chat import kit
from bot.chat.kit import Block, when
from bot.chat.replies import status_block
from bot.chat.rights import VERDICTS
from bot.model.control import ControlState
from bot.model.record import EVERY_APP, SyncState
from bot.model.status import AppStatus, Question, counts

PAGE: Final = 20  # apps; two blocks each, and the frame, stay below 100 blocks and the size of a view
ALL: Final = "all"
_TROUBLE: Final = "trouble"
_ASKED: Final = "asked"
_HELD: Final = "held"
_FINE: Final = frozenset({"synced", "behind", "syncing", "waiting for approval", "rejected", "paused", "pinned"})
_SHOWS: Final = {ALL: "All apps", _TROUBLE: "Trouble", _ASKED: "Waiting for a yes", _HELD: "Paused or pinned"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a person wants to see: a state, a cluster, an environment, a page."""

    show: str = ALL
    cluster: str = ALL
    env: str = ALL
    page: int = 0

    @staticmethod
    def read(metadata: str) -> Filters:
        """Return the filters of a view; the usual ones for a view of another version."""
        try:
            return Filters(**orjson.loads(metadata))
        except (orjson.JSONDecodeError, TypeError):
            return Filters()


def home(
    lines: Sequence[AppStatus], filters: Filters, *, user: str, may: Callable[[AppStatus, str], bool], now: datetime
) -> dict[str, Any]:
    """Return the view. `may` says whether this person may use a verb on an app; what they may not is not offered."""
    chosen = sorted((one for one in lines if _wanted(one, filters)), key=_urgency)
    last = max((len(chosen) - 1) // PAGE, 0)
    page = min(max(filters.page, 0), last)
    shown = chosen[page * PAGE : (page + 1) * PAGE]
    blocks: list[Block] = [kit.header("GitOps"), kit.section(f"*{counts(lines)}*"), *_menus(lines, filters)]
    for one in shown:
        blocks.append(status_block(one))
        blocks += kit.actions(list(buttons(one, user, may)))
    if not shown:
        blocks.append(kit.section("No app is like that."))
    turns = [("Previous", page - 1), ("Next", page + 1)]
    blocks += kit.actions(
        [
            kit.button(f"gitops.home.page.{to}", word, {"page": str(to)}, says=f"{word} page of apps")
            for word, to in turns
            if 0 <= to <= last
        ]
    )
    first = page * PAGE + 1 if shown else 0
    blocks.append(
        kit.context([f"apps {first} to {page * PAGE + len(shown)} of {len(chosen)}, trouble first", when(now)])
    )
    metadata = orjson.dumps(Filters(show=filters.show, cluster=filters.cluster, env=filters.env, page=page)).decode()
    return {"type": "home", "callback_id": "gitops.home", "private_metadata": metadata, "blocks": blocks}


def _menus(lines: Sequence[AppStatus], filters: Filters) -> list[Block]:
    shows = [kit.option(text, value) for value, text in _SHOWS.items()]
    menus = [_menu("show", "State", shows, filters.show)]
    for name, word, every in (("cluster", "Cluster", "All clusters"), ("env", "Environment", "All environments")):
        values = sorted({str(getattr(one, name)) for one in lines} - {""})[: kit.OPTIONS_LIMIT - 1]
        if len(values) > 1:
            options = [kit.option(every, ALL), *(kit.option(value, value) for value in values)]
            menus.append(_menu(name, word, options, str(getattr(filters, name))))
    refresh = kit.button("gitops.home.refresh", "Refresh", {}, says="Refresh: look again")
    return kit.actions([*menus, refresh], block_id="gitops.home.filters")


def _menu(name: str, word: str, options: Sequence[Block], value: str) -> Block:
    chosen = next((one for one in options if one["value"] == value), None)
    return kit.menu(f"gitops.home.{name}", word, options, chosen=chosen)


@dataclass(frozen=True, slots=True)
class _Offer:
    """A button: its action, the verb that a person must be allowed, and what it says."""

    action: str
    verb: str
    label: str
    style: str = ""
    asks: str = ""


_SYNC: Final = _Offer("sync", "sync", "Sync now", "primary")
_DIFF: Final = _Offer("diff", "plan", "What would change")
_PAUSE: Final = _Offer("pause", "pause", "Pause", asks="Automatic syncs stop for everyone until someone resumes.")
_RESUME: Final = _Offer("resume", "resume", "Resume", "primary", "The next sync applies the newest commit again.")
_BACK: Final = _Offer("rollback_pick", "rollback", "Roll back")
_KEEP: Final = _Offer("keep", "keep", "Keep it", asks="A branch with what the cluster has is pushed for review.")


def buttons(one: AppStatus, user: str, may: Callable[[AppStatus, str], bool]) -> Iterator[Block]:
    """Yield what this person may do next about an app as it is now: what its message in the channel offers, too."""
    name = f"{one.app} in {one.cluster}"
    value = {"app": one.key}
    question = one.question.plan_hash if one.question is not None else ""
    for offer in _offers(one, user):
        if may(one, offer.verb):
            facts = {"plan": question} if offer.verb in VERDICTS else {}
            if offer is _DIFF and one.control is ControlState.PINNED:
                facts = {"commit": one.ref}  # what a resume would do: the plan of a pinned app is that of the pin
            facts = {"alias": one.page} if offer.action == "acknowledge" else facts
            yield kit.button(
                f"gitops.{offer.action}",
                offer.label,
                {**value, **facts},
                style=offer.style,
                says=f"{offer.label}: {name}",
                asks=offer.asks,
            )


def _offers(one: AppStatus, user: str) -> Iterator[_Offer]:
    paused = one.control is ControlState.PAUSED
    if one.question is not None and not paused:
        yield from _verdicts(one.question, user)
    elif one.control is ControlState.RUNNING:
        yield from _syncs(one)
    if one.page:
        yield _Offer("acknowledge", "oncall", "Acknowledge")
    if one.control is not ControlState.RUNNING:
        yield _RESUME
    yield _DIFF
    if one.revision and not paused:
        yield _BACK
    if not paused:
        yield _PAUSE
    if one.mute is not None and one.mute.app != EVERY_APP:
        yield _Offer("unmute", "unmute", "Unmute")


def _verdicts(question: Question, user: str) -> Iterator[_Offer]:
    if question.over:
        yield replace(_SYNC, label="Ask again")
        return
    if user not in question.requesters:
        exactly = f"Exactly the plan {question.plan_hash[:19]} is applied; What would change shows it."
        yield _Offer("approve", "approve", "Approve", "primary", exactly)
    yield _Offer("reject", "reject", "Reject", "danger", "Nothing is applied.")


def _syncs(one: AppStatus) -> Iterator[_Offer]:
    match one.sync:
        case SyncState.DRIFTED:
            yield replace(_SYNC, label="Revert now")
            yield _KEEP
        case SyncState.FAILED:
            yield replace(_SYNC, label="Retry now")
        case _:
            yield _SYNC


def _wanted(one: AppStatus, filters: Filters) -> bool:
    show = {
        ALL: True,
        _TROUBLE: _is_trouble(one),
        _ASKED: one.is_asked_about,
        _HELD: one.control is not ControlState.RUNNING,
    }
    return show.get(filters.show, True) and filters.cluster in {ALL, one.cluster} and filters.env in {ALL, one.env}


def _is_trouble(one: AppStatus) -> bool:
    """Tell whether something is wrong: what waits for a person, or was held by one, is not."""
    return not _FINE.issuperset(one.words)


def _urgency(one: AppStatus) -> tuple[int, str, str]:
    return one.rank, one.app, one.cluster
