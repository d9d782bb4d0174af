"""The labels and annotations by which objects and people talk to the bot, and the names derived from them.

Pure. Label values name the app and its ApplySet (KEP-3659); they help people and a lost inventory, and never
choose what to delete: a Service's labels are copied to its EndpointSlices.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

FIELD_MANAGER = "gitops-bot"

APP_LABEL = "gitops-bot/app"
INSTANCE_LABEL = "gitops-bot/instance"  # on the parent objects only
PART_OF_LABEL = "applyset.kubernetes.io/part-of"
APPLYSET_ID_LABEL = "applyset.kubernetes.io/id"  # on the parent objects only

PRUNE = "gitops-bot/prune"
RECONCILE = "gitops-bot/reconcile"
FORCE = "gitops-bot/force"
APPLY = "gitops-bot/apply"
WAVE = "gitops-bot/wave"
HOOK = "gitops-bot/hook"
IGNORE = "gitops-bot/ignore"

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_APPS_KEPT = 4096  # names of that many apps are derived once; each object asks for its app's
_NAME_LIMIT = 253  # characters of a ConfigMap's name, RFC 1123 subdomain
_PLAIN = re.compile(r"[a-z0-9]+")
_FOREIGN = re.compile(r"[^a-z0-9.-]+")


def ignored(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Return the JSON pointers of the object's fields that Git does not own, as its annotation lists them."""
    return tuple(annotations.get(IGNORE, "").replace(",", " ").split())


def parts_of(pointer: str) -> tuple[str, ...]:
    """Return the parts of a JSON pointer, unescaped (RFC 6901)."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.removeprefix("/").split("/"))


def pointer_of(parts: Iterable[str | int]) -> str:
    """Return the JSON pointer of some parts."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def field_digest(object: str, path: str) -> str:
    """Return a short name of an object's field, for menus whose values have little room."""
    return hashlib.sha256(f"{object} {path}".encode()).hexdigest()[:12]


@lru_cache(maxsize=_APPS_KEPT)
def parent_name(app_name: str, instance: str) -> str:
    """Return the name of the ConfigMap that holds the inventory of an app.

    `gitops-bot-<instance>-<app>` where that is a name and can be read in one way only; a digest is appended
    otherwise, so that instance `a-b` with app `c` and instance `a` with app `b-c` never share a parent.
    """
    plain = f"gitops-bot-{instance}-{app_name}"
    if _PLAIN.fullmatch(instance) and len(plain) <= _NAME_LIMIT:
        return plain
    digest = hashlib.sha256(f"{instance}/{app_name}".encode()).hexdigest()[:12]
    cut = _FOREIGN.sub("-", plain.lower())[: _NAME_LIMIT - len(digest) - 1].rstrip(".-")
    return f"{cut}-{digest}"


@lru_cache(maxsize=_APPS_KEPT)
def applyset_id(parent_name: str, namespace: str) -> str:
    """Return the id of the ApplySet whose parent is this ConfigMap, as KEP-3659 (V1) derives it."""
    digest = hashlib.sha256(f"{parent_name}.{namespace}.ConfigMap.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"


def app_labels(app_name: str, applyset_id: str) -> Mapping[str, str]:
    """Return the labels that every object of an app carries."""
    return {APP_LABEL: app_name, PART_OF_LABEL: applyset_id}
