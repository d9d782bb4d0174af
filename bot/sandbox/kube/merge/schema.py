"""The shape of one kind: what merges field by field, what is one value, what identifies an entry of a list.

Read from an OpenAPI definition as the API server itself reads it (k8s.io/kube-openapi `schemaconv`): a type may allow
a scalar, a list and a map at once, and the value decides which of them it is. References are resolved on first use,
since JSONSchemaProps refers to itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cached_property
from typing import Any, Final

from bot.sandbox.kube.merge.fieldset import FieldSet
from bot.sandbox.kube.merge.objectmeta import with_metadata

OpenAPI = Mapping[str, Any]
QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
RAW_EXTENSION: Final = "io.k8s.apimachinery.pkg.runtime.RawExtension"


class Missing(Enum):
    """The absence of a value, which a null is not."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


class Scalar(Enum):
    """What a scalar may be; UNTYPED is any of them."""

    NUMERIC = "numeric"
    STRING = "string"
    BOOLEAN = "boolean"
    UNTYPED = "untyped"


class Type:
    """What one value may be: at least one of `scalar`, `list` and `map`."""

    __slots__ = ("list", "map", "scalar")

    def __init__(
        self, *, scalar: Scalar | None = None, list: ListType | None = None, map: MapType | None = None
    ) -> None:
        self.scalar = scalar
        self.list = list
        self.map = map

    def pick(self, value: object) -> Scalar | ListType | MapType:
        """Return the branch that `value` takes; one that fits nothing, or null, takes the first there is."""
        if isinstance(value, Mapping):
            fits: Scalar | ListType | MapType | None = self.map
        elif isinstance(value, list):
            fits = self.list
        elif value is None or value is MISSING:
            fits = None
        else:
            fits = self.scalar
        found = fits or self.map or self.scalar or self.list
        assert found is not None, "a type without a branch"
        return found


class ListType:
    """A list: one value (`atomic`), a set, or a map by `keys`."""

    def __init__(self, source: OpenAPI, reader: Reader, *, preserve: bool) -> None:
        self._source, self._reader, self._preserve = source, reader, preserve
        self.atomic, self.keys = _list_type(source)

    @cached_property
    def items(self) -> Type:
        items = self._source.get("items")
        return UNTYPED_ATOMIC if items is None else self._reader.type_of(items, preserve=self._preserve)

    @cached_property
    def key_defaults(self) -> Mapping[str, Any]:
        """The defaults of the key fields that have one, such as `protocol: TCP`."""
        fields = self.items.map
        if fields is None:
            return {}
        return {name: default for name in self.keys if (default := fields.default(name)) is not MISSING}


class MapType:
    """A struct, a map or both: named `fields`, and `element` for every other key (None: no other key)."""

    def __init__(self, source: OpenAPI, reader: Reader, *, preserve: bool, atomic: bool | None = None) -> None:
        self._source, self._reader, self._preserve = source, reader, preserve
        self._types: dict[str, Type] = {}
        self.names = frozenset(source.get("properties") or ())
        self.atomic = source.get("x-kubernetes-map-type") == "atomic" if atomic is None else atomic

    def field(self, name: str) -> Type | None:
        """Return the type of a key, whether named or not."""
        found = self._types.get(name)
        if found is not None:
            return found
        if name not in self.names:
            return self.element
        found = self._reader.type_of(self._source["properties"][name], preserve=self._preserve)
        self._types[name] = found
        return found

    def default(self, name: str) -> Any:
        return self._source.get("properties", {}).get(name, {}).get("default", MISSING)

    @cached_property
    def element(self) -> Type | None:
        additional = self._source.get("additionalProperties")
        if additional is None:
            return UNTYPED_DEDUCED if self._preserve or not self.names else None
        if isinstance(additional, Mapping):
            return self._reader.type_of(additional, preserve=self._preserve)
        return UNTYPED_DEDUCED if additional else None

    @property
    def deduced(self) -> bool:
        """Whether nothing is known of what it holds, so that granular or atomic cannot have changed."""
        element = self.element
        return not self.names and element is not None and (element is UNTYPED_DEDUCED or _untyped(element))

    def as_atomic(self, atomic: bool) -> MapType:
        return MapType(self._source, self._reader, preserve=self._preserve, atomic=atomic)


def _untyped(type_: Type) -> bool:
    return type_.scalar is Scalar.UNTYPED


