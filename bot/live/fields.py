"""Who owns which field: reads and moves entries of managedFields (KEP-555). Pure.

`fieldsV1` is a tree: `f:name` a field, `k:{json}` a list item by its keys, `v:json` an item of a set, `.` the thing
itself. A forced apply keeps what other managers own alone. What only kubectl's managers own is therefore moved to
our entry first, so that the apply removes what Git does not have; rollout restarts stay: people mean them.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from bot.model import marks
from bot.model.resource import Body

KUBECTL: Final = frozenset(
    {
        "kubectl",
        "kubectl-annotate",
        "kubectl-client-side-apply",
        "kubectl-create",
        "kubectl-edit",
        "kubectl-label",
        "kubectl-patch",
        "kubectl-replace",
        "kubectl-set",
    }
)
_MISSING: Final = object()
Fields = Mapping[str, Any]


def entries(body: Body) -> Sequence[Mapping[str, Any]]:
    return (body.get("metadata") or {}).get("managedFields") or ()


def _is_one_of(entry: Mapping[str, Any], managers: Collection[str]) -> bool:
    return entry.get("manager") in managers and not entry.get("subresource")


def is_ours(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == marks.FIELD_MANAGER and entry.get("operation") == "Apply"


def is_kubectls(entry: Mapping[str, Any]) -> bool:
    return _is_one_of(entry, KUBECTL)


def needs_adoption(live: Body, managers: Collection[str] = KUBECTL) -> bool:
    """True when one of these managers owns anything of the object."""
    return any(_is_one_of(entry, managers) for entry in entries(live))


def adopted(live: Body, managers: Collection[str] = KUBECTL) -> list[dict[str, Any]]:
    """Return the object's managedFields with the entries of these managers merged into ours."""
    fields: dict[str, Any] = {}
    rest: list[dict[str, Any]] = []
    template: dict[str, Any] = {}
    for entry in entries(live):
        if _is_one_of(entry, managers) or is_ours(entry):
            fields = merge(fields, entry.get("fieldsV1") or {})
            template = template or dict(entry)
        else:
            rest.append(dict(entry))
    ours = {**template, "manager": marks.FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}
    return [ours, *rest]


def merge(one: Fields, other: Fields) -> dict[str, Any]:
    """Return the union of two field trees."""
    result = dict(one)
    for key, value in other.items():
        result[key] = merge(result[key], value) if key in result else value
    return result


def without_adopted(predicted: Body, live: Body, wanted: Body, managers: Collection[str] = KUBECTL) -> Body:
    """Return the prediction as it will be once these managers' fields are ours and Git does not have them."""
    theirs: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for entry in entries(live):
        if _is_one_of(entry, managers):
            theirs = merge(theirs, entry.get("fieldsV1") or {})
        elif not is_ours(entry):
            others = merge(others, entry.get("fieldsV1") or {})
    if not theirs:
        return predicted
    result = copy.deepcopy(dict(predicted))
    _subtract(result, theirs, wanted, others)
    return result


def _subtract(body: Any, fields: Fields, wanted: Any, others: Fields) -> None:
    """Remove from `body`, in place, what `fields` name and neither `wanted` nor `others` have."""
    for key, below in fields.items():
        kind, _, name = key.partition(":")
        theirs = others.get(key, _MISSING)
        if kind == "f" and isinstance(body, dict) and name in body:
            want = wanted.get(name, _MISSING) if isinstance(wanted, Mapping) else _MISSING
            _one(body, name, below, want, theirs)
        elif kind == "k" and isinstance(body, list):
            keys = json.loads(name)
            index = next((i for i, item in enumerate(body) if has(item, keys)), None)
            if index is None:
                continue
            items = wanted if isinstance(wanted, list) else []
            _one(body, index, below, next((item for item in items if has(item, keys)), _MISSING), theirs)
        elif kind == "v" and isinstance(body, list):
            value = json.loads(name)
            if theirs is _MISSING and value in body and not (isinstance(wanted, list) and value in wanted):
                body.remove(value)


def _one(parent: Any, key: Any, below: Fields, want: Any, theirs: Any) -> None:
    leaf = not any(name != "." for name in below)
    if want is _MISSING and theirs is _MISSING and (leaf or "." in below):
        del parent[key]
        return
    if leaf:
        return
    _subtract(parent[key], below, {} if want is _MISSING else want, {} if theirs is _MISSING else theirs)
    if want is _MISSING and parent[key] in ({}, []):
        del parent[key]


def has(item: Any, keys: Mapping[str, Any]) -> bool:
    """Tell whether a list's item is the one that `k:` names: a key left out has its default (`protocol: TCP`)."""
    return isinstance(item, Mapping) and all(item.get(name, value) == value for name, value in keys.items())
