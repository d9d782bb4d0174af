"""YAML and JSON text to plain values, read the way kubectl reads them.

In goes text, out come documents, each with its line, and problems, each with its line. Values are what JSON has:
dict with string keys, list, str, int, float, bool, None. This module never shows a value in a problem, never
constructs anything but these types, and never recurses: nesting, aliases and problems are bounded.

What we follow: sigs.k8s.io/yaml 1.4 (goyaml.v2 behind it), because that is what `kubectl apply -f` does to the same
file. In its words, and in the tests: `yes no on off y n` (and their capitals) are booleans; `0777` and `0o777` are
octal, `0x1F` and `0b101` numbers, `_` in numbers is skipped; `1:30` and dates stay strings; integers fit 64 bits,
larger decimal ones become floats; a float without a fraction is an integer in JSON (`1.0` is `1`); keys that read as
integers or booleans become strings (`1:` is `"1"`, `yes:` is `"true"`); `<<` merges.

Where kubectl guesses, we refuse: duplicate keys (it lets the last win), tags outside the core (it reads `!foo bar`
as a string), keys with a fraction (it rounds them to 32 bits), `<<` below a key that it also sets (it overrides the
key, the YAML specification does not).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
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

MAX_DEPTH: Final = 200  # levels; orjson writes 254, the deepest CRD schemas we know need about 60
MAX_ALIASED: Final = 200_000  # values that the aliases of one file may stand for; a bomb has billions
MAX_PROBLEMS: Final = 20  # per file; the first few are what a person fixes

_CONSTANTS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_FINITE: Final = frozenset(
    sign + word
    for sign, word in (
        *((sign, word) for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")),
        *(("", word) for word in (".nan", ".NaN", ".NAN")),
    )
)
_NUMBER_START: Final = frozenset("+-.0123456789")
_INTEGER: Final = re.compile(r"[-+]?(?:(0[xX][0-9a-fA-F]+)|(0[bB][01]+)|0[oO]?([0-7]+)|0|[1-9][0-9]*)|0b([-+][01]+)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TEXT_UNIT: Final = 64  # characters that weigh as much as one value: an alias may also multiply one long text
_LONGEST_INTEGER: Final = 70  # characters: a sign, `0b` and 64 digits, and some leading zeros
_CORE: Final = "tag:yaml.org,2002:"
_LOOSE: Final = re.compile("(?<![0-9])_|_(?![0-9])")  # after a leading dot kubectl minds where an underscore stands
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONFLICT: Final = re.compile(r"(?m)^(?:<{7}|={7}|>{7})(?: .*)?$")
_LINE_ENDS: Final = {ord(char): f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"}  # of YAML, not of JSON
_SURROGATES: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class _Mark:
    """A value that no text can have."""


_NO_KEY: Final = _Mark()
_MERGE: Final = _Mark()
_NOTHING: Final = _Mark()
_NOT_JSON: Final = _Mark()


@dataclass(frozen=True, slots=True)
class Document:
    """One document: the line it begins on, counted from 1, its value, and the lines of the entries of `items`."""

    line: int
    value: Any
    item_lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TextProblem:
    """Something wrong with the text, at a line counted from 1."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Reading:
    """All documents that could be read, empty ones left out, and every problem. With problems, trust no document."""

    documents: tuple[Document, ...]
    problems: tuple[TextProblem, ...]

    def trusted(self) -> Iterator[Document]:
        """Yield the documents that no problem is in: what is wrong with the others may follow from the problem."""
        ends = [document.line for document in self.documents[1:]]
        for document, end in zip_longest(self.documents, ends):
            if not any(document.line <= one.line and (end is None or one.line < end) for one in self.problems):
                yield document


