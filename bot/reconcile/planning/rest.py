"""An app at rest: what the last pass found and worked out of it, which holds while nothing it was made of changes.

Pure but for what a `Cluster` tells from memory. In go the same app, the same rendering and the cluster's stamp; out
comes the plan of the last pass, or None. Where some objects have changed since, in Git or on the cluster, what is known
of the others still holds: a pass costs what changed, and not what the app has. The surprising part: nothing here is a
prediction. A watch event, or another manifest, has its object looked at again; a watch that does not follow, or another
configuration of the app, has all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from bot.health.wait import look
from bot.model.app import AppSpec
from bot.model.outcome import Health
from bot.model.plan import Action, Change, Plan
from bot.model.record import Inventory
from bot.model.resource import DesiredState, ResourceId, ResourceRef
from bot.plan.placing import Placement
from bot.ports.live import Cluster, Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """An app that a pass left equal to `head` and healthy: all of `health` is good.

    INVARIANT: `stamp` was read before the objects were looked at, so that a change after the look raises it.
    `written` are the uids of what was written to get there.
    """

    app: AppSpec
    head: str
    placement: Placement
    plan: Plan
    inventory: Inventory
    health: tuple[tuple[ResourceId, Health], ...]
    proof: str  # keyed digest of the live fields we own
    stamp: Stamp
    written: Mapping[ResourceId, str] = field(default_factory=dict)

    def is_current(self, cluster: Cluster) -> bool:
        """Tell whether watches have followed all of the app's objects since, and tell of no change but in health."""
        return cluster.stamp(self.app).drift == self.stamp.drift and cluster.is_followed(self.app)

    def plan_of(self, app: AppSpec, desired: DesiredState, cluster: Cluster) -> Plan | None:
        """Return the plan for this rendering, which changes nothing; None when it has to be made anew.

        Costs no request. `desired` must be the very object: the renderer gives back the same one for the same files.
        """
        if app != self.app or desired is not self.placement.desired or self.plan.writes or not self.is_current(cluster):
            return None
        return self.plan if cluster.load_inventory(app).version == self.inventory.version else None

    def equal(self, placement: Placement, cluster: Cluster) -> tuple[Change, ...]:
        """Return what is known to be as Git wants it, and needs no look: what nobody and no commit has touched since.

        Costs no request. `placement` is what Git wants now; what it wants as before is the very object.
        """
        if not cluster.is_followed(self.app):
            return ()
        touched = cluster.touched(self.app, self.stamp)
        same = {id(manifest) for manifest in placement.manifests}
        found = []
        for change in self.plan.changes:
            if id(change.manifest) in same and change.ref not in touched:
                equal = self._now(change)
                if equal is not None:
                    found.append(equal)
        return tuple(found)

    def _now(self, change: Change) -> Change | None:
        """Return a change as a plan of now has it; None for what must be judged: hooks, and what is left alone."""
        if change.hook or (change.why and change.action is Action.UNCHANGED):
            return None
        if change.action is Action.UNCHANGED:
            return change
        uid = self.written.get(change.id)
        if not uid:
            return None
        return Change(
            action=Action.UNCHANGED,
            ref=change.ref,
            why="",
            origin=change.origin,
            manifest=change.manifest,
            uid=uid,
            wave=change.wave,
        )

    def surveyed(self, cluster: Cluster) -> Rest:
        """Return it with the health of now; itself when no health has changed. Raises `ClusterError`."""
        stamp = cluster.stamp(self.app)
        if stamp == self.stamp:
            return self
        known = dict(self.health)
        health = self.health_of([change.ref for change in self.plan.changes if change.id in known], cluster)
        # What differs from Git is for a pass to see: a look at its health does not make it equal.
        return replace(self, stamp=replace(self.stamp, health=stamp.health), health=health)

    def health_of(
        self, refs: Sequence[ResourceRef], cluster: Cluster, *, written: Set[ResourceRef] = frozenset()
    ) -> tuple[tuple[ResourceId, Health], ...]:
        """Return how objects are now. Looked at are those that were `written` or touched since, and those not known.

        Costs no request, and finds no causes. Raises `ClusterError`.
        """
        known = dict(self.health)
        touched = cluster.touched(self.app, self.stamp)
        now = look(cluster, [ref for ref in refs if ref in touched or ref in written or ref.id not in known])
        return tuple((ref.id, now.get(ref.id) or known[ref.id]) for ref in refs)


def are_good(health: Sequence[tuple[ResourceId, Health]]) -> bool:
    return all(one.state.is_good for _, one in health)
