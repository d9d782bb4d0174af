"""Where each object goes: final namespaces, the marks, and whether the cluster serves its kind.

In goes what a commit wants and what the cluster serves, out come manifests that can be sent, and the table that also
knows the kinds of the commit's own CRDs. All problems come at once. Nothing is asked of anybody. What was placed before
stays the same object, so that whoever looks at it again knows it.

A namespace on a cluster-scoped object is dropped, as the API server drops it. An annotation of ours with a name or a
value that means nothing is a problem, and so is one that is a label, as Flux takes them: a misspelt
`gitops-bot/prune: disable` would otherwise delete what it was to protect.
"""

from __future__ import annotations

import base64
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bot.errors import Problem, RenderError
from bot.model import marks
from bot.model.app import AppSpec
from bot.model.masking import is_secret
from bot.model.resource import (
    Body,
    DesiredState,
    KindInfo,
    KindTable,
    Manifest,
    Origin,
    ResourceId,
    join_api_version,
)

CRD_GROUP: Final = "apiextensions.k8s.io"
CRD_KIND: Final = "CustomResourceDefinition"

_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    marks.RECONCILE: ("disabled", "enabled"),
    marks.PRUNE: ("disabled", "confirm", "enabled"),
    marks.FORCE: ("enabled", "disabled"),
    marks.APPLY: ("merge", "if-not-present"),
    marks.HOOK: ("pre-sync", "post-sync", "sync-failed"),
}
_OURS: Final = "gitops-bot/"
_KNOWN: Final = frozenset({*_WORDS, marks.WAVE, marks.IGNORE})
_WAVE: Final = re.compile(r"[+-]?[0-9]{1,6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Objects of an app where they go: `manifests` are those of `desired`, in its order, with `labels`.

    `kinds` is what the cluster served then.
    """

    app: AppSpec
    labels: Mapping[str, str]
    desired: DesiredState
    kinds: KindTable
    manifests: tuple[Manifest, ...]

    def holds(self, app: AppSpec, labels: Mapping[str, str], desired: DesiredState, kinds: KindTable) -> bool:
        """Tell whether it was made of the very same things."""
        return self.desired is desired and self.kinds is kinds and self.app == app and self.labels == labels

    def of(self, app: AppSpec, labels: Mapping[str, str]) -> Mapping[int, Manifest]:
        """Return the objects by the identity of what they were made of; none where the app has changed."""
        if self.app != app or self.labels != labels:
            return {}
        return {id(one): placed for one, placed in zip(self.desired.manifests, self.manifests, strict=True)}


def place(
    desired: DesiredState,
    kinds: KindTable,
    *,
    app: AppSpec,
    labels: Mapping[str, str],
    before: Placement | None = None,
) -> tuple[Placement, KindTable]:
    """Return the manifests with final namespaces and `labels` in their bodies, and the widened table.

    Order is kept. What `before` has of the same manifest is taken from there. Raises `RenderError` with every problem.
    """
    table = kinds.with_kinds(info for manifest in desired.manifests for info in announced_kinds(manifest))
    known = before.of(app, labels) if before is not None else {}
    placed: list[Manifest] = []
    problems: list[Problem] = []
    for manifest in desired.manifests:
        info = table.find(manifest.id.group, manifest.version, manifest.id.kind)
        same = known.get(id(manifest))
        if same is not None and info is not None and _still_fits(info, same):
            placed.append(same)
            continue
        faults = list(_annotation_faults(manifest))
        if info is None:
            faults.append(_unknown(manifest, table))
        elif "patch" not in info.verbs:
            faults.append(f"{manifest.id.kind} cannot be applied: the API server does not let it be patched")
        elif info.namespaced and not (manifest.id.namespace or app.namespace):
            faults.append("the object names no namespace and the app has none: set `namespace` in either")
        if info is not None:
            namespace = (manifest.id.namespace or app.namespace) if info.namespaced else ""
            marked = _marked(manifest, namespace, labels)
            placed.append(marked)
            if fault := app.allowed.fault(marked.id):
                faults.append(fault)
        problems.extend(
            Problem(message=fault, where=str(manifest.origin), subject=str(manifest.id)) for fault in faults
        )
    problems.extend(_duplicates(placed))
    if problems:
        raise RenderError(problems)
    return Placement(app=app, labels=labels, desired=desired, kinds=kinds, manifests=tuple(placed)), table


def _still_fits(info: KindInfo, placed: Manifest) -> bool:
    """Tell whether nothing else came of what was placed before: a CRD may have been made anew with another scope."""
    return "patch" in info.verbs and info.namespaced == bool(placed.id.namespace)


def announced_kinds(manifest: Manifest) -> Iterator[KindInfo]:
    """Yield the kinds that a CRD brings, one per served version; nothing for other objects and malformed CRDs."""
    if (manifest.id.group, manifest.id.kind) != (CRD_GROUP, CRD_KIND):
        return
    spec = manifest.body.get("spec")
    names = spec.get("names") if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping) or not isinstance(names, Mapping):
        return
    group, kind, plural = spec.get("group"), names.get("kind"), names.get("plural")
    if not (isinstance(group, str) and isinstance(kind, str) and isinstance(plural, str)):
        return
    versions = spec.get("versions")
    for version in versions if isinstance(versions, list) else ():
        name = version.get("name") if isinstance(version, Mapping) else None
        if isinstance(name, str) and version.get("served") is not False:
            yield KindInfo(
                group=group,
                version=name,
                kind=kind,
                plural=plural,
                namespaced=spec.get("scope") != "Cluster",
                verified=False,
            )


def wave_of(body: Body) -> int:
    """Return the wave of an object, 0 when it names none or, on a live object, nonsense."""
    text = _annotations(body).get(marks.WAVE)
    return int(text) if isinstance(text, str) and _WAVE.fullmatch(text) else 0


def _annotations(body: Body) -> Mapping[str, Any]:
    return (body.get("metadata") or {}).get("annotations") or {}


def _labels(body: Body) -> Mapping[str, Any]:
    return (body.get("metadata") or {}).get("labels") or {}


def _annotation_faults(manifest: Manifest) -> Iterator[str]:
    for key, value in manifest.annotations.items():
        if key in _WORDS and value not in _WORDS[key]:
            yield f"the annotation {key} must be one of {', '.join(_WORDS[key])}"
        elif key == marks.WAVE and not _WAVE.fullmatch(value):
            yield f"the annotation {key} must be an integer in quotes, such as '-1'"
        elif key == marks.IGNORE and not all(one.startswith("/") and one[1:] for one in marks.ignored({key: value})):
            yield f"the annotation {key} must be JSON pointers with blanks between them, such as /spec/replicas"
        elif key.startswith(_OURS) and key not in _KNOWN:
            words = [known.removeprefix(_OURS) for known in _KNOWN]
            close = difflib.get_close_matches(key.removeprefix(_OURS), words, n=1)
            meant = f"did you mean {_OURS}{close[0]}? If it is your own, write it" if close else "write one of your own"
            yield f"there is no annotation {key}: {meant} below another prefix"
    for key in _labels(manifest.body):
        if key in _KNOWN:
            yield f"{key} is a label here and says nothing: write it as an annotation"


def _unknown(manifest: Manifest, table: KindTable) -> str:
    """Say why a kind is not served, and what comes closest."""
    group, kind = manifest.id.group, manifest.id.kind
    api_version = join_api_version(group, manifest.version)
    if table.lacks(group):
        return (
            f"the cluster cannot say whether it serves {kind}: the API group {group} is broken on it "
            f"(`kubectl get apiservices` names the reason)"
        )
    versions = [info.version for info in table.kinds.get((group, kind), ())]
    elsewhere = sorted(
        {
            join_api_version(info.group, info.version)
            for (_, other), infos in table.kinds.items()
            if other == kind
            for info in infos[:1]
        }
    )
    text = f"the cluster serves no kind {kind} in {api_version}"
    if versions:
        return f"{text}; known versions: {', '.join(join_api_version(group, version) for version in versions)}"
    if elsewhere:
        return f"{text}; it serves {kind} in {', '.join(elsewhere)}"
    return f"{text}: is its CustomResourceDefinition missing, or the kind misspelt?"


def _marked(manifest: Manifest, namespace: str, labels: Mapping[str, str]) -> Manifest:
    given = manifest.body.get("metadata") or {}
    # An empty map of annotations would be ours as a whole, with all that controllers write into it.
    metadata = {key: value for key, value in given.items() if key != "namespace" and (value or key != "annotations")}
    if namespace:
        metadata["namespace"] = namespace
    metadata["labels"] = {**(given.get("labels") or {}), **labels}
    body: Body = {**manifest.body, "metadata": metadata}
    if is_secret(manifest.id):
        body = _with_data(body)
    return replace(manifest, id=manifest.id._replace(namespace=namespace), body=body)


def _with_data(body: Body) -> Body:
    """Return a Secret whose `stringData` is merged into `data`, as the server stores it.

    Applied as it is, our ownership would be of fields that no live object has: an edit of a value would not be seen,
    and a key that Git drops would stay. What is no text is left to the server, which says what is wrong with it.
    """
    texts, data = body.get("stringData"), body.get("data")
    if not isinstance(texts, Mapping) or not all(isinstance(one, str) for one in texts.values()):
        return body
    if data is not None and not isinstance(data, Mapping):
        return body
    encoded = {key: base64.b64encode(value.encode(errors="surrogatepass")).decode() for key, value in texts.items()}
    rest = {key: value for key, value in body.items() if key != "stringData"}
    return {**rest, "data": {**(data or {}), **encoded}}


def _duplicates(placed: Iterable[Manifest]) -> Iterator[Problem]:
    places: dict[ResourceId, list[Origin]] = {}
    for manifest in placed:
        places.setdefault(manifest.id, []).append(manifest.origin)
    for id, origins in places.items():
        if len(origins) > 1:
            yield Problem(
                message=f"{id} is there {len(origins)} times: {', '.join(str(origin) for origin in origins)}",
                where=str(origins[1]),
                subject=str(id),
            )
