"""The bytes of a file to text that YAML readers take: UTF-8 without what YAML forbids, and JSON as it means itself."""

from __future__ import annotations

import re
from typing import Final

from bot.render.reading import TextProblem

_PLAIN: Final = bytes(range(0x20, 0x7F)) + b"\t\n\r"  # all that most files consist of
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_ENDS: Final = {ord(char): f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"}  # of YAML, not of JSON
_SURROGATES: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def decode(data: bytes) -> str | TextProblem:
    """Return a file's text: UTF-8, with or without a byte order mark."""
    if not data.translate(None, _PLAIN):
        return data.decode("ascii")
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


def _line_at(before: bytes) -> int:
    return before.count(b"\n") + 1


def _joined(match: re.Match[str]) -> str:
    high, low = int(match[2], 16), int(match[3], 16)
    return match[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
