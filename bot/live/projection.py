"""What the engine keeps of a live object instead of the object: a hash for verdicts, a short body for health. Pure.

A verdict "equal" holds while nothing changes that an apply of ours would touch. That is, read from managedFields: the
values of the fields that we own or that kubectl's managers own (those are adopted), who owns which of them, the uid,
and the marks by which people and other tools claim an object. Status, and fields that controllers own, are not in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import orjson

from bot.live.fields import KUBECTL, entries, is_ours
from bot.live.ownership import MANAGERS
from bot.model import marks
from bot.model.resource import Body

DIGEST_BYTES: Final = 16
# Labels and annotations that make an object someone else's, or tell us to leave it alone, whoever wrote them.
_CLAIMS: Final = (
    marks.APP_LABEL,
    marks.PART_OF_LABEL,
    marks.RECONCILE,
    marks.PRUNE,
    "meta.helm.sh/release-name",
    "kustomize.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/name",
    "argocd.argoproj.io/tracking-id",
    "argocd.argoproj.io/instance",
    "moniker.spinnaker.io/application",
    "artifact.spinnaker.io/name",
)
_ADOPTED: Final = KUBECTL.union(*MANAGERS.values())
_ABSENT: Final = "\0absent"
# What no health rule reads and what makes bodies large, per kind; "" is every kind.
_HEAVY: Final[Mapping[str, tuple[str, ...]]] = {
    "Deployment": ("template",),
    "StatefulSet": ("template", "volumeClaimTemplates"),
    "DaemonSet": ("template",),
    "ReplicaSet": ("template",),
    "ReplicationController": ("template",),
    "Job": ("template",),
    "CronJob": ("jobTemplate",),
    "CustomResourceDefinition": ("versions",),
}
_CHANGING: Final = frozenset({"managedFields", "resourceVersion"})
_PAYLOAD: Final = frozenset({"data", "binaryData", "stringData"})


def projection(live: Body, key: bytes) -> bytes:
    """Return a keyed hash of all a verdict depends on; b"" for an object that we never applied."""
    found = entries(live)
    if not any(map(is_ours, found)):
        return b""
    metadata = live.get("metadata") or {}
    managers: list[Any] = []
    values: list[Any] = []
    for entry in found:
        if not is_ours(entry) and (entry.get("manager") not in _ADOPTED or entry.get("subresource")):
            continue
        tree = entry.get("fieldsV1") or {}
        managers.append((entry.get("manager"), entry.get("operation"), entry.get("apiVersion"), tree))
        values.append(_picked(live, tree))
    labels, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
    claims = [(name, labels.get(name), notes.get(name)) for name in _CLAIMS if name in labels or name in notes]
    state = (
        metadata.get("uid"),
        bool(metadata.get("deletionTimestamp")),
        metadata.get("ownerReferences"),
        claims,
        managers,
        values,
    )
    text = orjson.dumps(state, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=DIGEST_BYTES, key=key).digest()


def slim(body: Body) -> Body | None:
    """Return what health is judged by; None for an object whose existence says all: it has no status."""
    metadata = body.get("metadata") or {}
    if not body.get("status") and "spec" not in body and not metadata.get("deletionTimestamp"):
        return None
    kept = {name: value for name, value in body.items() if name not in _PAYLOAD}
    kept["metadata"] = {
        name: value for name, value in metadata.items() if name not in {"managedFields", "resourceVersion"}
    }
    spec = body.get("spec")
    kind = str(body.get("kind"))
    if isinstance(spec, Mapping):
        if kind == "Pod":
            kept["spec"] = {
                part: [{"name": one.get("name"), "image": one.get("image")} for one in spec.get(part) or ()]
                for part in ("initContainers", "containers")
                if spec.get(part)
            }
        elif kind in _HEAVY:
            kept["spec"] = {name: value for name, value in spec.items() if name not in _HEAVY[kind]}
    return kept


def _picked(value: Any, tree: Mapping[str, Any]) -> Any:
    """Return the values at the places a field tree names, in the shape of the tree; both are read from JSON."""
    found: dict[str, Any] = {}
    places: dict[str, int] = {}  # of entries of a list
    for key, below in tree.items():
        kind, _, name = key.partition(":")
        if kind == "f":
            item = value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT
        elif kind == "k":
            item = _item(value, json.loads(name), places, key)
        elif kind == "v":
            wanted = json.loads(name)
            found[key] = isinstance(value, list) and wanted in value
            if found[key]:
                places[key] = value.index(wanted)
            continue
        else:
            continue  # "." is the thing itself, which is there when anything below it is
        deeper = len(below) > ("." in below)
        found[key] = _picked(item, below) if deeper and item is not _ABSENT else item
    if len(places) > 1:  # who only moves entries owns nothing more than before, and is set back all the same
        found[""] = sorted(places, key=places.__getitem__)
    return found


def _item(items: Any, keys: Mapping[str, Any], places: dict[str, int], key: str) -> Any:
    """Return the entry of a list that has these keys; an absent key has its default, which the tree spells out."""
    if not isinstance(items, list):
        return _ABSENT
    for place, one in enumerate(items):
        if isinstance(one, dict) and all(one.get(name, wanted) == wanted for name, wanted in keys.items()):
            places[key] = place
            return one
    return _ABSENT
