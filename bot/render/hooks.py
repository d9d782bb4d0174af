"""Helm's hooks as ours. Pure.

| Helm | here |
|---|---|
| `pre-install`, `pre-upgrade` | `gitops-bot/hook: pre-sync` |
| `post-install`, `post-upgrade` | `gitops-bot/hook: post-sync` |
| `crd-install` (Helm 2) | left out by helm itself: CRDs belong into `crds/` |
| `test`, `pre-delete`, `post-delete`, `pre-rollback`, `post-rollback` | left out: a sync has no such point |
| `helm.sh/hook-weight` | `gitops-bot/wave`, unless the object has one |
| `helm.sh/resource-policy: keep` | `gitops-bot/prune: disabled` |

An object with hooks before and after is run before. `helm.sh/hook-delete-policy` says nothing here: a hook is
recreated at each sync of a new revision, which is Helm's default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.model import marks

_HOOK: Final = "helm.sh/hook"
_WEIGHT: Final = "helm.sh/hook-weight"
_POLICY: Final = "helm.sh/hook-delete-policy"
_KEEP: Final = "helm.sh/resource-policy"
_BEFORE: Final = frozenset({"pre-install", "pre-upgrade"})
_AFTER: Final = frozenset({"post-install", "post-upgrade"})


def translated(body: Any) -> Any | None:
    """Return the object with our annotations in place of Helm's; None for one that takes no part in a sync."""
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(annotations, Mapping):
        return body
    made = {key: value for key, value in annotations.items() if key not in {_HOOK, _WEIGHT, _POLICY}}
    if str(annotations.get(_KEEP, "")).strip().lower() == "keep":
        made.setdefault(marks.PRUNE, "disabled")
    if _HOOK in annotations:
        events = {event.strip() for event in str(annotations[_HOOK]).split(",")}
        if events & _BEFORE:
            made[marks.HOOK] = "pre-sync"
        elif events & _AFTER:
            made[marks.HOOK] = "post-sync"
        else:
            return None
        weight = str(annotations.get(_WEIGHT, "0"))
        if weight not in {"", "0"}:
            made.setdefault(marks.WAVE, weight)
    return {**body, "metadata": {**metadata, "annotations": made}}
