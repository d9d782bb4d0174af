"""ConfigMaps and Secrets. Pure. Source: k8s.io/kubernetes/pkg/apis/core/validation."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from bot.sandbox.kube.checks.fields import forbidden, immutable, invalid, required, too_long
from bot.sandbox.kube.checks.names import wrong_config_key
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.ports import Body

_BYTES: Final = 1024 * 1024
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
_DOCKER: Final = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}


def check_config_map(body: Body, old: Body | None) -> Iterator[Cause]:
    data, binary = body.get("data") or {}, body.get("binaryData") or {}
    yield from _keys(data, "data")
    yield from _keys(binary, "binaryData")
    for key in binary:
        if key in data:
            yield invalid(f"binaryData[{key}]", key, "duplicate of key present in data")
    total = sum(len(value.encode()) for value in data.values()) + sum(_length(one) for one in binary.values())
    yield from _size(total, "[]")  # the real server's path of nothing
    yield from _immutable(body, old, ("data", "binaryData"))


def check_secret(body: Body, old: Body | None) -> Iterator[Cause]:
    data, kind = body.get("data") or {}, body.get("type", "")
    yield from _keys(data, "data")
    yield from _size(sum(_length(value) for value in data.values()), "data")
    for key in _NEEDED.get(kind, ()):
        if key not in data:
            yield required(f"data[{key}]")
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        yield required("data[username]")
        yield required("data[password]")
    if kind == "kubernetes.io/service-account-token":
        key = "kubernetes.io/service-account.name"
        if not (body["metadata"].get("annotations") or {}).get(key):
            yield required(f"metadata.annotations[{key}]")
    if kind in _DOCKER:
        yield from _docker(data, _DOCKER[kind])
    if old is not None and kind != old.get("type"):
        yield immutable("type", kind)
    yield from _immutable(body, old, ("data",))


def _docker(data: Mapping[str, str], key: str) -> Iterator[Cause]:
    if key not in data:
        yield required(f"data[{key}]")
        return
    try:
        orjson.loads(base64.b64decode(data[key]))
    except orjson.JSONDecodeError:
        yield invalid(
            f"data[{key}]", "<secret contents redacted>", "invalid character 'x' looking for beginning of value"
        )


def _keys(data: Mapping[str, Any], at: str) -> Iterator[Cause]:
    for key in sorted(data):
        yield from (invalid(f"{at}[{key}]", key, text) for text in wrong_config_key(key))


def _size(total: int, at: str) -> Iterator[Cause]:
    if total > _BYTES:
        yield too_long(at, _BYTES)


def _length(encoded: str) -> int:
    return len(encoded) * 3 // 4 - encoded[-2:].count("=")


def _immutable(body: Body, old: Body | None, fields: tuple[str, ...]) -> Iterator[Cause]:
    if old is None or not old.get("immutable"):
        return
    if not body.get("immutable"):
        yield forbidden("immutable", "field is immutable when `immutable` is set")
    for field in fields:
        if (body.get(field) or {}) != (old.get(field) or {}):
            yield forbidden(field, "field is immutable when `immutable` is set")
