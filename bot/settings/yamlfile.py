"""A YAML file as a value that knows its lines.

In go bytes, out come the value, the line of every key and entry, and what is wrong with the text: syntax, duplicate
keys, aliases that multiply, environment variables that are not set. Nothing here knows what the keys mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from bot.errors import Problem

Location = tuple[str | int, ...]

_VARIABLE: Final = re.compile(r"\$(\$|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|\{[^}]*\}?)")
_MAX_NODES: Final = 200_000  # 1,000 apps need some 20,000; aliases that multiply pass any bound


@dataclass(slots=True)
class YamlFile:
    """`value` is None for a text that is no YAML, and an empty mapping for an empty one.

    `lines` maps the location of each value (keys and indexes from the root) to its line, counted from 1.
    """

    value: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, location: Location) -> int:
        """Return the line of a value, or of the nearest one around it."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)


def read(text: str, *, path: str, environment: Mapping[str, str]) -> YamlFile:
    """Return the file with `${NAME}` expanded in its strings; `$${NAME}` is literal."""
    result = YamlFile()
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        result.problems.append(Problem(message=f"not valid YAML: {error.problem}", where=f"{path}:{line}"))
        return result
    except yaml.YAMLError as error:
        result.problems.append(Problem(message=f"not valid YAML: {error}", where=f"{path}:1"))
        return result
    value = _Reader(result, path, environment).value(root, ()) if root is not None else None
    result.value = {} if value is None else value
    return result


class _Reader:
    def __init__(self, result: YamlFile, path: str, environment: Mapping[str, str]) -> None:
        self._result = result
        self._path = path
        self._environment = environment
        self._constructor = yaml.constructor.SafeConstructor()
        self._nodes = 0
        self._open: set[int] = set()

    def value(self, node: yaml.Node, location: Location) -> Any:
        self._result.lines.setdefault(location, node.start_mark.line + 1)
        self._nodes += 1
        if id(node) in self._open or self._nodes > _MAX_NODES:
            self._problem(node, "an alias contains itself" if id(node) in self._open else "the file is too large")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, location)
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*location, index)) for index, item in enumerate(node.value)]
            return self._scalar(node)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, "a key must be a word")
                continue
            key = key_node.value
            if key in mapping:
                self._problem(key_node, f"the key {key} is there twice")
            mapping[key] = self.value(value_node, (*location, key))
            self._result.lines[(*location, key)] = key_node.start_mark.line + 1
        return mapping

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            value = self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self._problem(node, f"{node.value} cannot be read as {node.tag}")
            return None
        return self._expanded(value, node) if isinstance(value, str) else value

    def _expanded(self, text: str, node: yaml.Node) -> str:
        def replace(match: re.Match[str]) -> str:
            if match[0] == "$$":
                return "$"
            name = match["name"]
            if name is None:
                self._problem(node, f"{match[0]} is no variable: write ${{NAME}}, or $$ for a dollar sign")
                return ""
            if name not in self._environment:
                self._problem(node, f"the environment variable {name} is not set")
                return ""
            return self._environment[name]

        return _VARIABLE.sub(replace, text)

    def _problem(self, node: yaml.Node, message: str) -> None:
        self._result.problems.append(Problem(message=message, where=f"{self._path}:{node.start_mark.line + 1}"))
