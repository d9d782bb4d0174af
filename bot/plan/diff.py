"""Two versions of one object to the fields that differ, in the words people use for fields.

Pure. Compared is what the API server stores and would store, so no defaulting is known here. Left out is what the
server alone writes: `status`, `managedFields`, `resourceVersion`, `generation`, `uid`, `creationTimestamp`. A null is
an absent field. Lists of mappings are matched by what names their entries (`containers[name=api]`), where every
entry has such a name and it is unique; by position otherwise. An order that changed is a change, shown as the order.

The surprising part: values of Secrets are compared, and never returned.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from bot.model.marks import APP_LABEL, LAST_APPLIED, PART_OF_LABEL
from bot.model.masking import HIDDEN, HIDDEN_CHANGED, is_secret, mask_secret
from bot.model.plan import FieldChange
from bot.model.resource import Body, ResourceId

VALUE_LIMIT: Final = 200  # characters of a value for people; the hash of a plan covers values as they are
KUBECTL_COPY: Final = "(kubectl's copy of the object)"  # the last-applied annotation, which may repeat anything
_CONTEXT: Final = 40  # characters shown before the place where two long values part

_SERVERS_OWN: Final = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"}
)
# What names an entry of a list in the built-in kinds; the first that fits is taken.
_NAMES: Final[tuple[tuple[str, ...], ...]] = (
    ("name",),
    ("containerPort", "protocol"),
    ("port", "protocol"),
    ("mountPath",),
    ("devicePath",),
    ("topologyKey",),
    ("key",),
    ("ip",),
    ("host",),
    ("type",),
    ("uid",),
)
_DEFAULTS: Final = {"protocol": "TCP"}  # a port without a protocol and one with TCP are the same port
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_$-]+")
_FLAT: Final = frozenset({"data", "binaryData"})  # file names are their keys, and read well as they are
_MARK_PATHS: Final = frozenset({f"metadata.labels[{APP_LABEL}]", f"metadata.labels[{PART_OF_LABEL}]"})
_LAST_APPLIED_PATH: Final = f"metadata.annotations[{LAST_APPLIED}]"


def diff(before: Body | None, after: Body | None, *, id: ResourceId) -> tuple[FieldChange, ...]:
    """Return what differs, in the order of the fields' names, fit for people: masked and cut. Empty means equal."""
    shown = _masked if is_secret(id) else _cut
    return tuple(shown(change) for change in differing(before, after, id=id))


def differing(before: Body | None, after: Body | None, *, id: ResourceId) -> tuple[FieldChange, ...]:
    """Return what differs with values as they are, those of Secrets as plain digests: never for people."""
    return compare(_digested(before), _digested(after)) if is_secret(id) else compare(before, after)


def wanted_diff(live: Body, desired: Body, *, id: ResourceId) -> tuple[FieldChange, ...]:
    """Return where `live` is not what `desired` says, blind to all that `desired` does not mention.

    For objects whose outcome the server does not predict because it refuses them.
    """
    if is_secret(id):
        return tuple(_masked(change) for change in compare(_digested(live), _digested(desired), mentioned=True))
    return tuple(_cut(change) for change in compare(live, desired, mentioned=True))


def compare(before: Body | None, after: Body | None, *, mentioned: bool = False) -> tuple[FieldChange, ...]:
    """Return what differs with values as they are: never for people. `mentioned`: only fields that `after` has."""
    return tuple(_mappings(_relevant(before), _relevant(after), "", mentioned=mentioned))


def comparable(body: Body, *, id: ResourceId) -> Body:
    """Return what of an object is compared, values of a Secret as plain digests: never for people."""
    return _relevant(_digested(body) if is_secret(id) else body)


def is_mark(change: FieldChange) -> bool:
    """Tell whether a change only puts our own labels on."""
    return change.path in _MARK_PATHS


def _relevant(body: Body | None) -> Body:
    if body is None:
        return {}
    kept = {key: value for key, value in body.items() if key != "status"}
    metadata = body.get("metadata")
    if isinstance(metadata, Mapping):
        kept["metadata"] = {
            **{key: value for key, value in metadata.items() if key not in _SERVERS_OWN},
            "labels": metadata.get("labels") or {},
            "annotations": metadata.get("annotations") or {},
        }
    return kept


def _digested(body: Body | None) -> Body | None:
    """Return a Secret whose values are digests, to be compared only."""
    if body is None:
        return None
    named = {**body, "apiVersion": "v1", "kind": "Secret"}
    return {"data": {}, **mask_secret(named, digest=lambda value: hashlib.sha256(value).hexdigest())}


