"""What of a value its type does not allow, in the words of structured-merge-diff v6 `typed`."""

from __future__ import annotations

from collections.abc import Mapping

from bot.sandbox.kube.merge import fieldset
from bot.sandbox.kube.merge.elements import Json, Unfit, element_of
from bot.sandbox.kube.merge.gotext import go_syntax, go_value
from bot.sandbox.kube.merge.schema import ListType, Scalar, Type

_GO_TYPES = {str: "string", bool: "bool", int: "int64", float: "float64"}


def check(type_: Type, value: Json, *, duplicates: bool = False) -> tuple[str, ...]:
    """Return what does not fit the type, each as `.spec.replicas: expected numeric (int or float), got string`."""
    errors: list[str] = []
    _check(type_, value, "", errors, duplicates)
    return tuple(errors)


def _check(type_: Type, value: Json, path: str, errors: list[str], duplicates: bool) -> None:
    branch = type_.pick(value)
    if value is None:
        return
    if isinstance(branch, Scalar):
        _check_scalar(branch, value, path, errors)
    elif isinstance(branch, ListType):
        if not isinstance(value, list):
            errors.append(_at(path, f"expected list, got &{{{go_value(value)}}}"))
            return
        seen: set[str] = set()
        for index, item in enumerate(value):
            below = f"{path}[{index}]"
            if not branch.atomic:
                try:
                    element = element_of(branch, item)
                except Unfit as e:
                    errors.append(_at(path, f"element {index}: {e}"))
                    return
                below = path + fieldset.show((element,))
                if element in seen and not duplicates:
                    errors.append(_at(path, f"duplicate entries for key {fieldset.show((element,))}"))
                seen.add(element)
            _check(branch.items, item, below, errors, duplicates)
    elif not isinstance(value, Mapping):
        errors.append(_at(path, f"expected map, got &{{{go_value(value)}}}"))
    else:
        for name, item in value.items():
            below_type = branch.field(name)
            if below_type is None:
                errors.append(f"{path}.{name}: field not declared in schema")
                return
            _check(below_type, item, f"{path}.{name}", errors, duplicates)


def _check_scalar(branch: Scalar, value: Json, path: str, errors: list[str]) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if branch is Scalar.NUMERIC and not number:
        kind = _GO_TYPES.get(type(value)) or (
            "[]interface {}" if isinstance(value, list) else "map[string]interface {}"
        )
        errors.append(_at(path, f"expected numeric (int or float), got {kind}"))
    elif branch is Scalar.STRING and not isinstance(value, str):
        errors.append(_at(path, f"expected string, got &value.valueUnstructured{{Value:{go_syntax(value)}}}"))
    elif branch is Scalar.BOOLEAN and not isinstance(value, bool):
        errors.append(_at(path, f"expected boolean, got &{{{go_value(value)}}}"))
    elif branch is Scalar.UNTYPED and isinstance(value, list | Mapping):
        errors.append(_at(path, f"expected any scalar, got &{{{go_value(value)}}}"))


def _at(path: str, message: str) -> str:
    return f"{path}: {message}" if path else message
