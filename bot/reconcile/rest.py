"""An app at rest: what the last pass found and worked out of it, which holds while nothing it was made of changes.

Pure but for what a `Cluster` tells from memory. In go the same app, the same rendering and the cluster's stamp; out
comes the plan of the last pass, or None. The surprising part: nothing here is a prediction. A watch event, a watch
that does not follow, another rendering, another inventory each end the rest, and then everything is looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.health.wait import survey
from bot.model.app import AppSpec
from bot.model.outcome import Health
from bot.model.plan import Plan
from bot.model.record import Inventory
from bot.model.resource import DesiredState, ResourceId, ResourceRef
from bot.plan.placing import Placement
from bot.ports.live import Cluster, Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """An app that a pass left equal to `head` and healthy: all of `health` is good.

    INVARIANT: `stamp` was read before the objects were looked at, so that a change after the look raises it.
    """

    app: AppSpec
    head: str
    placement: Placement
    plan: Plan
    inventory: Inventory
    health: tuple[tuple[ResourceId, Health], ...]
    proof: str  # keyed digest of the live fields we own
    stamp: Stamp

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

    def surveyed(self, cluster: Cluster) -> Rest:
        """Return it with the health of now; itself when no health has changed. Raises `ClusterError`."""
        stamp = cluster.stamp(self.app)
        if stamp == self.stamp:
            return self
        wanted = {id for id, _ in self.health}
        refs: Sequence[ResourceRef] = [change.ref for change in self.plan.changes if change.id in wanted]
        return replace(self, stamp=stamp, health=survey(cluster, refs))


def are_good(health: Sequence[tuple[ResourceId, Health]]) -> bool:
    return all(one.state.is_good for _, one in health)
