"""Label and field selectors: a LabelSelector object or the text of a `fieldSelector` in, a predicate out. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.sandbox.kube.errors import StatusError, bad_request
from bot.sandbox.kube.ports import Body

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One condition on a label."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt":
                return value is not None and value.isdigit() and int(value) > int(self.values[0])
            case _:
                return value is not None and value.isdigit() and int(value) < int(self.values[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSelector:
    """All requirements hold; without any, everything matches."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels) -> bool:
        return all(one.matches(labels) for one in self.requirements)


def selector_of(body: Mapping[str, Any] | None) -> LabelSelector:
    """Return the selector of a LabelSelector object; an empty one matches everything."""
    spec = body or {}
    wanted = [
        Requirement(key=key, operator="In", values=(value,)) for key, value in (spec.get("matchLabels") or {}).items()
    ]
    for one in spec.get("matchExpressions") or ():
        wanted.append(Requirement(key=one["key"], operator=one["operator"], values=tuple(one.get("values") or ())))
    return LabelSelector(requirements=tuple(wanted))


_METADATA: Final = ("metadata.name", "metadata.namespace")
_FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "pods": (
        *("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork"),
        *("status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName"),
    ),
    "events": (
        *(f"involvedObject.{one}" for one in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion")),
        *("involvedObject.fieldPath", "reason", "reportingComponent", "source", "type"),
    ),
    "events.events.k8s.io": (
        *(f"regarding.{one}" for one in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion")),
        *("regarding.fieldPath", "reason", "reportingController", "type"),
    ),
    "secrets": ("type",),
    "namespaces": ("status.phase", "name"),
    "nodes": ("spec.unschedulable",),
    "services": ("spec.clusterIP", "spec.type"),
    "replicationcontrollers": ("status.replicas",),
    "replicasets.apps": ("status.replicas",),
    "jobs.batch": ("status.successful",),
    "certificatesigningrequests.certificates.k8s.io": ("spec.signerName",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSelector:
    """Each field is equal, or unequal, to a text."""

    terms: tuple[tuple[str, bool, str], ...] = ()

    def matches(self, body: Body) -> bool:
        return all((_field(body, path) == value) is equal for path, equal, value in self.terms)

    @property
    def name(self) -> str | None:
        """The one name that can match, None when there is no such term."""
        return next((value for path, equal, value in self.terms if path == "metadata.name" and equal), None)


def parse_fields(text: str, resource: str, selectable: Sequence[str] | None = None) -> FieldSelector:
    """Read a `fieldSelector` query; a CRD gives its `selectable` fields. Raises `StatusError` 400."""
    own = selectable is not None or resource in _FIELDS
    terms = []
    for part in filter(None, re.split(r"(?<!\\),", text)):
        found = re.match(r"^(?P<path>[^=!]+)(?P<op>==|=|!=)(?P<value>.*)$", part)
        if found is None:
            raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
        value = re.sub(r"\\([\\,=])", r"\1", found["value"])
        path = found["path"]
        if path not in (*_METADATA, *_FIELDS.get(resource, ()), *(selectable or ())):
            raise _unsupported(path, own=own)
        terms.append((path, found["op"] != "!=", value))
    return FieldSelector(terms=tuple(terms))


def _unsupported(path: str, *, own: bool) -> StatusError:
    if own:
        return bad_request(f"field label not supported: {path}")
    return bad_request(f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"')


_COMPUTED: Final[Mapping[str, Callable[[Body], str]]] = {
    "name": lambda body: str(body["metadata"]["name"]),
    "source": lambda body: str((body.get("source") or {}).get("component") or body.get("reportingComponent") or ""),
    "status.successful": lambda body: str((body.get("status") or {}).get("succeeded") or 0),
    "status.replicas": lambda body: str((body.get("status") or {}).get("replicas") or 0),
    "status.podIPs": lambda body: ",".join(one.get("ip", "") for one in (body.get("status") or {}).get("podIPs") or ()),
    "spec.unschedulable": lambda body: _text((body.get("spec") or {}).get("unschedulable", False)),
    "spec.hostNetwork": lambda body: _text((body.get("spec") or {}).get("hostNetwork", False)),
}


def _field(body: Body, path: str) -> str:
    if path in _COMPUTED:
        return _COMPUTED[path](body)
    value: Any = body
    for part in path.strip(".").split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
