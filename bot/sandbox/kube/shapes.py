"""Built-in objects the way the real server's Go structs hold them: a JSON body in, what the struct would give back out.

Empty values of `omitempty` fields vanish, other fields appear with their zero value, quantities and times take their
canonical form, unknown fields are named, and a value of the wrong type is the decoder's error. The table comes from
the Go sources (`data/go-types.json.gz`), with the patch strategies that strategic merge needs.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Final

import orjson

from bot.sandbox.kube.scalars import BASIC, Reading, Shape, WrongType, mismatch

_PACKAGES: Final = {"": "core", "internal.apiserver.k8s.io": "apiserverinternal"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a struct with what its tags say."""

    shape: Shape
    pointer: bool
    omit_empty: bool
    omit_zero: bool
    number: int = 0  # in protobuf; 0 when it has none
    merge_key: str = ""
    strategy: frozenset[str] = frozenset()

    def written(self, value: Any) -> bool:
        """Whether the encoder writes this value."""
        if self.pointer:
            return value is not None or not self.omit_empty
        if self.shape.always:
            return not (self.omit_zero and value == self.shape.zero)
        return not self.omit_empty or bool(value)


class Struct(Shape):
    """A Go struct; its fields are resolved on first use, since some types contain themselves."""

    always = True

    def __init__(self, name: str, source: Mapping[str, Mapping[str, str]]) -> None:
        self.name = name.rpartition(".")[2]
        self._source = source
        self._fields: dict[str, Field] = {}
        self._standing: tuple[tuple[str, Field], ...] | None = None

    @property
    def zero(self) -> Any:
        return self.read({}, "", Reading(), "")

    def field(self, name: str) -> Field | None:
        found = self._fields.get(name)
        if found is None and name in self._source:
            tags = self._source[name]
            found = self._fields[name] = Field(
                shape=shape(tags["t"]),
                pointer="p" in tags["f"],
                omit_empty="o" in tags["f"],
                omit_zero="z" in tags["f"],
                number=int(tags["n"] or 0),
                merge_key=tags.get("k", ""),
                strategy=frozenset(filter(None, tags.get("s", "").split(","))),
            )
        return found

    @cached_property
    def numbered(self) -> Mapping[int, tuple[str, Field]]:
        """The fields by their protobuf numbers; the name of an inlined struct is empty."""
        fields = [(name, one) for name in self._source if (one := self.field(name)) is not None and one.number]
        inlined = [one.shape for name, one in fields if name[:1] == "#"]
        # JSON shows the fields of an inlined struct as the outer one's; in protobuf they have their own numbers.
        foreign = {name for one in inlined if isinstance(one, Struct) for name in one._source}
        return {one.number: ("" if name[:1] == "#" else name, one) for name, one in fields if name not in foreign}

    def read(self, value: Any, at: str, reading: Reading, owner: str) -> Any:
        if not isinstance(value, Mapping):
            raise WrongType(mismatch(value, owner, at, self.name))
        result: dict[str, Any] = {}
        for name, given in value.items():
            inside = self.field(name)
            path = f"{at}.{name}" if at else name
            if inside is None:
                reading.unknown.append(path)
                continue
            read = None if given is None else inside.shape.read(given, path, reading, f"{self.name}.{path}")
            if read is None and not inside.pointer:
                read = inside.shape.zero
            if inside.written(read):
                result[name] = read
        for name, inside in self._always():
            if name not in result:
                result[name] = None if inside.pointer else inside.shape.zero
        return result

    def _always(self) -> tuple[tuple[str, Field], ...]:
        """Return the fields that are written although nobody set them."""
        if self._standing is None:
            fields = ((name, self.field(name)) for name in self._source if not name.startswith("#"))
            self._standing = tuple(
                (name, one)
                for name, one in fields
                if one is not None
                and not (one.omit_empty and (one.pointer or not one.shape.always))
                and not (one.omit_zero and one.shape.always)
            )
        return self._standing


class List(Shape):
    """A slice. An empty one is no slice at all, as after a round through protobuf."""

    def __init__(self, items: Shape) -> None:
        self.items = items

    def read(self, value: Any, at: str, reading: Reading, owner: str) -> Any:
        if not isinstance(value, list):
            raise WrongType(mismatch(value, owner, at, "[]"))
        read = [
            self.items.zero if one is None else self.items.read(one, f"{at}[{index}]", reading, owner)
            for index, one in enumerate(value)
        ]
        return read or None


class Map(Shape):
    """A map with text keys."""

    def __init__(self, values: Shape) -> None:
        self.values = values

    def read(self, value: Any, at: str, reading: Reading, owner: str) -> Any:
        if not isinstance(value, Mapping):
            raise WrongType(mismatch(value, owner, at, "map"))
        read = {
            name: self.values.zero if one is None else self.values.read(one, f"{at}.{name}", reading, owner)
            for name, one in value.items()
        }
        return read or None


@cache
def shape(expression: str) -> Shape:
    """Return the shape of a type expression of the table: `[]core/v1.Container`, `{}string`."""
    expression = expression.removeprefix("*")
    if expression.startswith("[]"):
        return List(shape(expression[2:]))
    if expression.startswith("{}"):
        return Map(shape(expression[2:]))
    return BASIC.get(expression) or Struct(expression, _types()[expression])


@cache
def _types() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    data = (files("bot.sandbox.kube") / "data" / "go-types.json.gz").read_bytes()
    found: Mapping[str, Mapping[str, Mapping[str, str]]] = orjson.loads(gzip.decompress(data))
    return found


def shape_of(group: str, version: str, kind: str) -> Struct | None:
    """Return the struct of a built-in kind, None when there is none."""
    name = f"{_PACKAGES.get(group) or group.partition('.')[0]}/{version}.{kind}"
    found = shape(name) if name in _types() else None
    return found if isinstance(found, Struct) else None
