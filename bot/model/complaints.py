"""What the API server says against an object, as people read it: no dumps of Go values, and the same words each time.

Pure; values of Secrets are masked before (bot/model/masking.py). The server quotes the value that it does not like as
Go prints it: a number, a map of maps, the template of a Job. Where a quotation ends is found by its brackets and
quotes. The surprising part is the order: structured-merge-diff walks maps as Go does, so that the same object gets its
errors in another order at each try.
"""

from __future__ import annotations

import re
from typing import Final

_LONGEST_QUOTED: Final = 60  # letters of a value that is quoted whole: what a person takes in at a glance

_TYPED: Final = re.compile(r"got &value\.valueUnstructured\{Value:")  # structured-merge-diff, a value of the wrong type
_FIELD: Final = re.compile(r"(?:Invalid|Duplicate) value: ")  # apimachinery, util/validation/field
_LIST: Final = re.compile(r"errors:((?:\n  \S[^\n]*)+)")  # structured-merge-diff, several errors
# What a Pod or a claim may not change is followed by a comparison of Go structs; the plan shows the fields itself.
_COMPARISON: Final = re.compile(r"\n+@@ [^\n]* @@(?:\n[ +-][^\n]*)*\n?")
_OPENING: Final = "{[("
_CLOSING: Final = "}])"


def readable(message: str) -> str:
    """Return a message without long quotations, comparisons of Go structs and chance in its order; idempotent."""
    message = _fields_shortened(_types_named(_COMPARISON.sub("", message)))
    return _LIST.sub(lambda found: "errors:" + "".join(sorted(re.findall(r"\n[^\n]+", found[1]))), message)


def _types_named(message: str) -> str:
    """Say the type of each value that has the wrong one, and what is short itself."""
    said, at = [], 0
    while found := _TYPED.search(message, at):
        end = _end(message, found.end())
        said += [message[at : found.start()], f"got {_with_type(message[found.end() : end])}"]
        at = end + 1  # the brace that closes valueUnstructured
    return "".join((*said, message[at:]))


def _fields_shortened(message: str) -> str:
    said, at = [], 0
    while found := _FIELD.search(message, at):
        end = _end(message, found.end())
        value = message[found.end() : end]
        said += [message[at : found.end()], value if len(value) <= _LONGEST_QUOTED else "…"]
        at = end
    return "".join((*said, message[at:]))


def _with_type(value: str) -> str:
    if value.startswith("map["):
        return "a map"
    if value.startswith("[]"):
        return "a list"
    if value in {"true", "false"}:
        return f"the boolean {value}"
    if re.fullmatch(r"-?\d[-+0-9.e]*", value):
        return f"the number {value}"
    return value if len(value) <= _LONGEST_QUOTED else "a long text"


def _end(text: str, start: int) -> int:
    """Return where a value that begins at `start` ends: at a bracket that is not its own, or at what comes after it."""
    at, depth = start, 0
    while at < len(text):
        letter = text[at]
        if letter in '"`':
            at = _end_of_quoted(text, at)
            if depth == 0 and text[start] == letter:
                return at
            continue
        if letter in _OPENING:
            depth += 1
        elif letter in _CLOSING:
            if depth == 0:
                return at
            depth -= 1
        elif depth == 0 and (letter == "\n" or text.startswith((": ", ", "), at)):
            return at
        at += 1
    return len(text)


def _end_of_quoted(text: str, start: int) -> int:
    quote, at = text[start], start + 1
    while at < len(text) and text[at] != quote:
        at += 2 if text[at] == "\\" and quote == '"' else 1
    return min(at + 1, len(text))
