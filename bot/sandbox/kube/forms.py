"""How a body of one resource is read, defaulted and tracked: built-in kinds by Go's structs, others by their CRD."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from bot.sandbox.kube import merge, recorded
from bot.sandbox.kube.defaults import set_defaults
from bot.sandbox.kube.dynamic import rules
from bot.sandbox.kube.errors import Cause, StatusError, bad_request
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.objects import private
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.scalars import Reading, WrongType
from bot.sandbox.kube.shapes import Struct, shape_of
from bot.sandbox.kube.strategies import TEMPLATE_GENERATION


class Form(Protocol):
    """The schema of one resource, and what is done by it. Bodies that come back are private to the caller."""

    @property
    def schema(self) -> merge.Schema: ...

    def read(self, body: Body) -> tuple[dict[str, Any], Sequence[str]]:
        """Return the body as the server holds it, and the paths it does not know. Raises `StatusError` 400."""
        ...

    def hold(self, merged: Body) -> dict[str, Any]:
        """Return what an apply merged as the server holds it while it validates it."""
        ...

    def keep(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a valid body as it is stored."""
        ...

    def default(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body with the defaults of its version; idempotent."""
        ...

    def check(self, body: Body, old: Body | None) -> Sequence[Cause]:
        """Return what the schema itself finds wrong."""
        ...


class BuiltinForm:
    """A kind that is compiled into the real server."""

    def __init__(self, resource: Resource, shape: Struct) -> None:
        self._resource, self._shape = resource, shape
        name = recorded.definition_names()[resource.group, resource.version, resource.kind]
        self.schema = merge.schema_from_openapi(name, recorded.definitions(), zero=shape.zero)

    def read(self, body: Body) -> tuple[dict[str, Any], Sequence[str]]:
        reading = Reading()
        try:
            read = self._shape.read(body, "", reading, "")
        except WrongType as error:
            kind, version = self._resource.kind, self._resource.version
            raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {error}') from error
        return private(read), reading.unknown

    def hold(self, merged: Body) -> dict[str, Any]:
        return self.read(merged)[0]

    def keep(self, body: dict[str, Any]) -> dict[str, Any]:
        return body

    def default(self, body: dict[str, Any]) -> dict[str, Any]:
        if self._resource.key in _CONVERTED:
            _CONVERTED[self._resource.key](body)
        set_defaults(self._resource.group, self._resource.version, self._resource.kind, body)
        read: dict[str, Any] = self._shape.read(body, "", Reading(), "")
        return read

    def check(self, body: Body, old: Body | None) -> Sequence[Cause]:
        return ()


def _encode_strings(body: dict[str, Any]) -> None:
    """Keep the stringData of a Secret as data, which is all that is ever given back."""
    texts = body.pop("stringData", None)
    if texts:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        body["data"] = {**(body.get("data") or {}), **encoded}


def _count_templates(body: dict[str, Any]) -> None:
    """Show the generation of a DaemonSet's template, which the struct has and the API writes as an annotation."""
    metadata = body.setdefault("metadata", {})
    metadata["annotations"] = {TEMPLATE_GENERATION: "0", **(metadata.get("annotations") or {})}


_CONVERTED: Final[Mapping[str, Callable[[dict[str, Any]], None]]] = {
    "secrets": _encode_strings,
    "daemonsets.apps": _count_templates,
}


class CustomForm:
    """A kind that a CustomResourceDefinition defines."""

    def __init__(self, resource: Resource, definition: Mapping[str, Any]) -> None:
        self._resource = resource
        declared = (definition.get("schema") or {}).get("openAPIV3Schema")
        self.schema = merge.schema_from_crd(declared, status=resource.has_status)
        self._ruled = declared if declared and rules.has_rules(declared) else None
        metadata = shape_of("meta", "v1", "ObjectMeta")
        assert metadata is not None, "the table has ObjectMeta"
        self._metadata = metadata

    def read(self, body: Body) -> tuple[dict[str, Any], Sequence[str]]:
        reading = Reading()
        try:
            metadata = self._metadata.read(body.get("metadata") or {}, "metadata", reading, "ObjectMeta")
        except WrongType as error:
            raise bad_request(str(error)) from error
        pruned, unknown = merge.prune(self.schema, {**body, "metadata": metadata})
        return _numbered(pruned), [*reading.unknown, *unknown]

    def hold(self, merged: Body) -> dict[str, Any]:
        # A null that the merge left behind is an error of the schema and is not dropped like one that was sent.
        metadata = self._metadata.read(merged.get("metadata") or {}, "metadata", Reading(), "ObjectMeta")
        held: dict[str, Any] = _numbered({**merged, "metadata": metadata})
        return held

    def keep(self, body: dict[str, Any]) -> dict[str, Any]:
        return merge.prune(self.schema, body)[0]

    def default(self, body: dict[str, Any]) -> dict[str, Any]:
        return dict(merge.default(self.schema, body))

    def check(self, body: Body, old: Body | None) -> Sequence[Cause]:
        found = [
            Cause(reason=error.reason, field=error.field, message=error.message)
            for error in merge.validate(self.schema, body)
        ]
        if self._ruled is None:
            return found
        if any(one.reason in _BLOCKING for one in found):
            return [*found, _UNASKED]
        return [*found, *rules.broken(self._ruled, body, old)]


# Errors of a schema after which the real server does not ask the rules of the same schema.
_BLOCKING: Final = frozenset(
    {"FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"}
)
_UNASKED: Final = Cause(
    reason="FieldValueInvalid",
    field="<nil>",
    message="Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


def _numbered(value: Any) -> Any:
    """Return a private copy with its numbers as Go prints them: 1.0 is given back as 1."""
    match value:
        case Mapping():
            return {name: _numbered(inside) for name, inside in value.items()}
        case list():
            return [_numbered(inside) for inside in value]
        case float() if value.is_integer() and abs(value) < _EXACT:
            return int(value)
        case _:
            return value


_EXACT: Final = 2.0**53  # above, not every integer is a float


class Forms:
    """The form of each resource, made when it is first needed. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str, str], tuple[Mapping[str, Any] | None, Form]] = {}

    def of(self, resource: Resource) -> Form:
        at = (resource.group, resource.version, resource.plural)
        known = self._made.get(at)
        if known is not None and known[0] is resource.definition:
            return known[1]
        with self._lock:
            form = self._make(resource)
            self._made[at] = (resource.definition, form)
        return form

    def _make(self, resource: Resource) -> Form:
        if resource.definition is not None:
            return CustomForm(resource, resource.definition)
        shape = shape_of(resource.group, resource.version, resource.kind)
        if shape is None:
            raise StatusError(500, "InternalError", f"no shape is recorded for {resource.api_version} {resource.kind}")
        return BuiltinForm(resource, shape)
