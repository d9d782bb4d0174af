"""YAML and JSON text to plain values, read the way kubectl reads them.

In goes text, out come documents, each with its line, and problems, each with its line. Values are what JSON has:
dict with string keys, list, str, int, float, bool, None. This module never shows a value in a problem, never
constructs anything but these types, and never recurses: nesting, aliases and problems are bounded.

What a scalar means is in `scalars.py`. Keys that read as integers or booleans become strings (`1:` is `"1"`, `yes:` is
`"true"`); `<<` merges.

Where kubectl guesses, we refuse: duplicate keys (it lets the last win), tags outside the core (it reads `!foo bar`
as a string), keys with a fraction (it rounds them to 32 bits), `<<` below a key that it also sets (it overrides the
key, the YAML specification does not).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from bot.render.reading import Document, Reading, TextProblem
from bot.render.scalars import LONGEST_INTEGER, MERGE, NOT_JSON, UNFIT, Mark, meaning, short_meaning, tagged

MAX_DEPTH: Final = 200  # levels; orjson writes 254, the deepest CRD schemas we know need about 60
MAX_ALIASED: Final = 200_000  # values that the aliases of one file may stand for; a bomb has billions
MAX_PROBLEMS: Final = 20  # per file; the first few are what a person fixes

_TEXT_UNIT: Final = 64  # characters that weigh as much as one value: an alias may also multiply one long text
_CORE: Final = "tag:yaml.org,2002:"
_CONFLICT: Final = re.compile(r"(?m)^(?:<{7}|={7}|>{7})(?: .*)?$")

_NO_KEY: Final = Mark()
_NOTHING: Final = Mark()


def read(text: str) -> Reading:
    """Read every document of a text. Stops at the first syntax error; goes on after all other problems."""
    return _Reader(text).read()


@dataclass(slots=True)
class _Frame:
    """A mapping or sequence being read."""

    container: dict[str, Any] | list[Any]
    line: int
    anchor: str | None
    weight_before: int
    key: Any = _NO_KEY
    merged: set[str] | None = None
    height: int = 1


class _Stop(Exception):
    """Reading on makes no sense; the problem is noted."""


class _Reader:
    """The events of libyaml, put together without recursion."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._parser = CParser(text)
        self._documents: list[Document] = []
        self._problems: list[TextProblem] = []
        self._weight = 0
        self._aliased = 0
        self._start_document()

    def read(self) -> Reading:
        try:
            self._run()
        except _Stop:
            pass
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            said = ": ".join(part for part in (error.context, error.problem) if part)
            self._problems.append(_conflict(self._text) or TextProblem(mark.line + 1 if mark is not None else 1, said))
        except yaml.YAMLError as error:
            reason = getattr(error, "reason", None) or "the YAML parser refuses this file"
            self._problems.append(TextProblem(1, str(reason)))
        return Reading(tuple(self._documents), tuple(self._problems))

    def _start_document(self) -> None:
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int, int]] = {}  # name: value, weight, height
        self._open: set[str] = set()
        self._root: Any = None
        self._root_line = 1
        self._item_lines: list[int] = []

    def _run(self) -> None:
        get_event = self._parser.get_event
        while True:
            event: Any = get_event()
            kind = type(event)
            if kind is ScalarEvent:
                if event.tag is not None or event.anchor is not None or not self._attached(event):
                    self._scalar(event)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self._begin(event, {} if kind is MappingStartEvent else [])
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                self._end()
            elif kind is AliasEvent:
                self._alias(event)
            elif kind is DocumentStartEvent:
                self._start_document()
            elif kind is DocumentEndEvent:
                if self._root is not None:
                    self._documents.append(Document(self._root_line, self._root, tuple(self._item_lines)))
            elif kind is StreamEndEvent:
                return
            else:
                assert kind is StreamStartEvent, kind

    def _attached(self, event: Any) -> bool:
        """Take the scalars that nearly all files consist of in one step; False for one that needs more care."""
        stack, text = self._stack, event.value
        if not stack or len(text) > LONGEST_INTEGER:
            return False
        value = short_meaning(text) if event.implicit[0] else text
        frame = stack[-1]
        container: Any = frame.container
        key = frame.key
        if type(container) is list:
            if type(value) is Mark or len(stack) == 2:  # a list of two levels may be that of a `List`
                return False
            container.append(value)
        elif key is _NO_KEY:
            if type(value) is not str or value in container:
                return False
            frame.key = value
        elif type(key) is str and type(value) is not Mark:
            container[key] = value
            frame.key = _NO_KEY
        else:
            return False
        self._weight += 1 + len(text) // _TEXT_UNIT
        return True

    def _scalar(self, event: Any) -> None:
        text: str = event.value
        weight = 1 + len(text) // _TEXT_UNIT
        self._weight += weight
        tag: str | None = event.tag
        value: Any
        if tag is not None and tag != "!":
            value = self._tagged(event, tag, text)
        elif tag == "!" or not event.implicit[0]:
            value = text
        else:
            value = self._sayable(event, meaning(text))
            if value is MERGE and not (self._stack and self._wants_key(self._stack[-1])):
                value = text
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, weight, 0)
        self._attach(event, value)

    def _tagged(self, event: Any, tag: str, text: str) -> Any:
        short = tag.removeprefix(_CORE)
        if tag.startswith(_CORE) and short in {"str", "timestamp"}:
            return text
        if tag.startswith(_CORE) and short in {"int", "float", "bool", "null"}:
            value = self._sayable(event, tagged(short, text))
            if value is not UNFIT:
                return value
            self._note(event, f"the value is no !!{short}")
            return None
        self._note_tag(event, tag)
        return None

    def _sayable(self, event: Any, value: Any) -> Any:
        if value is not NOT_JSON:
            return value
        self._note(event, "infinity and NaN cannot be written in JSON, so the API has none: quote it if it is text")
        return None

    def _begin(self, event: Any, container: dict[str, Any] | list[Any]) -> None:
        self._weight += 1
        stack = self._stack
        if event.tag is not None:
            core = f"{_CORE}{'map' if isinstance(container, dict) else 'seq'}"
            if event.tag not in {core, "!"}:
                self._note_tag(event, event.tag)
        line: int = event.start_mark.line + 1
        if stack:
            parent = stack[-1]
            if parent.key is _NO_KEY and type(parent.container) is dict:
                self._note(event, "a key must be a plain word, not a mapping or a list")
                raise _Stop
            if len(stack) == 2 and type(parent.container) is list and stack[0].key == "items":
                self._item_lines.append(line)
        else:
            self._root_line = line
        if len(stack) >= MAX_DEPTH:
            self._note(event, f"more than {MAX_DEPTH} levels of nesting")
            raise _Stop
        if event.anchor is not None:
            self._open.add(event.anchor)
        stack.append(_Frame(container, line, event.anchor, self._weight))

    def _end(self) -> None:
        stack = self._stack
        frame = stack.pop()
        if frame.anchor is not None:
            self._open.discard(frame.anchor)
            self._anchors[frame.anchor] = (frame.container, self._weight - frame.weight_before + 1, frame.height)
        if not stack:
            self._root = frame.container
            return
        parent = stack[-1]
        if frame.height >= parent.height:
            parent.height = frame.height + 1
        if type(parent.container) is list:
            parent.container.append(frame.container)
        else:
            self._set(parent, frame.container, frame.line)

    def _alias(self, event: Any) -> None:
        name = event.anchor
        if name in self._open:
            self._note(event, "an alias refers to what contains it")
            raise _Stop
        if name not in self._anchors:
            self._note(event, "an alias has no anchor in this document")
            raise _Stop
        value, weight, height = self._anchors[name]
        self._weight += weight
        self._aliased += weight
        if self._aliased > MAX_ALIASED:
            self._note(event, f"the aliases of this file stand for more than {MAX_ALIASED:,} values")
            raise _Stop
        if len(self._stack) + height > MAX_DEPTH:
            self._note(event, f"more than {MAX_DEPTH} levels of nesting")
            raise _Stop
        if self._stack:
            parent = self._stack[-1]
            if height >= parent.height:
                parent.height = height + 1
            if len(self._stack) == 2 and isinstance(parent.container, list) and self._stack[0].key == "items":
                self._item_lines.append(event.start_mark.line + 1)
            if self._wants_key(parent) and isinstance(value, dict | list):
                self._note(event, "a key must be a plain word, not a mapping or a list")
                raise _Stop
        self._attach(event, value)

    @staticmethod
    def _wants_key(frame: _Frame) -> bool:
        return frame.key is _NO_KEY and type(frame.container) is dict

    def _attach(self, event: Any, value: Any) -> None:
        """Put a finished value into the innermost container: as an entry, a key or a key's value."""
        stack = self._stack
        if not stack:
            self._root = value
            self._root_line = event.start_mark.line + 1
            return
        frame = stack[-1]
        container = frame.container
        if type(container) is list:
            if len(stack) == 2 and stack[0].key == "items" and not isinstance(value, dict | list):
                self._item_lines.append(event.start_mark.line + 1)
            container.append(value)
            return
        assert type(container) is dict
        if frame.key is _NO_KEY:
            frame.key = self._key(event, frame, value)
            return
        self._set(frame, value, event.start_mark.line + 1)

    def _set(self, frame: _Frame, value: Any, line: int) -> None:
        container = frame.container
        assert type(container) is dict
        key, frame.key = frame.key, _NO_KEY
        if type(key) is str:
            container[key] = value
        elif key is MERGE:
            self._merge(frame, container, value, line)

    def _merge(self, frame: _Frame, container: dict[str, Any], value: Any, line: int) -> None:
        sources = value if isinstance(value, list) else [value]
        if frame.merged is None:
            frame.merged = set()
        for source in sources:
            if not isinstance(source, dict):
                self._note_line(line, "<< needs a mapping or a list of mappings")
                return
            for key, entry in source.items():
                if key not in container:
                    container[key] = entry
                    frame.merged.add(key)
                elif key not in frame.merged:
                    self._note_line(line, f"<< comes after the key {_shown(key)} and sets it too: put << first")

    def _key(self, event: Any, frame: _Frame, value: Any) -> Any:
        """Return the key as JSON has it; the value of a refused key is read and dropped."""
        if value is MERGE:
            if frame.merged is None:
                return MERGE
            self._note(event, "the key << is there twice")
            return _NOTHING
        if type(value) is str:
            key = value
        elif isinstance(value, bool):
            key = "true" if value else "false"
        elif isinstance(value, int):
            key = str(value)
        elif value is None:
            self._note(event, "a key is empty or null: write it in quotes")
            return _NOTHING
        else:
            self._note(event, "a key is a number with a fraction: write it in quotes")
            return _NOTHING
        assert type(frame.container) is dict
        if key in frame.container:
            if frame.merged is not None and key in frame.merged:
                frame.merged.discard(key)
                return key
            self._note(event, f"the key {_shown(key)} is there twice")
            return _NOTHING
        return key

    def _note_tag(self, event: Any, tag: str) -> None:
        name = tag.replace(_CORE, "!!")
        self._note(event, f"the tag {_shown(name)} is not supported: only !!str, !!int, !!float, !!bool, !!null")

    def _note(self, event: Any, message: str) -> None:
        self._note_line(event.start_mark.line + 1, message)

    def _note_line(self, line: int, message: str) -> None:
        self._problems.append(TextProblem(line, message))
        if len(self._problems) >= MAX_PROBLEMS:
            raise _Stop


def _conflict(text: str) -> TextProblem | None:
    """Return the first line that git wrote into a file it could not merge."""
    found = _CONFLICT.search(text)
    if found is None:
        return None
    line = text.count("\n", 0, found.start()) + 1
    return TextProblem(line, "the file has a merge conflict that nobody resolved")


def _shown(word: str) -> str:
    """Return a key or tag as a message may show it: quoted and cut."""
    return repr(word if len(word) <= 60 else f"{word[:57]}...")