def _list_type(source: OpenAPI) -> tuple[bool, tuple[str, ...]]:
    """Return (atomic, keys); a list of neither keys nor atomic is a set."""
    kind = source.get("x-kubernetes-list-type")
    if kind is not None:
        if kind == "map":
            return False, tuple(source.get("x-kubernetes-list-map-keys", ()))
        return kind != "set", ()
    strategy = source.get("x-kubernetes-patch-strategy")
    if strategy in ("merge", "merge,retainKeys"):
        merge_key = source.get("x-kubernetes-patch-merge-key")
        return False, (merge_key,) if merge_key else ()
    return True, ()


class Reader:
    """Turns OpenAPI into types; one type per named definition."""

    def __init__(self, definitions: Mapping[str, OpenAPI]) -> None:
        self._definitions = definitions
        self._named: dict[str, Type] = {}

    def named(self, name: str) -> Type:
        found = self._named.get(name)
        if found is None:
            if name == QUANTITY:
                found = Type(scalar=Scalar.UNTYPED)
            elif name == RAW_EXTENSION:
                found = UNTYPED_ATOMIC
            else:
                found = self._inline(self._definitions[name], preserve=False)
            self._named[name] = found
        return found

    def type_of(self, source: OpenAPI, *, preserve: bool) -> Type:
        name = reference(source)
        if name is None:
            return self._inline(source, preserve=preserve)
        found = self.named(name)
        relationship = source.get("x-kubernetes-map-type")
        if relationship is not None and found.map is not None:
            return Type(scalar=found.scalar, list=found.list, map=found.map.as_atomic(relationship == "atomic"))
        return found

    def _inline(self, source: OpenAPI, *, preserve: bool) -> Type:
        preserve = preserve or bool(source.get("x-kubernetes-preserve-unknown-fields"))
        if source.get("x-kubernetes-embedded-resource"):
            source = with_metadata(source)
        kind = source.get("type", "")
        if kind == "object":
            return Type(map=MapType(source, self, preserve=preserve))
        if kind == "array":
            return Type(list=ListType(source, self, preserve=preserve))
        if kind == "boolean":
            return Type(scalar=Scalar.BOOLEAN)
        if kind in ("integer", "number"):
            return Type(scalar=Scalar.NUMERIC)
        if kind == "string":
            plain = source.get("format", "") in ("", "byte")
            return Type(scalar=Scalar.STRING if plain else Scalar.UNTYPED)
        return Type(
            scalar=Scalar.UNTYPED,
            list=ListType(source, self, preserve=preserve),
            map=MapType(source, self, preserve=preserve),
        )


def reference(source: OpenAPI) -> str | None:
    """Return the definition that a schema refers to, also through the single `allOf` of OpenAPI v3."""
    ref = source.get("$ref")
    if ref is None:
        all_of = source.get("allOf")
        if all_of is None or len(all_of) != 1:
            return None
        ref = all_of[0].get("$ref")
    return None if ref is None else str(ref).rpartition("/")[2]


# Values without a schema. Atomic: a RawExtension is one value. Deduced: maps merge by key, lists are one value.
_NONE = Reader({})
UNTYPED_ATOMIC: Final = Type(scalar=Scalar.UNTYPED)
UNTYPED_ATOMIC.list = ListType({"x-kubernetes-list-type": "atomic"}, _NONE, preserve=True)
UNTYPED_ATOMIC.map = MapType({}, _NONE, preserve=True, atomic=True)
UNTYPED_DEDUCED: Final = Type(scalar=Scalar.UNTYPED, list=UNTYPED_ATOMIC.list, map=MapType({}, _NONE, preserve=True))


class Schema:
    """The type of one kind and what belongs to it: where it was read, and the fields each door resets.

    `reset` names, per subresource (`""` is the main door), the fields that a write through it cannot change and
    therefore never owns. `zero` is an object of the kind of which nothing was said: where a create starts from.
    `declared` is what a CRD itself says, without the metadata that every kind has.
    """

    def __init__(
        self,
        root: Type,
        *,
        source: OpenAPI,
        definitions: Mapping[str, OpenAPI],
        name: str = "",
        reset: Mapping[str, FieldSet] | None = None,
        zero: Mapping[str, Any] | None = None,
        declared: OpenAPI | None = None,
    ) -> None:
        self.root = root
        self.source = source
        self.definitions = definitions
        self.name = name
        self.reset = reset or {}
        self.zero = zero or {}
        self.declared = declared or {}

    @property
    def builtin(self) -> bool:
        return bool(self.name)
