"""Objects that move from one app to another of the same cluster: the one keeps them until the other takes them over.

What an app wants is what its files say at the commit it follows now, whether or not it was synced since: both apps see
the same, in whichever order their passes run, and nothing is agreed between them but the marks on the object. A move
is seen by the apps of one process; to any other installation the object is foreign.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bot.errors import ClusterError, PassError, PathNotFound, RefNotFound, RenderError, RepositoryEmpty, SourceError
from bot.model.app import AppSpec, Render
from bot.model.plan import Observation, Owner, OwnerKind
from bot.model.resource import Manifest, ResourceId
from bot.reconcile.planning.failures import failure_of
from bot.reconcile.planning.world import Sibling, World, placed, rendered
from bot.render import CommitFiles


def heirs(app: AppSpec, dropped: Collection[ResourceId], *, world: World, since: datetime) -> Mapping[ResourceId, str]:
    """Return which of the objects that an app has dropped stay, and why: another app wants them, or may want them.

    An app that cannot be rendered may want what its files name. Costs a question to Git for each repository of the
    cluster's apps, and a rendering of each app that has not been synced since its files changed.
    """
    sure: dict[ResourceId, str] = {}
    perhaps: dict[ResourceId, str] = {}
    for other in world.siblings(app):
        open_to = [id for id in dropped if not other.app.allowed.fault(id)]
        if not open_to:
            continue
        commit = ""
        try:
            commit = _followed(other, world, since)
            wanted = _listed(other, world) if commit == other.synced_at else _wanted(other.app, commit, open_to, world)
            paused = ", which is paused" if other.control.pause is not None else ""
            sure |= {id: f"it moves to {other.app.title}{paused}" for id in open_to if id in wanted}
        except (PathNotFound, RefNotFound, RepositoryEmpty):
            continue  # it has no files to want anything
        except ClusterError:
            raise
        except PassError as error:
            why = f"it may be moving to {other.app.title}, which cannot be rendered now ({failure_of(error).message})"
            named = _named(other.app, commit, open_to, world) if isinstance(error, RenderError) else open_to
            perhaps |= dict.fromkeys(named, why)
    return {**perhaps, **sure}


def taken_over(
    app: AppSpec,
    observations: Sequence[Observation],
    *,
    world: World,
    since: datetime,
    newer_than: datetime | None,
) -> tuple[Observation, ...]:
    """Return the observations with those asked anew that belong to another app which has given them up.

    An app that is paused gives nothing up, nor does one that cannot be rendered; the owner's note says so.
    """
    theirs: dict[str, list[Manifest]] = {}
    for one in observations:
        if one.owner is not None and one.owner.kind is OwnerKind.APP:
            theirs.setdefault(one.owner.name, []).append(one.manifest)
    fresh: dict[ResourceId, Observation] = {}
    notes: dict[str, str] = {}
    for other in world.siblings(app) if theirs else ():
        name = other.app.name
        manifests = theirs.get(name, ())
        if not manifests:
            continue
        if other.control.pause is not None:
            notes[name] = "which is paused: it gives the object up once it is resumed"
            continue
        try:
            wanted = _wanted(other.app, _followed(other, world, since), [one.id for one in manifests], world)
        except ClusterError:
            raise
        except PassError as error:
            notes[name] = (
                f"which cannot be rendered now ({failure_of(error).message}): it gives nothing up before it can"
            )
            continue
        listed = _listed(other, world)
        given = [one for one in manifests if one.id in listed and one.id not in wanted]
        heir = replace(app, moved_from=name)  # what is marked as the other app's is ours now
        asked = world.clusters[app.cluster].observe(heir, given, newer_than=newer_than)
        owner = Owner(kind=OwnerKind.APP, name=name)
        fresh |= {one.manifest.id: replace(one, former=owner) for one in asked if one.owner is None}
    return tuple(fresh.get(one.manifest.id) or _noted(one, notes) for one in observations)


def _noted(one: Observation, notes: Mapping[str, str]) -> Observation:
    if one.owner is None or not (note := notes.get(one.owner.name)):
        return one
    return replace(one, owner=replace(one.owner, note=note))


def _followed(other: Sibling, world: World, since: datetime) -> str:
    """Return the commit an app follows now; where Git does not say, the one it stands at."""
    if other.control.pin is not None:
        return other.control.pin.commit
    try:
        return world.repos[other.app.repo].head(other.app.ref, newer_than=since)
    except SourceError:
        if not other.synced_at:
            raise
        return other.synced_at


def _wanted(app: AppSpec, commit: str, ids: Collection[ResourceId], world: World) -> frozenset[ResourceId]:
    """Return what an app wants at a commit, nothing where it has no object of these names."""
    desired = rendered(app, commit, world)
    sought = {(id.kind, id.name) for id in ids}
    # Placing costs ten times as much as looking, and hundreds of siblings are asked for each delete.
    if all((one.id.kind, one.id.name) not in sought for one in desired.manifests):
        return frozenset()
    return frozenset(one.id for one in placed(app, desired, world).manifests)


def _listed(other: Sibling, world: World) -> frozenset[ResourceId]:
    return frozenset(ref.id for ref in world.clusters[other.app.cluster].load_inventory(other.app).refs)


def _named(app: AppSpec, commit: str, ids: Collection[ResourceId], world: World) -> Iterator[ResourceId]:
    """Yield the objects whose names stand in an app's files; all where a tool may make the names."""
    repo = world.repos[app.repo]
    if world.renderer.tool(app, CommitFiles(repo, commit)) is not Render.YAML:
        yield from ids
        return
    files = repo.tree(commit, app.path).files
    yield from (id for id in ids if any(id.name.encode() in file.data for file in files))