def decode(data: bytes) -> str | TextProblem:
    """Return a file's text: UTF-8, with or without a byte order mark."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return TextProblem(1, "the file is UTF-16: save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return TextProblem(_line_at(data[: error.start]), "the file is not valid UTF-8 here")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return TextProblem(line, "the file has a NUL character here: it is no text, or UTF-16 without a mark")
    unprintable = _UNPRINTABLE.search(text)
    if unprintable is not None:
        line = text.count("\n", 0, unprintable.start()) + 1
        return TextProblem(line, f"the control character U+{ord(unprintable.group()):04X} is not allowed in YAML")
    return text


def from_json(text: str) -> str:
    """Return JSON text so that YAML readers take it for the same.

    They refuse escaped surrogate pairs, and end lines at characters that are text in JSON. Hardly any file has either.
    """
    joined = _SURROGATES.sub(_joined, text) if "\\ud" in text or "\\uD" in text else text
    return joined if joined.isascii() else joined.translate(_LINE_ENDS)


def read(text: str) -> Reading:
    """Read every document of a text. Stops at the first syntax error; goes on after all other problems."""
    return _Reader(text).read()


def _line_at(before: bytes) -> int:
    return before.count(b"\n") + 1


def _joined(match: re.Match[str]) -> str:
    high, low = int(match[2], 16), int(match[3], 16)
    return match[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


@lru_cache(maxsize=4096)
def _number(text: str) -> int | float | str:
    """Return what a plain scalar that begins like a number means: `0x1F` is 31, `1.2.3` stays a string."""
    plain = text.replace("_", "")
    whole = _INTEGER.fullmatch(plain) if len(plain) <= _LONGEST_INTEGER and text[0] != "." else None
    if whole is not None:
        hexadecimal, binary, octal, signed = whole.groups()
        base = 16 if hexadecimal else 2 if binary or signed else 8 if octal else 10
        value = int(signed or plain, base)
        if -(2**63) <= value < 2**64:
            return value
    if _FLOAT.fullmatch(plain) is None or (text[0] == "." and _LOOSE.search(text)):
        return text
    number = float(plain)
    if number in {float("inf"), float("-inf")}:
        return text
    # Go's JSON writes 1.0 as 1, and the server takes only that for an integer field.
    return int(number) if number.is_integer() and -(2.0**63) <= number < 2.0**64 else number


@lru_cache(maxsize=4096)
def _plain(text: str) -> Any:
    """Return what a short plain scalar means; a mark for `<<`, and for what JSON cannot say."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] in _NUMBER_START:
        return _NOT_JSON if text in _NOT_FINITE else _number(text)
    return _MERGE if text == "<<" else text


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
        if not stack or len(text) > _LONGEST_INTEGER:
            return False
        value = _plain(text) if event.implicit[0] else text
        frame = stack[-1]
        container: Any = frame.container
        key = frame.key
        if type(container) is list:
            if type(value) is _Mark or len(stack) == 2:  # a list of two levels may be that of a `List`
                return False
            container.append(value)
        elif key is _NO_KEY:
            if type(value) is not str or value in container:
                return False
            frame.key = value
        elif type(key) is str and type(value) is not _Mark:
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
        elif text in _CONSTANTS:
            value = _CONSTANTS[text]
        elif text[0] in _NUMBER_START:
            value = self._numeric(event, text)
        elif text == "<<" and self._stack and self._wants_key(self._stack[-1]):
            value = _MERGE
        else:
            value = text
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, weight, 0)
        self._attach(event, value)

    def _numeric(self, event: Any, text: str) -> Any:
        if text in _NOT_FINITE:
            self._note(event, "infinity and NaN cannot be written in JSON, so the API has none: quote it if it is text")
            return None
        return _number(text) if len(text) <= _LONGEST_INTEGER else _number.__wrapped__(text)

    def _tagged(self, event: Any, tag: str, text: str) -> Any:
        short = tag.removeprefix(_CORE)
        if tag.startswith(_CORE) and short in {"str", "timestamp"}:
            return text
        if tag.startswith(_CORE) and short in {"int", "float", "bool", "null"}:
            if text in _CONSTANTS:
                value: Any = _CONSTANTS[text]
            elif text[0] in _NUMBER_START:
                value = self._numeric(event, text)
            else:
                value = text
            fits = {
                "int": isinstance(value, int) and not isinstance(value, bool) and "." not in text,
                "float": isinstance(value, int | float) and not isinstance(value, bool),
                "bool": isinstance(value, bool),
                "null": value is None,
            }
            if fits[short]:
                return value
            self._note(event, f"the value is no !!{short}")
            return None
        self._note_tag(event, tag)
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
        elif key is _MERGE:
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
        if value is _MERGE:
            if frame.merged is None:
                return _MERGE
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
