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
    wanted = {
        change.ref for change in plan.changes if change.manifest is not None and change.action is not Action.BLOCKED
    }
    return replace(inventory, refs=_by_id([*inventory.refs, *wanted]))


def narrowed(inventory: Inventory, plan: Plan, outcomes: Collection[Outcome]) -> Inventory:
    """Return the list after the deletes: without what is gone, or turned out not to be ours."""
    gone = {one.id for one in outcomes if one.deed in {Deed.DELETED, Deed.KEPT}}
    listed = {change.ref.id: change for change in plan.changes}
    kept: list[ResourceRef] = []
    for ref in inventory.refs:
        change = listed.get(ref.id)
        if change is None or (change.manifest is None and change.action is Action.UNCHANGED and not change.retained):
            continue  # it does not exist any more, or belongs to somebody else now
        if change.action is Action.DELETE and ref.id in gone:
            continue
        kept.append(ref)
    return replace(inventory, refs=frozenset(kept))


def _by_id(refs: Collection[ResourceRef]) -> frozenset[ResourceRef]:
    """Keep one entry per object: the last given, whose version Git names today."""
    return frozenset({ref.id: ref for ref in refs}.values())
