"""Causes in the words of the real server (k8s.io/apimachinery/pkg/util/validation/field). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from bot.sandbox.kube.errors import Cause


def required(field: str, detail: str = "") -> Cause:
    return Cause(reason="FieldValueRequired", field=field, message=_with("Required value", detail))


def invalid(field: str, value: Any, detail: str) -> Cause:
    return Cause(reason="FieldValueInvalid", field=field, message=_with(f"Invalid value: {shown(value)}", detail))


def unsupported(field: str, value: Any, supported: Iterable[str]) -> Cause:
    allowed = ", ".join(shown(one) for one in sorted(supported))
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


def immutable(field: str, value: Any) -> Cause:
    return invalid(field, value, "field is immutable")


def shown(value: Any) -> str:
    return orjson.dumps(value).decode()


def _with(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text
