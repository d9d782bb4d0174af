"""The App Home: how all apps stand, filtered, a page at a time, with what a person may press. Pure.

A Home has 100 blocks and as many apps as they come: at 300 apps a page shows the troubled ones first. The filters
travel in the view itself (`private_metadata`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from bot.chat import kit
from bot.chat.kit import Block, when
from bot.chat.replies import status_block
from bot.model.control import ControlState
from bot.model.status import AppStatus

PAGE: Final = 20  # apps; two blocks each, and the frame, stay below 100 blocks and the size of a view
ALL: Final = "all"
_TROUBLE: Final = "trouble"
_HELD: Final = "held"
_SHOWS: Final = {ALL: "All apps", _TROUBLE: "Trouble", _HELD: "Paused or pinned"}


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
    lines: Sequence[AppStatus], filters: Filters, *, may: Callable[[AppStatus, str], bool], now: datetime
) -> dict[str, Any]:
    """Return the view. `may` says whether this person may use a verb on an app; what they may not is not offered."""
    chosen = sorted((one for one in lines if _wanted(one, filters)), key=_urgency)
    last = max((len(chosen) - 1) // PAGE, 0)
    page = min(max(filters.page, 0), last)
    shown = chosen[page * PAGE : (page + 1) * PAGE]
    blocks: list[Block] = [kit.header("GitOps"), kit.section(f"*{_counts(lines)}*"), *_menus(lines, filters)]
    for one in shown:
        blocks.append(status_block(one))
        blocks += kit.actions(_buttons(one, may))
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


def _counts(lines: Sequence[AppStatus]) -> str:
    synced = sum(1 for one in lines if one.sync.value == "synced")
    trouble = sum(1 for one in lines if _is_trouble(one))
    held = sum(1 for one in lines if one.control is not ControlState.RUNNING)
    return f"{synced} of {len(lines)} apps are synced, {trouble} in trouble, {held} paused or pinned"


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


def _buttons(one: AppStatus, may: Callable[[AppStatus, str], bool]) -> list[Block]:
    value = {"app": f"{one.cluster}/{one.app}"}
    name = f"{one.app} in {one.cluster}"
    offered = [("sync", "Sync now", "primary"), ("diff", "What would change", "")]
    if one.control is ControlState.RUNNING:
        offered.append(("pause", "Pause", ""))
    else:
        offered[0] = ("resume", "Resume", "primary")
    asks = {
        "pause": "Automatic syncs stop for everyone until someone resumes.",
        "resume": "The next sync applies the newest commit again.",
    }
    return [
        kit.button(f"gitops.{verb}", label, value, style=style, says=f"{label}: {name}", asks=asks.get(verb, ""))
        for verb, label, style in offered
        if may(one, "plan" if verb == "diff" else verb)
    ]


def _wanted(one: AppStatus, filters: Filters) -> bool:
    show = {ALL: True, _TROUBLE: _is_trouble(one), _HELD: one.control is not ControlState.RUNNING}
    return show.get(filters.show, True) and filters.cluster in {ALL, one.cluster} and filters.env in {ALL, one.env}


def _is_trouble(one: AppStatus) -> bool:
    return one.sync.value not in {"synced", "behind"} or one.health.value == "degraded"


def _urgency(one: AppStatus) -> tuple[bool, bool, str, str]:
    return not _is_trouble(one), one.control is ControlState.RUNNING, one.app, one.cluster
