"""Sets of field paths, as managedFields writes them.

A path is a tuple of elements, and an element is the text that FieldsV1 uses as a key: `f:name` for a field,
`k:{"name":"x"}` for an entry of a list map, `v:"x"` for a member of a set. Keeping the text makes a set cheap to read
and write; it is parsed only to be shown or sorted. A set is never changed once another one may share parts of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bot.sandbox.kube.merge.gotext import go_json

Path = tuple[str, ...]
FieldsV1 = dict[str, Any]


def field(name: str) -> str:
    return f"f:{name}"


def key(values: Mapping[str, object]) -> str:
    return "k:" + go_json(values)


def member(value: object) -> str:
    return "v:" + go_json(value)


def quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def show(path: Path) -> str:
    """Write a path as conflicts show it: `.spec.containers[name="app"].image`."""
    shown = []
    for element in path:
        kind, text = element[:2], element[2:]
        if kind == "f:":
            shown.append(f".{text}")
        elif kind == "k:":
            shown.append("[" + ",".join(f"{name}={quoted(value)}" for name, value in json.loads(text).items()) + "]")
        elif kind == "v:":
            shown.append(f"[={quoted(json.loads(text))}]")
        else:
            shown.append(f"[{text}]")
    return "".join(shown)


_KINDS = "fkvi"


def _rank(value: object) -> tuple[int, Any]:
    """Order values as structured-merge-diff does: numbers, strings, booleans, the rest."""
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    return (3, go_json(value))


def order(element: str) -> tuple[Any, ...]:
    """Sort key of an element: fields, then keys, then values, numbers by size."""
    kind, text = _KINDS.find(element[0]), element[2:]
    if kind == 1:
        return (kind, tuple((name, _rank(value)) for name, value in json.loads(text).items()))
    if kind == 2:
        return (kind, _rank(json.loads(text)))
    return (kind, int(text) if kind == 3 else text)


class FieldSet:
    """A set of paths. A path being in it says nothing about its parents or its children."""

    __slots__ = ("children", "members")

    def __init__(self, members: set[str] | None = None, children: dict[str, FieldSet] | None = None) -> None:
        self.members = set() if members is None else members
        self.children = {} if children is None else children

    @classmethod
    def of(cls, *paths: Path) -> FieldSet:
        result = cls()
        for path in paths:
            result.insert(path)
        return result

    @classmethod
    def parse(cls, fields: FieldsV1) -> FieldSet:
        """Read FieldsV1, where `{}` is a member and `.` marks a member that has children."""
        result = cls()
        for element, below in fields.items():
            if element == ".":
                continue
            if not below or "." in below:
                result.members.add(element)
            if below:
                child = cls.parse(below)
                if child:
                    result.children[element] = child
        return result

    def wire(self) -> FieldsV1:
        """Write FieldsV1, in the order of the API server."""
        result: FieldsV1 = {}
        for element in sorted(self.members | self.children.keys(), key=order):
            child = self.children.get(element)
            if child is None:
                result[element] = {}
            elif element in self.members:
                result[element] = {".": {}, **child.wire()}
            else:
                result[element] = child.wire()
        return result

    def insert(self, path: Path) -> None:
        """Add a path; the empty path is nobody's and is ignored."""
        if not path:
            return
        node = self
        for element in path[:-1]:
            node = node.children.setdefault(element, FieldSet())
        node.members.add(path[-1])

    def __bool__(self) -> bool:
        return bool(self.members) or any(self.children.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldSet) and self.members == other.members and self.children == other.children

    __hash__ = None  # type: ignore[assignment]  # it holds sets

    def __repr__(self) -> str:
        return f"FieldSet({', '.join(show(path) for path in self)})"

    def __contains__(self, path: Path) -> bool:
        node: FieldSet | None = self
        for element in path[:-1]:
            node = node.children.get(element) if node is not None else None
        return node is not None and bool(path) and path[-1] in node.members

    def __iter__(self) -> Iterator[Path]:
        """Yield the paths, members of a level before what lies below it."""
        return self._walk(())

    def _walk(self, prefix: Path) -> Iterator[Path]:
        for element in sorted(self.members, key=order):
            yield (*prefix, element)
        for element in sorted(self.children, key=order):
            yield from self.children[element]._walk((*prefix, element))

    def below(self, element: str) -> FieldSet:
        return self.children.get(element) or _EMPTY

    def __or__(self, other: FieldSet) -> FieldSet:
        if not other:
            return self
        children = dict(self.children)
        for element, child in other.children.items():
            mine = children.get(element)
            children[element] = child if mine is None else mine | child
        return FieldSet(self.members | other.members, children)

    def __and__(self, other: FieldSet) -> FieldSet:
        return FieldSet(
            self.members & other.members,
            _kept((e, child & other.children[e]) for e, child in self.children.items() if e in other.children),
        )

    def __sub__(self, other: FieldSet) -> FieldSet:
        """Take away the paths of `other` alone: what lies below them stays."""
        if not other:
            return self
        return FieldSet(
            self.members - other.members,
            _kept(
                (e, child - other.children[e] if e in other.children else child) for e, child in self.children.items()
            ),
        )

    def without(self, other: FieldSet) -> FieldSet:
        """Take away the paths of `other` and everything below them."""
        if not other:
            return self
        return FieldSet(
            self.members - other.members,
            _kept(
                (e, child.without(other.children[e]) if e in other.children else child)
                for e, child in self.children.items()
                if e not in other.members
            ),
        )


def _kept(children: Iterable[tuple[str, FieldSet]]) -> dict[str, FieldSet]:
    return {element: child for element, child in children if child}


_EMPTY = FieldSet()
