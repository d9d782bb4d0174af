"""Kubernetes' protobuf in requests: the bytes that Go's typed clients send, as the JSON they stand for. Pure.

Answers are JSON always, which those clients accept. The envelope is `k8s\\0` and a runtime.Unknown; the field numbers
come with the Go types. Source: https://protobuf.dev/programming-guides/encoding, k8s.io/api generated.proto.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from bot.sandbox.kube.errors import StatusError, bad_request
from bot.sandbox.kube.scalars import Anything, Boolean, Bytes, Integer, IntOrString, Number, Quantity, Shape, Text, Time
from bot.sandbox.kube.shapes import List, Map, Struct, shape_of

MAGIC: Final = b"k8s\x00"
MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def decode(data: bytes) -> dict[str, Any]:
    """Return the object of a request's body. Raises `StatusError` 400."""
    try:
        return _object(data)
    except (IndexError, ValueError, UnicodeDecodeError) as error:
        raise bad_request(f"the protobuf body cannot be read: {error}") from error


def _object(data: bytes) -> dict[str, Any]:
    if data[:4] != MAGIC:
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    envelope = dict(_fields(data[4:]))
    kinds = dict(_fields(envelope.get(1, b"")))
    api_version, kind = kinds.get(1, b"").decode(), kinds.get(2, b"").decode()
    group, _, version = api_version.rpartition("/")
    shape = shape_of(group, version, kind)
    if shape is None and kind == "DeleteOptions":
        shape = shape_of("meta", "v1", kind)
    if shape is None:
        raise StatusError(400, "BadRequest", f'no kind "{kind}" is registered for version "{api_version}"')
    return {**_struct(shape, envelope.get(2, b"")), "apiVersion": api_version, "kind": kind}


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
        elif wire == _BYTES:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError("unexpected EOF")
            yield number, data[at : at + length]
            at += length
        elif wire in {_FIXED64, _FIXED32}:
            size = 8 if wire == _FIXED64 else 4
            yield number, data[at : at + size]
            at += size
        else:
            raise ValueError(f"wire type {wire}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _struct(shape: Struct, data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, raw in _fields(data):
        known = shape.numbered.get(number)
        if known is None:
            continue
        name, field = known
        if not name:
            assert isinstance(field.shape, Struct), "only structs are inlined"
            found.update(_struct(field.shape, raw))
        elif isinstance(field.shape, List):
            found.setdefault(name, []).append(_value(field.shape.items, raw))
        elif isinstance(field.shape, Map):
            entry = dict(_fields(raw))
            key = entry.get(1, b"").decode()
            found.setdefault(name, {})[key] = _value(field.shape.values, entry.get(2, b""))
        else:
            found[name] = _value(field.shape, raw)
    return found


def _value(shape: Shape, raw: Any) -> Any:
    match shape:
        case Struct():
            return _struct(shape, raw)
        case Boolean():
            return bool(raw)
        case Integer():
            return raw - (1 << 64) if raw >= 1 << 63 else raw
        case Text():
            return raw.decode()
        case Bytes():
            return base64.b64encode(raw).decode()
        case Quantity():
            return dict(_fields(raw)).get(1, b"0").decode()
        case IntOrString():
            parts = dict(_fields(raw))
            return parts.get(3, b"").decode() if parts.get(0, parts.get(1, 0)) == 1 else _signed(parts.get(2, 0))
        case Time():
            return _time(dict(_fields(raw)))
        case Anything():
            return orjson.loads(dict(_fields(raw)).get(1, b"null") or b"null")
        case List():
            return [_value(shape.items, one) for _, one in _fields(raw)]
        case Number():
            raise ValueError("floating point numbers are not read")
        case _:
            raise ValueError(f"a {type(shape).__name__} is not read")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _time(parts: dict[int, Any]) -> str | None:
    seconds, nanos = _signed(parts.get(1, 0)), parts.get(2, 0)
    if not parts:
        return None
    return datetime.fromtimestamp(seconds + nanos / 1e9, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
