"""What kinds of objects an app consists of, where: what rights it needs follows from that."""

from __future__ import annotations

from bot.model.app import AppSpec
from bot.model.resource import KindTable, ResourceRef
from bot.model.rights import Resource
from bot.plan.placing import place
from bot.plan.rights import Contents
from bot.reconcile.planning.world import World
from bot.render import CommitFiles


def contents_of(app: AppSpec, *, world: World) -> Contents:
    """Return the kinds of what Git wants now and of what the app owns already. Raises `PassError`."""
    cluster, repo = world.clusters[app.cluster], world.repos[app.repo]
    files = CommitFiles(repo, repo.head(app.ref, newer_than=world.clock()))
    desired = world.renderer.render(app, files, kinds=cluster.kinds)
    placement, table = place(desired, cluster.kinds(refresh=True), app=app, labels=world.labels(app))
    refs = {manifest.ref for manifest in placement.manifests} | cluster.load_inventory(app).refs
    return Contents(app=app, resources=frozenset(one for ref in refs if (one := _resource(table, ref)) is not None))


def _resource(table: KindTable, ref: ResourceRef) -> Resource | None:
    info = table.find(ref.id.group, ref.version, ref.id.kind) or table.preferred(ref.id.group, ref.id.kind)
    return Resource(ref.id.namespace, info.group, info.plural) if info is not None else None
