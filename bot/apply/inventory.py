"""What the app owns, before and after its writes. Pure.

INVARIANT: at any moment of a pass the list holds everything the pass may have created: a crash leaks nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from bot.model.outcome import Deed, Outcome
from bot.model.plan import Action, Plan
from bot.model.record import Inventory
from bot.model.resource import ResourceRef


def widened(inventory: Inventory, plan: Plan) -> Inventory:
    """Return the list before the first write: what it held, and all that Git wants."""
    missing = plan.refs.difference(inventory.refs, [change.ref for change in plan.blocked])
    if not missing:
        return inventory
    return replace(inventory, refs=_by_id([*inventory.refs, *missing]))


def narrowed(inventory: Inventory, plan: Plan, outcomes: Collection[Outcome]) -> Inventory:
    """Return the list after the deletes: without what is gone, or turned out not to be ours."""
    others = inventory.refs - plan.refs
    if not others:
        return inventory
    gone = {one.id for one in outcomes if one.deed in {Deed.DELETED, Deed.KEPT}}
    listed = {change.ref.id: change for change in plan.changes}
    left: list[ResourceRef] = []
    for ref in others:
        change = listed.get(ref.id)
        if change is None or (change.manifest is None and change.action is Action.UNCHANGED and not change.retained):
            left.append(ref)  # it does not exist any more, or belongs to somebody else now
        elif change.action is Action.DELETE and ref.id in gone:
            left.append(ref)
    return replace(inventory, refs=inventory.refs.difference(left))


def _by_id(refs: Collection[ResourceRef]) -> frozenset[ResourceRef]:
    """Keep one entry per object: the last given, whose version Git names today."""
    return frozenset({ref.id: ref for ref in refs}.values())
