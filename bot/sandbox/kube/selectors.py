"""Label and field selectors as the API takes them in queries and in objects: text or LabelSelector in, predicate out.

Pure. Grammar: k8s.io/apimachinery/pkg/labels and pkg/fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.sandbox.kube.checks.names import wrong_label_value, wrong_qualified
from bot.sandbox.kube.errors import StatusError, bad_request
from bot.sandbox.kube.ports import Body

Labels = Mapping[str, str]

_TOKEN: Final = re.compile(r"\s*([(),]|==|!=|[=!<>]|[^\s(),=!<>]+|$)")
_SYMBOLS: Final = frozenset("(),=!<>") | {"==", "!=", ""}
_OPERATORS: Final = {"in": "In", "notin": "NotIn", "=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt"}


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


def parse_labels(text: str) -> LabelSelector:
    """Read a `labelSelector` query. Raises `StatusError` 400."""
    return LabelSelector(requirements=tuple(_Parser(text).requirements()))


class _Parser:
    """Reads the grammar of k8s.io/apimachinery/pkg/labels token by token; the end of the text is the token ""."""

    def __init__(self, text: str) -> None:
        self._tokens = [found[1] for found in _TOKEN.finditer(text)]

    def requirements(self) -> Iterator[Requirement]:
        if not self._next():
            return
        while True:
            if self._next() in _SYMBOLS - {"!"}:
                raise bad_request(f"found '{self._next()}', expected: !, identifier, or 'end of string'")
            yield self._requirement()
            end = self._take()
            if not end:
                return
            if end != ",":
                raise bad_request(f"found '{end}', expected: ',' or 'end of string'")
            if self._next() in _SYMBOLS - {"!"}:
                raise bad_request(f"found '{self._next()}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        absent = self._next() == "!"
        if absent:
            self._take()
        key = self._identifier()
        _valid(key, wrong_qualified(key), "<nil>")
        if absent or self._next() in {"", ","}:
            return Requirement(key=key, operator="DoesNotExist" if absent else "Exists")
        word = self._take()
        if word not in _OPERATORS:
            raise _unparsable(f"found '{word}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._values() if word in {"in", "notin"} else (self._value(),)
        for index, value in enumerate(values):
            _valid(value, wrong_label_value(value), f"values[{index}][{key}]")
        if word in {">", "<"} and not values[0].lstrip("-").isdigit():
            why = f"Invalid value: \"{values[0]}\": for 'Gt', 'Lt' operators, the value must be an integer"
            raise _unparsable(f"values[0]: {why}")
        return Requirement(key=key, operator=_OPERATORS[word], values=values)

    def _values(self) -> tuple[str, ...]:
        if (opening := self._take()) != "(":
            raise _unparsable(f"found '{opening}' expected: '('")
        values = set[str]()
        while (token := self._take()) != ")":
            if token in _SYMBOLS - {","}:
                wanted = "',' or ')'" if values else "',', ')' or identifier"
                raise _unparsable(f"found '{token}', expected: {wanted}")
            if token == ",":
                values |= {""} if self._next() in {",", ")"} else set()
            else:
                values.add(token)
        return tuple(sorted(values))

    def _value(self) -> str:
        return "" if self._next() in {"", ","} else self._identifier()

    def _identifier(self) -> str:
        if (token := self._take()) in _SYMBOLS:
            raise _unparsable(f"found '{token}', expected: identifier")
        return token

    def _next(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _take(self) -> str:
        return self._tokens.pop(0) if self._tokens else ""


def _valid(value: str, wrong: Iterable[str], at: str) -> None:
    if told := "; ".join(wrong):
        raise _unparsable(f'{at}: Invalid value: "{value}": {told}')


def _unparsable(why: str) -> StatusError:
    return bad_request(f"unable to parse requirement: {why}")


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
