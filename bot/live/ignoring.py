"""Fields that Git does not own: what is applied of an object whose owner wants some of them left alone.

A field is ignored by a rule of the app or by the object's own annotation `gitops-bot/ignore`, as JSON pointers
(RFC 6901; a list's entry by its number in Git). It is left out of the apply while another manager owns it too, and
applied with its live value while we are its only owner: leaving it out would reset it, replicas to 1. Fields of
kubectl's managers become ours, so that they count as ours here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from bot.live import fields
from bot.model import marks
from bot.model.app import AppSpec
from bot.model.resource import Body, Manifest

_NAMES: Final = ("name", "containerPort", "port", "mountPath", "key")  # what tells entries of the usual lists apart


def pointers(app: AppSpec, manifest: Manifest) -> tuple[str, ...]:
    """Return the pointers of all rules about an object."""
    rules = [one for rule in app.ignore if rule.matches(manifest.id) for one in rule.pointers]
    return (*rules, *marks.ignored(manifest.annotations))


def respecting(app: AppSpec, manifest: Manifest, live: Body | None) -> Body:
    """Return the body to apply; the manifest's own where nothing is ignored."""
    ignored = pointers(app, manifest)
    if not ignored or live is None:
        return manifest.body
    body: dict[str, Any] = orjson.loads(orjson.dumps(manifest.body))
    for pointer in ignored:
        _leave(body, live, fields.entries(live), marks.parts_of(pointer))
    return body


def _leave(body: dict[str, Any], live: Body, entries: Sequence[Mapping[str, Any]], parts: Sequence[str]) -> None:
    """Take one field out of `body`, in place, or set it to its live value."""
    want: Any = body
    have: Any = live
    others = [one.get("fieldsV1") or {} for one in entries if not fields.is_ours(one) and not fields.is_kubectls(one)]
    *above, last = parts
    for part, following in zip(above, parts[1:], strict=True):
        have_below = _below(have, want, part)
        others = [below for one in others if (below := _owned(one, have, want, part)) is not None]
        if isinstance(want, dict) and part not in want and isinstance(have_below, Mapping) and following in have_below:
            want[part] = {}  # the field is on the cluster alone, and its parents too
        want, have = _below(want, want, part), have_below
        if want is None:
            return
    owned = any(_owned(one, have, want, last) is not None for one in others)
    value = _below(have, want, last)
    if isinstance(want, dict) and owned:
        want.pop(last, None)
    elif isinstance(want, dict) and value is not None:
        want[last] = value
    elif isinstance(want, list) and value is not None and not owned and last.isdigit() and int(last) < len(want):
        want[int(last)] = value


def _below(node: Any, want: Any, part: str) -> Any:
    """Return what a part of a pointer leads to; in a list, the entry that has the name of Git's."""
    if isinstance(node, Mapping):
        return node.get(part)
    if not isinstance(node, list) or not isinstance(want, list) or not part.isdigit() or int(part) >= len(want):
        return None
    entry = want[int(part)]
    if node is want or not isinstance(entry, Mapping):
        return node[int(part)] if int(part) < len(node) else None
    name = next((one for one in _NAMES if one in entry), None)
    return next((one for one in node if isinstance(one, Mapping) and one.get(name) == entry.get(name)), None)


def _owned(tree: Mapping[str, Any], have: Any, want: Any, part: str) -> Mapping[str, Any] | None:
    """Return what a manager owns below a part of a pointer; None for nothing."""
    if not isinstance(have, list):
        found: Mapping[str, Any] | None = tree.get(f"f:{part}")
        return found
    entry = _below(have, want, part)
    for key, below in tree.items():
        kind, _, keys = key.partition(":")
        if kind == "k" and isinstance(entry, Mapping) and fields.has(entry, json.loads(keys)):
            owned: Mapping[str, Any] = below
            return owned
    return None
