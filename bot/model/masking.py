"""Secrets in, nothing secret out: bodies and messages with the values of Secrets replaced.

Pure. Everything that leaves the bot and may have seen a Secret passes here. The surprising part: values hide in
four places of a Secret (`data`, `stringData`, kubectl's last-applied annotation, and whatever the server quotes of
a malformed one), as themselves, as base64 and escaped the way Go and JSON quote strings.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from bot.model.marks import LAST_APPLIED
from bot.model.resource import Body, ResourceId

HIDDEN = "(hidden)"
HIDDEN_CHANGED = "(hidden, changed)"

# Shorter values would blank out half of every sentence ("on", "1"); they are caught by the quotations below.
_SHORTEST = 4

# How the API server quotes a value it does not like: structured-merge-diff (as Go prints it, on one line, to its last
# brace: lists and maps have braces of their own), field errors of the validation.
_QUOTATIONS = (
    (re.compile(r"(got &(?:value\.valueUnstructured)?\{(?:Value:)?).*(\})"), rf"\g<1>{HIDDEN}\g<2>"),
    (re.compile(r'((?:Invalid|Duplicate|Unsupported) value: )(?:"(?:[^"\\]|\\.)*"|[^\s:]+)'), rf"\g<1>{HIDDEN}"),
)


def is_secret(id: ResourceId) -> bool:
    """Tell whether an object is a Secret of the core group."""
    return id.group == "" and id.kind == "Secret"


def mask_secret(body: Body, *, digest: Callable[[bytes], str] | None = None) -> Body:
    """Return a Secret with every value replaced; any other body as it is.

    `stringData` becomes `data.KEY`, as the server merges it, so that the two ways to write a value compare equal.
    With `digest`, each value becomes `(hidden DIGEST)` of its decoded bytes: different values stay different.
    """
    if str(body.get("apiVersion", "")) != "v1" or body.get("kind") != "Secret":
        return body
    values = {**_decoded(body.get("data")), **_plain(body.get("stringData"))}
    masked = {key: value for key, value in body.items() if key not in {"data", "stringData"}}
    if values or "data" in body:
        masked["data"] = {
            key: HIDDEN if digest is None else f"({HIDDEN[1:-1]} {digest(value)})" for key, value in values.items()
        }
    metadata = body.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if LAST_APPLIED in annotations:
        masked["metadata"] = {**metadata, "annotations": {**annotations, LAST_APPLIED: HIDDEN}}
    return masked


def mask_text(text: str, secret_bodies: Iterable[Body]) -> str:
    """Return `text` with all values of these Secrets replaced: plain, base64, escaped, line by line.

    Values under four characters stay, unless the text quotes them the way the API server quotes bad values. Without
    any Secret the text is returned as it is.
    """
    bodies = tuple(secret_bodies)
    if not bodies:
        return text
    forms = {form for body in bodies for value in _values(body) for form in _forms(value)}
    for form in sorted(forms, key=lambda one: (-len(one), one)):
        text = text.replace(form, HIDDEN)
    for pattern, replacement in _QUOTATIONS:
        text = pattern.sub(replacement, text)
    return text


def _values(body: Body) -> Iterator[bytes]:
    """Yield every value of one Secret, decoded and as written, and what its last-applied annotation repeats."""
    yield from _repeated(body)
    last_applied = ((body.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
    if isinstance(last_applied, str):
        try:
            repeated = json.loads(last_applied)
        except ValueError:
            yield last_applied.encode()
        else:
            if isinstance(repeated, Mapping):
                yield from _repeated(repeated)


def _repeated(body: Body) -> Iterator[bytes]:
    """Yield what stands where the values of a Secret belong, and each part of what is no text as it should be."""
    yield from _decoded(body.get("data")).values()
    for place in (body.get("data"), body.get("stringData")):
        yield from _plain(place).values()
        yield from _parts(place)


def _parts(value: Any) -> Iterator[bytes]:
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _parts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _parts(one)
    else:
        yield _as_bytes(value)


def _forms(value: bytes) -> Iterator[str]:
    """Yield each way one value may be written in a message."""
    text = value.decode(errors="replace")
    spellings = [text, text.strip(), *(line.strip() for line in text.splitlines())]
    for spelling in spellings:
        quoted = (json.dumps(spelling)[1:-1], json.dumps(spelling, ensure_ascii=False)[1:-1])
        yield from (form for form in (spelling, *quoted) if len(form) >= _SHORTEST)
    if len(value) >= _SHORTEST:
        yield base64.b64encode(value).decode()
        yield base64.b64encode(value).decode().rstrip("=")
        yield base64.urlsafe_b64encode(value).decode().rstrip("=")


def _decoded(data: Any) -> dict[str, bytes]:
    """Return `data` with base64 undone; what is no base64 stays as written."""
    return {key: _from_base64(value) for key, value in _plain(data).items()}


def _plain(data: Any) -> dict[str, bytes]:
    """Return a mapping's values as bytes, however wrong their types are."""
    if not isinstance(data, Mapping):
        return {}
    return {str(key): _as_bytes(value) for key, value in data.items()}


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    return b"" if value is None else json.dumps(value, default=str).encode()


def _from_base64(value: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(value.split()), validate=True)
    except binascii.Error:
        return value
