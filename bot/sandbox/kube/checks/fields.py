"""Causes in the words of the real server (k8s.io/apimachinery/pkg/util/validation/field). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from bot.sandbox.kube.errors import Cause


def required(field: str, detail: str = "") -> Cause:
    return Cause(reason="FieldValueRequired", field=field, message=_with("Required value", detail))


def invalid(field: str, value: Any, detail: str) -> Cause:
    return Cause(reason="FieldValueInvalid", field=field, message=_with(f"Invalid value: {shown(value)}", detail))


def unsupported(field: str, value: Any, supported: Iterable[str], *, ordered: bool = False) -> Cause:
    """Name the allowed values, sorted unless the real server has an order of its own."""
    allowed = ", ".join(shown(one) for one in (supported if ordered else sorted(supported)))
    message = f"Unsupported value: {shown(value)}: supported values: {allowed}"
    return Cause(reason="FieldValueNotSupported", field=field, message=message)


def forbidden(field: str, detail: str) -> Cause:
    return Cause(reason="FieldValueForbidden", field=field, message=f"Forbidden: {detail}")


def duplicate(field: str, value: Any) -> Cause:
    return Cause(reason="FieldValueDuplicate", field=field, message=f"Duplicate value: {shown(value)}")


def unknown(field: str, value: Any) -> Cause:
    return Cause(reason="FieldValueNotFound", field=field, message=f"Not found: {shown(value)}")


def too_long(field: str, limit: int) -> Cause:
    return Cause(reason="FieldValueTooLong", field=field, message=f"Too long: may not be more than {limit} bytes")


def negative(field: str, value: Any) -> Iterator[Cause]:
    """Refuse a number below zero."""
    if isinstance(value, int) and value < 0:
        yield invalid(field, value, "must be greater than or equal to 0")


def immutable(field: str, value: Any) -> Cause:
    return invalid(field, value, "field is immutable")


def ordered(labels: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return labels as Go prints a map: by key."""
    return None if labels is None else dict(sorted(labels.items()))


def shown(value: Any) -> str:
    return orjson.dumps(value).decode()


def _with(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text
