"""Changes of single fields in a file of manifests, as a person would type them: all else stays as it is, byte by byte.

In goes the text with the line an object begins on, the way to a field in it and the field's new value; out comes the
new text, or `EditRefused`. Comments, order, quotes and line ends stay. The surprising part: how the text is changed
need not be trusted, because the result is read again with the engine's own reader, and refused unless it says exactly
what was wanted, of this object and of every other one in the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from bot.model.fields import ABSENT, Parts
from bot.render.yamltext import read

_PLAIN_IN_FLOW: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_TEXT_IN_FLOW: Final = re.compile(r"[A-Za-z0-9_/](?:[A-Za-z0-9_./@-]|:(?=[A-Za-z0-9_]))*")  # names of images, versions


class EditRefused(Exception):
    """The file is written in a way that this module does not change; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """`parts` leads to the field in the object that begins on `line` (from 1): keys, and numbers in lists.

    A list's number one past its end appends. `value` is what JSON has, or ABSENT: the field goes.
    """

    line: int
    parts: Parts
    value: Any


def edited(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with all edits made. Raises `EditRefused`."""
    for edit in sorted(edits, key=lambda one: one.line, reverse=True):  # the lines above stay where they are
        text = _edited(text, edit)
    return text


def edited_bytes(data: bytes, edits: Sequence[Edit]) -> bytes:
    """Return a file with all edits made, its byte order mark kept. Raises `EditRefused`."""
    mark = "\ufeff" if data.startswith(b"\xef\xbb\xbf") else ""
    return (mark + edited(data.decode("utf-8-sig"), edits)).encode()


def _edited(text: str, edit: Edit) -> str:
    before = read(text)
    if before.problems:
        raise EditRefused("the file cannot be read")
    wanted = [document.value for document in before.documents]
    index, place = _place(before.documents, edit.line)
    wanted[index] = json.loads(json.dumps(wanted[index]))  # what an anchor shares is apart in the copy
    _set(_inside(wanted[index], place), edit.parts, edit.value)
    for plainly in (True, False):  # as a person writes it, else as JSON, which says everything in one way
        try:
            root = [node for node in yaml.compose_all(text, Loader=yaml.CSafeLoader) if not _is_nothing(node)][index]
            changed = _Text(text, plainly=plainly).changed(root, (*place, *edit.parts), edit.value)
        except (yaml.YAMLError, IndexError) as error:
            raise EditRefused("the file cannot be read") from error
        after = read(changed)
        if not after.problems and [document.value for document in after.documents] == wanted:
            return changed
    raise EditRefused("the file uses anchors, merges or a layout that is not edited by machine")


def _place(documents: Sequence[Any], line: int) -> tuple[int, Parts]:
    """Return the document with the object that begins on a line, and the way to the object in it."""
    index = max((i for i, one in enumerate(documents) if one.line <= line), default=None)
    if index is None:
        raise EditRefused(f"there is no object at line {line} any more")
    begins = documents[index].item_lines.count(line)
    if begins > 1:
        raise EditRefused(f"{begins} objects begin on line {line}")
    if begins:
        return index, ("items", documents[index].item_lines.index(line))
    return index, ()


def _inside(value: Any, parts: Parts) -> Any:
    for part in parts:
        value = value[part]
    return value


def _set(value: Any, parts: Parts, new: Any) -> None:
    """Change a value in place, with the mappings that are missing on the way."""
    for index, part in enumerate(parts[:-1]):
        if isinstance(value, dict) and value.get(str(part)) is None:
            value[str(part)] = _nested(parts[index + 1 :], new)
            return
        value = _child(value, part)
    last = parts[-1]
    if isinstance(value, list) and last == len(value) and new is not ABSENT:
        value.append(new)
    elif new is ABSENT:
        _child(value, last)
        del value[last]
    elif isinstance(value, dict):
        value[str(last)] = new
    else:
        _child(value, last)
        value[last] = new


def _child(value: Any, part: str | int) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError) as error:
        raise EditRefused(f"the field {part} is not there") from error


def _nested(parts: Parts, value: Any) -> Any:
    for part in reversed(parts):
        if isinstance(part, int) or value is ABSENT:
            raise EditRefused("the field is not there")
        value = {part: value}
    return value


def _is_nothing(node: Node) -> bool:
    return isinstance(node, ScalarNode) and not node.style and node.value in {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True, slots=True)
class _Text:
    """One text and the deed on it. `plainly` writes blocks as people do; without it new values are JSON."""

    text: str
    plainly: bool

    def changed(self, root: Node, parts: Parts, value: Any) -> str:
        node = root
        for index, part in enumerate(parts):
            rest = parts[index + 1 :]
            found = _find(node, part)
            if found is None:
                return self._insert(node, part, _nested(rest, value) if rest else value)
            if not rest and value is ABSENT and isinstance(node, CollectionNode):
                return self._remove(node, found)
            node = found.value
            if rest and _is_nothing(node):
                return self._replace(node, _nested(rest, value))
        return self._replace(node, value)

    # --- the three deeds --------------------------------------------------------------------------------------

    def _replace(self, node: Node, value: Any) -> str:
        start, end = node.start_mark.index, _end(self.text, node)
        flow = self._is_in_flow(node)
        new = self._flow(value) if isinstance(value, dict) else self._scalar(value, node, flow=flow)
        blank = " " if start == end and self.text[start - 1 : start] in {":", "-"} else ""
        return f"{self.text[:start]}{blank}{new}{self.text[end:]}"

    def _insert(self, parent: Node, part: str | int, value: Any) -> str:
        children = list(_children(parent))
        is_list = isinstance(parent, SequenceNode)
        if not isinstance(parent, CollectionNode) or (is_list and part != len(children)):
            raise EditRefused(f"the field {part} is not there")
        if not children:
            body = f"[{_json(value)}]" if is_list else f"{{{_key(part)}: {_json(value)}}}"
            start, end = parent.start_mark.index, parent.end_mark.index
            return f"{self.text[:start]}{body}{self.text[end:]}"
        end = _end(self.text, children[-1].value)
        if parent.flow_style:
            body = _json(value) if is_list else f"{_key(part)}: {self._flow(value)}"
            return f"{self.text[:end]}, {body}{self.text[end:]}"
        end = self._line_end(end)
        lines = self._block(part, value, is_list=is_list)
        indent = " " * parent.start_mark.column
        added = "".join(f"{self._newline}{indent}{line}" if line else self._newline for line in lines)
        return f"{self.text[:end]}{added}{self.text[end:]}"

    def _remove(self, parent: CollectionNode, child: _Child) -> str:
        children = list(_children(parent))
        if len(children) == 1:
            empty = "[]" if isinstance(parent, SequenceNode) else "{}"
            start, end = parent.start_mark.index, _end(self.text, child.value)
            if parent.flow_style:
                end = parent.end_mark.index
            return f"{self.text[:start]}{empty}{self.text[end:]}"
        index = next(i for i, one in enumerate(children) if one.value is child.value)
        start = child.start.start_mark.index
        if isinstance(parent, SequenceNode) and not parent.flow_style:
            start = self.text.rindex("-", 0, start)
        end = _end(self.text, child.value)
        line = self.text.rfind("\n", 0, start) + 1
        if not parent.flow_style and not self.text[line:start].strip():
            return self.text[:line] + self.text[self._line_end(end) :].removeprefix("\r").removeprefix("\n")
        if index + 1 < len(children):
            return self.text[:start] + self.text[children[index + 1].start.start_mark.index :]
        return self.text[: _end(self.text, children[index - 1].value)] + self.text[end:]

    # --- how a value is written -------------------------------------------------------------------------------

    def _scalar(self, value: Any, old: Node, *, flow: bool) -> str:
        if not isinstance(value, str) or not self.plainly:
            return _json(value)
        style = old.style if isinstance(old, ScalarNode) else None
        if style == "'" and "\n" not in value and value.isprintable():
            return "'" + value.replace("'", "''") + "'"
        if style in {"|", ">"} and "\n" in value and not flow:
            return self._literal(value, old)
        return (self._flow(value) if flow else _plain(value)) if not style else _json(value)

    def _literal(self, value: str, old: Node) -> str:
        """Return a literal block with the indentation that the old one has."""
        lines = self.text[old.start_mark.index : old.end_mark.index].splitlines()[1:]
        indent = next((line[: len(line) - len(line.lstrip())] for line in lines if line.strip()), "  ")
        return f"|{_chomping(value)}{self._newline}" + self._newline.join(
            f"{indent}{line}" if line else "" for line in value.removesuffix("\n").split("\n")
        )

    def _flow(self, value: Any) -> str:
        if isinstance(value, dict) and self.plainly:
            return "{" + ", ".join(f"{_key(key)}: {self._flow(one)}" for key, one in value.items()) + "}"
        plain = isinstance(value, str) and self.plainly and _TEXT_IN_FLOW.fullmatch(value) and _plain(value) == value
        return str(value) if plain else _json(value)

    def _block(self, part: str | int, value: Any, *, is_list: bool) -> list[str]:
        """Return the lines of a new entry of a block, without the block's indentation."""
        if not self.plainly:
            return [f"- {_json(value)}" if is_list else f"{_key(part)}: {_json(value)}"]
        entry = [value] if is_list else {str(part): value}
        shown = yaml.dump(entry, Dumper=_Dumper, default_flow_style=False, sort_keys=False, width=10_000)
        return shown.rstrip("\n").split("\n")

    # --- places -----------------------------------------------------------------------------------------------

    @property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def _line_end(self, index: int) -> int:
        end = self.text.find("\n", index)
        end = len(self.text) if end < 0 else end
        return end - 1 if self.text[end - 1 : end] == "\r" else end

    def _is_in_flow(self, node: Node) -> bool:
        """Tell whether what follows a value could end it: `,`, `]` or `}` on its line or the next ones."""
        rest = self.text[_end(self.text, node) :].lstrip()
        return rest[:1] in {",", "]", "}"}


@dataclass(frozen=True, slots=True)
class _Child:
    start: Node  # the key of a mapping's entry, the entry itself in a list
    value: Node


def _children(node: Node) -> Iterator[_Child]:
    if isinstance(node, MappingNode):
        yield from (_Child(key, value) for key, value in node.value)
    elif isinstance(node, SequenceNode):
        yield from (_Child(value, value) for value in node.value)


def _find(node: Node, part: str | int) -> _Child | None:
    children = list(_children(node))
    if isinstance(node, SequenceNode):
        return children[part] if isinstance(part, int) and part < len(children) else None
    return next((one for one in children if isinstance(one.start, ScalarNode) and one.start.value == str(part)), None)


def _end(text: str, node: Node) -> int:
    """Return where the last character of a value is followed by something else: a block's mark is beyond comments."""
    if isinstance(node, MappingNode | SequenceNode) and not node.flow_style:
        children = list(_children(node))
        return _end(text, children[-1].value) if children else int(node.end_mark.index)
    if isinstance(node, ScalarNode) and node.style in {"|", ">"}:
        return len(text[: node.end_mark.index].rstrip())
    return int(node.end_mark.index)


def _plain(value: str) -> str:
    """Return a string as it is where that reads as the same string, in quotes otherwise."""
    if value and value == value.strip() and value.isprintable():
        reading = read(f"key: {value}\n")
        if not reading.problems and [one.value for one in reading.documents] == [{"key": value}]:
            return value
    return _json(value)


def _key(part: str | int) -> str:
    return _plain(str(part)) if _PLAIN_IN_FLOW.fullmatch(str(part)) else _json(str(part))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _chomping(value: str) -> str:
    return "" if value.endswith("\n") and not value.endswith("\n\n") else "+" if value.endswith("\n") else "-"


class _Dumper(yaml.SafeDumper):
    """Writes new entries: texts plain where that is safe, of several lines as blocks, else in double quotes."""

    def represent_text(self, value: str) -> ScalarNode:
        style = "|" if "\n" in value and all(line == line.rstrip() for line in value.split("\n")) else None
        if style is None and _plain(value) != value:
            style = '"'
        return self.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_text_of: Callable[[_Dumper, str], ScalarNode] = _Dumper.represent_text
_Dumper.add_representer(str, _text_of)
