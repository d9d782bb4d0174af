"""Brings back what was pruned. The objects belong to nobody until Git has them again: no sync touches them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.model.app import AppSpec
from bot.model.plan import Rejected
from bot.model.record import Decision, Pruned
from bot.model.resource import ResourceId, id_of
from bot.plan.order import rank
from bot.ports.live import Cluster
from bot.ports.state import Store
from bot.reconcile.orders import commands


def restorable(app: str, *, store: Store) -> tuple[Pruned, ...]:
    """Return what was pruned of an app (key) and can be created again, newest first, each object once."""
    seen: dict[ResourceId, Pruned] = {}
    for one in store.pruned(app):
        seen.setdefault(id_of(one.body), one)
    return tuple(seen.values())


def restore(
    app: AppSpec,
    wanted: Callable[[ResourceId], bool],
    *,
    person: commands.Person,
    store: Store,
    cluster: Cluster,
) -> tuple[tuple[ResourceId, str], ...]:
    """Create what was pruned again; return each object with what stood in its way, "" for done."""
    kept = [one for one in restorable(app.key, store=store) if wanted(id_of(one.body))]
    done: list[tuple[ResourceId, str]] = []
    for one in sorted(kept, key=lambda one: (rank(id_of(one.body)), id_of(one.body))):
        answer = cluster.create(app, one.body)
        done.append((id_of(one.body), answer.message if isinstance(answer, Rejected) else ""))
    for decision, some in (
        (Decision.DONE, [str(id) for id, why in done if not why]),
        (Decision.FAILED, [f"{id}: {why}" for id, why in done if why]),
    ):
        if some:
            entry = commands.audit(app, person, "restore", ", ".join(some))
            store.add_audit(replace(entry, decision=decision))
    return tuple(done)
