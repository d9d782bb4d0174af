"""Who is asking, and whether Roles and bindings let them: users by token, impersonation, RBAC as it is stored.

Source: k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac, k8s.io/apiserver/pkg/endpoints/filters (messages).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bot.sandbox.kube.errors import StatusError, forbidden
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.store import Store

MASTERS: Final = "system:masters"
_AUTHENTICATED: Final = "system:authenticated"
_RBAC: Final = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or a service account, as RBAC names it."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


ANONYMOUS: Final = User(name="system:anonymous", groups=("system:unauthenticated",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What somebody wants to do: to a resource, or to a `path` that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


def known(name: str, *groups: str) -> User:
    """Return a user who has authenticated."""
    return User(name=name, groups=(*groups, _AUTHENTICATED))


def service_account(namespace: str, name: str, uid: str = "") -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", _AUTHENTICATED)
    return User(name=f"system:serviceaccount:{namespace}:{name}", groups=groups, uid=uid)


def denied(user: User, wanted: Attributes) -> StatusError:
    """Return the 403 that says what is not allowed."""
    if wanted.path:
        message = f'forbidden: User "{user.name}" cannot {wanted.verb} path "{wanted.path}"'
        return StatusError(403, "Forbidden", message, told=True)
    resource = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    why = f'User "{user.name}" cannot {wanted.verb} resource "{resource}" in API group "{wanted.group}" {where}'
    return forbidden(wanted.group, wanted.resource, wanted.name, why)


class Authorizer:
    """Reads Roles and bindings from the store with each question: what was just granted holds at once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def allows(self, user: User, wanted: Attributes) -> bool:
        if MASTERS in user.groups:
            return True
        return any(_rule_allows(rule, wanted) for rule in self.rules(user, wanted.namespace))

    def require(self, user: User, wanted: Attributes) -> None:
        """Raise `StatusError` 403 unless it is allowed."""
        if not self.allows(user, wanted):
            raise denied(user, wanted)

    def rules(self, user: User, namespace: str) -> Iterator[Mapping[str, Any]]:
        """Yield what the user may do in a namespace, and everywhere."""
        if MASTERS in user.groups:
            yield {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            yield {"verbs": ["*"], "nonResourceURLs": ["*"]}
        for binding in self._store.list(f"clusterrolebindings.{_RBAC}").objects:
            if _binds(binding, user, ""):
                yield from self._role(binding["roleRef"], "")
        if namespace:
            for binding in self._store.list(f"rolebindings.{_RBAC}", namespace).objects:
                if _binds(binding, user, namespace):
                    yield from self._role(binding["roleRef"], namespace)

    def _role(self, reference: Mapping[str, Any], namespace: str) -> Sequence[Mapping[str, Any]]:
        plural = "roles" if reference["kind"] == "Role" else "clusterroles"
        role = self._store.get(f"{plural}.{_RBAC}", namespace if plural == "roles" else "", reference["name"])
        return (role or {}).get("rules") or ()


def _binds(binding: Body, user: User, namespace: str) -> bool:
    for subject in binding.get("subjects") or ():
        match subject["kind"]:
            case "User" if subject["name"] == user.name:
                return True
            case "Group" if subject["name"] in user.groups:
                return True
            case "ServiceAccount":
                where = subject.get("namespace") or namespace
                if user.name == f"system:serviceaccount:{where}:{subject['name']}":
                    return True
    return False


def _rule_allows(rule: Mapping[str, Any], wanted: Attributes) -> bool:
    verbs = rule.get("verbs") or ()
    if wanted.verb not in verbs and "*" not in verbs:
        return False
    if wanted.path:
        return any(_path_matches(one, wanted.path) for one in rule.get("nonResourceURLs") or ())
    groups, names = rule.get("apiGroups") or (), rule.get("resourceNames") or ()
    return (
        (wanted.group in groups or "*" in groups)
        and any(_resource_matches(one, wanted) for one in rule.get("resources") or ())
        and (not names or wanted.name in names)
    )


def _resource_matches(rule: str, wanted: Attributes) -> bool:
    whole = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    return rule in {"*", whole} or (bool(wanted.subresource) and rule == f"*/{wanted.subresource}")


def _path_matches(rule: str, path: str) -> bool:
    return rule in {"*", path} or (rule.endswith("*") and path.startswith(rule[:-1]))