def _masked(change: FieldChange) -> FieldChange:
    if not change.path.startswith("data."):
        return _cut(change)
    if change.before is None or change.after is None:
        before = None if change.before is None else HIDDEN
        return FieldChange(path=change.path, before=before, after=None if change.after is None else HIDDEN)
    return FieldChange(path=change.path, before=HIDDEN, after=HIDDEN_CHANGED)


def _values(before: Any, after: Any, path: str, *, mentioned: bool) -> Iterator[FieldChange]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _mappings(before, after, path, mentioned=mentioned)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _lists(before, after, path, mentioned=mentioned)
    elif type(before) is not type(after) or before != after:
        both_numbers = isinstance(before, int | float) and isinstance(after, int | float)
        if not (both_numbers and before == after and bool not in {type(before), type(after)}):
            yield FieldChange(path=path, before=before, after=after)


def _mappings(
    before: Mapping[str, Any], after: Mapping[str, Any], path: str, *, mentioned: bool
) -> Iterator[FieldChange]:
    keys = after.keys() if mentioned else before.keys() | after.keys()
    for key in sorted(keys):
        old, new = before.get(key), after.get(key)
        if old is None and new is None:
            continue
        yield from _values(old, new, _join(path, key), mentioned=mentioned)


def _lists(before: list[Any], after: list[Any], path: str, *, mentioned: bool) -> Iterator[FieldChange]:
    names = _names(before, after)
    if names is None:
        for index in range(max(len(before), len(after))):
            old = before[index] if index < len(before) else None
            new = after[index] if index < len(after) else None
            if old is not None or new is not None:
                yield from _values(old, new, f"{path}[{index}]", mentioned=mentioned)
        if len(before) != len(after) and all(entry is None for entry in (*before, *after)):
            yield FieldChange(path=path, before=before, after=after)
        return
    old_by_name = {_name(entry, names): entry for entry in before}
    new_by_name = {_name(entry, names): entry for entry in after}
    for name in [*old_by_name, *(name for name in new_by_name if name not in old_by_name)]:
        if mentioned and name not in new_by_name:
            continue
        label = ",".join(f"{key}={value}" for key, value in zip(names, name, strict=True))
        entry_path = f"{path}[{label}]"
        yield from _values(old_by_name.get(name), new_by_name.get(name), entry_path, mentioned=mentioned)
    old_order = [name for name in old_by_name if name in new_by_name]
    new_order = [name for name in new_by_name if name in old_by_name]
    if old_order != new_order:
        yield FieldChange(path=f"{path} (order)", before=_order(old_order), after=_order(new_order))


def _names(before: list[Any], after: list[Any]) -> tuple[str, ...] | None:
    """Return the keys that name the entries of both lists, or None when nothing does."""
    entries = [*before, *after]
    if not entries or not all(isinstance(entry, Mapping) for entry in entries):
        return None
    for names in _NAMES:
        if all(isinstance(_part(entry, name), str | int) for entry in entries for name in names) and all(
            len({_name(entry, names) for entry in one}) == len(one) for one in (before, after)
        ):
            return names
    return None


def _name(entry: Mapping[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(_part(entry, name) for name in names)


def _part(entry: Mapping[str, Any], name: str) -> Any:
    return entry.get(name, _DEFAULTS.get(name))


def _order(names: Sequence[tuple[Any, ...]]) -> str:
    return ", ".join("/".join(str(part) for part in name) for name in names)


def _join(path: str, key: str) -> str:
    if not path:
        return key
    return f"{path}.{key}" if path in _FLAT or _PLAIN_KEY.fullmatch(key) else f"{path}[{key}]"


def _cut(change: FieldChange) -> FieldChange:
    """Return the change with values of bearable length, around the place where they part."""
    if change.path == _LAST_APPLIED_PATH:
        return FieldChange(
            path=change.path,
            before=None if change.before is None else KUBECTL_COPY,
            after=None if change.after is None else KUBECTL_COPY,
        )
    before, after = change.before, change.after
    if _short(before) and _short(after):
        return change
    old, new = _text(before), _text(after)
    parted = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    begin = 0 if before is None or after is None else max(0, parted - _CONTEXT)
    return FieldChange(
        path=change.path,
        before=None if before is None else _window(old, begin),
        after=None if after is None else _window(new, begin),
    )


def _short(value: object) -> bool:
    return len(_text(value)) <= VALUE_LIMIT


def _text(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _window(text: str, begin: int) -> str:
    if len(text) <= VALUE_LIMIT:
        return text
    begin = min(begin, len(text) - VALUE_LIMIT)
    shown = text[begin : begin + VALUE_LIMIT]
    return f"{'…' if begin else ''}{shown}{'…' if begin + VALUE_LIMIT < len(text) else ''}"
