"""Whose object is it? Pure: a live body in, an `Owner` out when it is somebody else's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.model import marks
from bot.model.plan import Owner, OwnerKind
from bot.model.resource import Body

_FLUX: Final = ("kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io")


# The field managers of each tool: what only they own goes away when an app takes an object over from them.
MANAGERS: Final[Mapping[OwnerKind, frozenset[str]]] = {
    OwnerKind.HELM: frozenset({"helm", "Helm"}),
    OwnerKind.FLUX: frozenset({"kustomize-controller", "helm-controller"}),
    OwnerKind.ARGOCD: frozenset({"argocd-controller", "argocd-application-controller"}),
    OwnerKind.SPINNAKER: frozenset(),  # it calls kubectl, whose fields are taken over anyway
}


def owner_of(live: Body, *, labels: Mapping[str, str], former: Mapping[str, str] | None = None) -> Owner | None:
    """Return who owns a live object if it is not the app with these `labels`; None when it is ours or nobody's.

    `former` are the labels of the app that this one has moved from: its objects are ours.
    """
    metadata: Mapping[str, Any] = live.get("metadata") or {}
    have: Mapping[str, str] = metadata.get("labels") or {}
    notes: Mapping[str, str] = metadata.get("annotations") or {}
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return Owner(kind=OwnerKind.CONTROLLER, name=f"{reference.get('kind')} {reference.get('name')}")
    if former is not None and all(have.get(key) == value for key, value in former.items()):
        return None
    app, part = have.get(marks.APP_LABEL), have.get(marks.PART_OF_LABEL)
    if app is not None and app != labels[marks.APP_LABEL]:
        return Owner(kind=OwnerKind.APP, name=app)
    if part is not None and part != labels[marks.PART_OF_LABEL]:
        name = f"{app} of another instance" if app is not None else part
        return Owner(kind=OwnerKind.APPLYSET if app is None else OwnerKind.APP, name=name)
    if part is not None:
        return None
    if release := notes.get("meta.helm.sh/release-name"):
        place = notes.get("meta.helm.sh/release-namespace", "")
        return Owner(kind=OwnerKind.HELM, name=f"{place}/{release}" if place else release)
    for prefix in _FLUX:
        if kustomization := have.get(f"{prefix}/name"):
            return Owner(kind=OwnerKind.FLUX, name=f"{have.get(f'{prefix}/namespace', '')}/{kustomization}".lstrip("/"))
    if tracking := notes.get("argocd.argoproj.io/tracking-id"):
        return Owner(kind=OwnerKind.ARGOCD, name=tracking.partition(":")[0])
    if instance := have.get("argocd.argoproj.io/instance"):
        return Owner(kind=OwnerKind.ARGOCD, name=instance)
    return _spinnaker(notes)


def _spinnaker(notes: Mapping[str, str]) -> Owner | None:
    """Return what of Spinnaker deployed an object, going by its annotations; None when it was not Spinnaker.

    Each deploy of clouddriver writes both; the first is what it calls managed itself (`onlySpinnakerManaged`), and may
    be left out by a naming strategy of one's own. Its label `app.kubernetes.io/managed-by` is no claim: it can be
    switched off, and is anybody's to write. Old versions put quotes around the values.
    """
    for key, what in (("moniker.spinnaker.io/application", "application"), ("artifact.spinnaker.io/name", "artifact")):
        if name := notes.get(key, "").strip('"'):
            return Owner(kind=OwnerKind.SPINNAKER, name=f"{what} {name}")
    return None
