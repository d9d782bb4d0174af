"""What one object shall be, as it is sent and compared: its JSON, its rules, whom it is taken from. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import orjson

from bot.live import fields
from bot.live.ignoring import pointers
from bot.live.ownership import MANAGERS
from bot.live.verdicts import Verdicts
from bot.model import marks
from bot.model.app import AppSpec
from bot.model.plan import Owner, OwnerKind
from bot.model.resource import Body, Manifest, ResourceRef


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object of Git. `digest` is of the body and the rules by which it is applied."""

    manifest: Manifest
    ref: ResourceRef
    digest: bytes

    @property
    def text(self) -> bytes:
        """The body as JSON."""
        return _text(self.manifest)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a dry-run was asked of: the write that follows says the same and needs no other look."""

    wanted: Wanted
    text: bytes  # the body to apply, as JSON; b"" while it depends on what is live then
    live: Body | None
    adopts: bool  # others, kubectl above all, own what Git does not have


def wanted(
    app: AppSpec,
    manifests: Sequence[Manifest],
    verdicts: Verdicts,
    before: Mapping[ResourceRef, Wanted] = MappingProxyType({}),
) -> list[Wanted]:
    """Return each object as it will be sent; what is known of the very same manifest `before` is taken from there."""
    rest = [sorted(app.adopt), app.moved_from]
    plain = orjson.dumps([[], *rest])  # most objects have no field that is ignored
    found = []
    for manifest in manifests:
        ref = manifest.ref
        known = before.get(ref)
        if known is None or known.manifest is not manifest:
            ignored = pointers(app, manifest)
            rules = orjson.dumps([ignored, *rest]) if ignored else plain
            known = Wanted(manifest, ref, verdicts.digest(_text(manifest), rules))
        found.append(known)
    return found


def _text(manifest: Manifest) -> bytes:
    return orjson.dumps(manifest.body, option=orjson.OPT_SORT_KEYS)


def left(manifest: Manifest, live: Body | None) -> str:
    """Return why an object is left alone; "" when it is not."""
    if manifest.annotations.get(marks.RECONCILE) == "disabled":
        return f"Git says {marks.RECONCILE}: disabled"
    notes = ((live or {}).get("metadata") or {}).get("annotations") or {}
    if notes.get(marks.RECONCILE) == "disabled":
        return f"its annotation on the cluster says {marks.RECONCILE}: disabled"
    return ""


def adoptable(app: AppSpec) -> frozenset[OwnerKind]:
    """Return from whom the app takes objects over."""
    return frozenset(kind for kind in MANAGERS if kind.name.lower() in app.adopt)


def adopts(app: AppSpec, manifest: Manifest, owner: Owner | None) -> frozenset[str]:
    """Return the field managers whose fields become ours, and go away where Git does not have them."""
    if manifest.annotations.get(marks.APPLY) == "merge":
        return frozenset()
    theirs = MANAGERS[owner.kind] if owner is not None and owner.kind in adoptable(app) else frozenset()
    return fields.KUBECTL | theirs
