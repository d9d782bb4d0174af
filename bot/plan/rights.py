"""What the bot must be allowed on a cluster, from what its apps contain. Pure.

In go apps with the kinds and namespaces of their objects, out come grants, and the roles that give exactly these. An
app with a `service_account` is read by the bot and written by that account: the bot needs to impersonate it, and the
account needs the writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.model.app import AppSpec
from bot.model.rights import Grant, Resource

READS: Final = ("get", "list", "watch")
WRITES: Final = ("create", "patch", "delete")
_RBAC: Final = "rbac.authorization.k8s.io"
_ROLES: Final = ("roles", "clusterroles")
# Who follows a workload to its Pods, and tells why one does not start.
_CAUSES: Final = (
    ("", "pods", READS),
    ("apps", "replicasets", READS),
    ("batch", "jobs", READS),
    ("", "events", ("list",)),
    ("", "pods/log", ("get",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """An app and the resources its objects are of."""

    app: AppSpec
    resources: frozenset[Resource]


def needed(contents: Collection[Contents], *, namespace: str) -> tuple[Grant, ...]:
    """Return every grant, in order. `namespace` is where the bot keeps its own objects on this cluster."""
    own = set(_each("", Resource(namespace, "", "configmaps"), ("get", "list", "watch", "create", "patch", "delete")))
    own |= set(_each("", Resource(namespace, "coordination.k8s.io", "leases"), ("get", "create", "patch")))
    grants = own.union(*(_of_app(one) for one in contents))
    wide = {_everywhere(one) for one in grants if not one.resource.namespace}
    return tuple(sorted(one for one in grants if not one.resource.namespace or _everywhere(one) not in wide))


def _everywhere(grant: Grant) -> Grant:
    return Grant(grant.user, Resource("", grant.resource.group, grant.resource.plural), grant.verb, grant.name)


def _of_app(one: Contents) -> Iterator[Grant]:
    app = one.app
    for resource in one.resources:
        yield from _each("", resource, READS)
        yield from _each(app.user, resource, WRITES)
        if resource.group == _RBAC and resource.plural in _ROLES:
            yield from _each(app.user, resource, ("bind", "escalate"))  # or it could grant only what it has itself
        if resource.namespace:
            for group, plural, verbs in _CAUSES:
                yield from _each("", Resource(resource.namespace, group, plural), verbs)
    if app.user:
        _, _, namespace, name = app.user.split(":")
        yield Grant("", Resource(namespace, "", "serviceaccounts"), "impersonate", name)


def _each(user: str, resource: Resource, verbs: Iterable[str]) -> Iterator[Grant]:
    return (Grant(user, resource, verb) for verb in verbs)


def roles(grants: Sequence[Grant], *, subject: str, name: str) -> tuple[Mapping[str, Any], ...]:
    """Return the roles and bindings that give exactly these grants.

    `subject` is the bot's own service account as `namespace/name`; service accounts of apps get theirs.
    """
    objects: list[Mapping[str, Any]] = []
    places = sorted({(one.user, one.resource.namespace) for one in grants})
    for user, namespace in places:
        mine = [one for one in grants if (one.user, one.resource.namespace) == (user, namespace)]
        place, _, account = (user.removeprefix("system:serviceaccount:").replace(":", "/") or subject).partition("/")
        title = name if not user else f"{name}-{account}"
        kind = "Role" if namespace else "ClusterRole"
        metadata = {"name": title, **({"namespace": namespace} if namespace else {})}
        api = f"{_RBAC}/v1"
        objects.append({"apiVersion": api, "kind": kind, "metadata": metadata, "rules": _rules(mine)})
        objects.append(
            {
                "apiVersion": api,
                "kind": f"{kind}Binding",
                "metadata": metadata,
                "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": title},
                "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": place}],
            }
        )
    return tuple(objects)


def _rules(grants: Sequence[Grant]) -> list[Mapping[str, Any]]:
    """Return rules with the resources of a group that share their verbs put together."""
    verbs: dict[tuple[str, str, str], list[str]] = {}
    for one in grants:
        verbs.setdefault((one.resource.group, one.resource.plural, one.name), []).append(one.verb)
    shared: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (group, plural, name), allowed in verbs.items():
        shared.setdefault((group, name, tuple(sorted(set(allowed)))), []).append(plural)
    return [
        {
            "apiGroups": [group],
            "resources": sorted(plurals),
            "verbs": list(allowed),
            **({"resourceNames": [name]} if name else {}),
        }
        for (group, name, allowed), plurals in sorted(shared.items())
    ]
