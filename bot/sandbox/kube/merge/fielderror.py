"""Errors of single fields, worded as k8s.io/apimachinery `util/validation/field` words them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.kube.merge.gotext import go_number


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One thing wrong with one field: `reason` as a Status cause names it, `message` as `Invalid value: ...`."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def shown(value: Any) -> str:
    """Print a value as field.Error does: JSON, and large numbers as Go prints floats."""
    if isinstance(value, float):
        return go_number(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _error(reason: str, field: str, message: str, detail: str = "") -> FieldError:
    return FieldError(reason=reason, field=field, message=f"{message}: {detail}" if detail else message)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return _error("FieldValueInvalid", field, f"Invalid value: {shown(value)}", detail)


def type_invalid(field: str, value: Any, detail: str) -> FieldError:
    return _error("FieldValueTypeInvalid", field, f"Invalid value: {shown(value)}", detail)


def required(field: str, detail: str = "") -> FieldError:
    return _error("FieldValueRequired", field, "Required value", detail)


def unsupported(field: str, value: Any, allowed: Sequence[Any]) -> FieldError:
    listed = ", ".join(shown(one if isinstance(one, str) else shown(one)) for one in allowed)
    return _error("FieldValueNotSupported", field, f"Unsupported value: {shown(value)}", f"supported values: {listed}")


def duplicate(field: str, value: Any) -> FieldError:
    return _error("FieldValueDuplicate", field, f"Duplicate value: {shown(value)}")


def too_long(field: str, most: int) -> FieldError:
    return _error("FieldValueTooLong", field, f"Too long: may not be more than {most} bytes")


def too_many(field: str, actual: int, most: int) -> FieldError:
    return _error("FieldValueTooMany", field, f"Too many: {actual}: must have at most {most} items")
