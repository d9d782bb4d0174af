"""Is a plan the rest of one that people have agreed to, and how much of that is live? Pure.

What a change is bound to is judged by keyed digests, which are all that is remembered of an agreed plan: values of
Secrets are in it, and cannot be guessed from it.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from typing import Any

import orjson

from bot.model.agreed import Agreed, AgreedChange
from bot.model.plan import Action, Change, Plan
from bot.model.resource import Body, ResourceId
from bot.plan.diff import comparable
from bot.plan.judged import uid_of


def digest(value: Any, key: bytes) -> str:
    """Return a keyed digest of a JSON value, the same in every process of an installation."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return hmac.digest(key, text, "sha256").hex()


def agreed_changes(plan: Plan, live: Mapping[ResourceId, Body], key: bytes) -> tuple[AgreedChange, ...]:
    """Return what is remembered of the changes of a plan that is about to be written."""
    return tuple(
        AgreedChange(
            id=change.id,
            action=change.action,
            digest=change.digest,
            before=_state(change.id, live.get(change.id), key),
            wanted=_wanted(change, key),
        )
        for change in plan.writes
    )


def is_rest(agreed: Agreed, plan: Plan, rendered: str) -> bool:
    """Tell whether a plan does nothing but what was agreed to and is not done yet.

    What was to be deleted and created again is only created where the sync was killed in between.
    """
    if agreed.over or agreed.rendered != rendered or plan.blocked:
        return False
    known = {one.digest for one in agreed.changes}
    again = {one.id for one in agreed.changes if one.action is Action.RECREATE}
    return all(change.digest in known or _is_second_half(change, again) for change in plan.writes)


def _is_second_half(change: Change, again: set[ResourceId]) -> bool:
    return change.action is Action.CREATE and change.id in again


def count_live(agreed: Agreed, plan: Plan, live: Mapping[ResourceId, Body], key: bytes) -> int:
    """Return how many objects are as the sync that was agreed to has made them; what is being deleted still is.

    `live` need not have what the plan leaves alone: that is as Git wants it now, which may be as it was before.
    """
    now = {change.id: change for change in plan.changes}
    return sum(1 for one in agreed.changes if _is_done(one, now.get(one.id), live.get(one.id), key))


def _is_done(one: AgreedChange, now: Change | None, live: Body | None, key: bytes) -> bool:
    if live is None or one.action is Action.DELETE:
        return live is None and one.action is Action.DELETE
    if now is not None and not now.hook:
        settled, same = now.action is Action.UNCHANGED, _wanted(now, key) == one.wanted
        if settled or same:
            return settled and same
    return _state(one.id, live, key) != one.before


def left_leaving(agreed: Agreed, plan: Plan, gone: Collection[ResourceId]) -> tuple[AgreedChange, ...]:
    """Return the agreed deletes of objects that a plan knows and that carrying it out has not ended: they go later."""
    there = {change.id for change in plan.changes if change.manifest is None}.difference(gone)
    return tuple(one for one in agreed.changes if one.action is Action.DELETE and one.id in there)


def _state(id: ResourceId, live: Body | None, key: bytes) -> str:
    return digest([uid_of(live), comparable(live, id=id)], key) if live is not None else ""


def _wanted(change: Change, key: bytes) -> str:
    return digest(change.manifest.body, key) if change.manifest is not None else ""
