"""A request as admission sees it: who wants to do what to which object. AdmissionRequest in the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from bot.sandbox.kube.authorization import User
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.ports import Body


class Operation(Enum):
    """What is done to the object."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


_OPTIONS: Final = {
    Operation.CREATE: "CreateOptions",
    Operation.UPDATE: "UpdateOptions",
    Operation.DELETE: "DeleteOptions",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One request: `body` is the object after it, None for a deletion; `old` the one before it, None for a creation."""

    operation: Operation
    resource: Resource
    namespace: str
    name: str
    user: User
    body: Body | None = None
    old: Body | None = None
    subresource: str = ""
    dry_run: bool = False

    def request(self) -> dict[str, Any]:
        """Return the request without its objects, as expressions see it."""
        kind = {"group": self.resource.group, "version": self.resource.version, "kind": self.resource.kind}
        resource = {
            "group": self.resource.group,
            "version": self.resource.version,
            "resource": self.resource.plural,
        }
        if below := self.resource.subresources.get(self.subresource):
            kind = {
                "group": below.group or self.resource.group,
                "version": below.version or self.resource.version,
                "kind": below.kind,
            }
        placed = {"namespace": self.namespace} if self.namespace else {}
        part = {"subResource": self.subresource, "requestSubResource": self.subresource} if self.subresource else {}
        return {
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            **part,
            "name": self.name,
            **placed,
            "operation": self.operation.value,
            "userInfo": _info(self.user),
            "dryRun": self.dry_run,
            "options": {"kind": _OPTIONS[self.operation], "apiVersion": "meta.k8s.io/v1"},
        }


def _info(user: User) -> Mapping[str, Any]:
    told: dict[str, Any] = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        told["uid"] = user.uid
    if user.extra:
        told["extra"] = {name: list(values) for name, values in user.extra.items()}
    return told
