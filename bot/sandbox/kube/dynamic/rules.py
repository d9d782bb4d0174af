"""Rules in the schemas of custom resources, `x-kubernetes-validations`. Pure. Without the library for CEL, all hold.

Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel. A rule with `optionalOldSelf` is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from bot.sandbox.kube.dynamic import cel
from bot.sandbox.kube.errors import Cause

_RULES: Final = "x-kubernetes-validations"
_TRANSITION: Final = re.compile(r"\boldSelf\b")
_ABSENT: Final = object()
_ROOT: Final = "<nil>"  # how the real server names the object itself
# Words that CEL keeps for itself, and characters that no name in it has.
_KEPT: Final = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function"),
        *("if", "import", "let", "loop", "package", "namespace", "return"),
    }
)
_ESCAPES: Final = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
Schema = Mapping[str, Any]


def has_rules(schema: Schema) -> bool:
    """Whether a schema has a rule anywhere."""
    return any(key == _RULES or (isinstance(value, Mapping) and has_rules(value)) for key, value in schema.items())


def broken(schema: Schema, body: Mapping[str, Any], old: Mapping[str, Any] | None) -> Sequence[Cause]:
    """Return what rules say against an object that its schema allows."""
    if not cel.available():
        return ()
    return list(_broken(schema, _bare(body), _ABSENT if old is None else _bare(old), ""))


def _bare(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the little of its metadata that rules may look at."""
    kept = {name: value for name, value in body["metadata"].items() if name in {"name", "generateName"}}
    return {**body, "metadata": kept}


def _broken(schema: Schema, value: Any, old: Any, at: str) -> Iterator[Cause]:
    if value is None or value == old:  # what was there before stays allowed
        return
    for rule in schema.get(_RULES) or ():
        yield from _asked(rule, schema, value, old, at)
    if isinstance(value, Mapping):
        before = old if isinstance(old, Mapping) else {}
        known: Mapping[str, Any] = schema.get("properties") or {}
        other = schema.get("additionalProperties")
        for name, inside in value.items():
            where = f"{at}.{name}" if name in known else f"{at}[{name}]"
            below = known.get(name, other)
            if isinstance(below, Mapping):
                yield from _broken(below, inside, before.get(name, _ABSENT), where.removeprefix("."))
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for index, inside in enumerate(value):
            yield from _broken(schema["items"], inside, _counterpart(schema, inside, old), f"{at}[{index}]")


def _counterpart(schema: Schema, item: Any, old: Any) -> Any:
    """Return the item of the old list with the same keys; only lists of type map have one."""
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    if not keys or not isinstance(old, list):
        return _ABSENT
    identity = [item.get(key) for key in keys]
    return next((one for one in old if [one.get(key) for key in keys] == identity), _ABSENT)


def _asked(rule: Mapping[str, Any], schema: Schema, value: Any, old: Any, at: str) -> Iterator[Cause]:
    text = rule["rule"]
    if rule.get("optionalOldSelf") or (_TRANSITION.search(text) and old is _ABSENT):
        return
    variables = {"self": _typed(schema, value)}
    if old is not _ABSENT:
        variables["oldSelf"] = _typed(schema, old)
    trouble = f'Invalid value: "{schema.get("type", "object")}"'
    try:
        holds = cel.evaluate(text, variables, rule=True)
    except cel.Uncompiled as error:
        yield Cause(reason="FieldValueInvalid", field=at or _ROOT, message=f"{trouble}: rule compile error: {error}")
        return
    except cel.Failed as error:
        why = f"{error} evaluating rule: {_message(rule, variables) or text}"
        yield Cause(reason="FieldValueInvalid", field=at or _ROOT, message=f"{trouble}: {why}")
        return
    if holds is not True:
        said = _message(rule, variables) or f"failed rule: {text.strip()}"
        yield _cause(rule.get("reason") or "FieldValueInvalid", f"{at}{rule.get('fieldPath') or ''}", value, said)


def _message(rule: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    said: Any = ""
    if expression := rule.get("messageExpression"):
        try:
            said = cel.evaluate(expression, variables, rule=True)
        except (cel.Failed, cel.Uncompiled):
            said = ""  # the message stands in for it, as in the real server
    said = said.strip() if isinstance(said, str) and "\n" not in said.strip() else ""
    return said or str(rule.get("message") or "").strip()


def _cause(reason: str, at: str, value: Any, said: str) -> Cause:
    shown = "" if isinstance(value, (Mapping, list)) else f": {orjson.dumps(value).decode()}"
    told = {
        "FieldValueForbidden": f"Forbidden: {said}",
        "FieldValueRequired": f"Required value: {said}",
        "FieldValueDuplicate": f"Duplicate value{shown}",
    }
    return Cause(reason=reason, field=at or _ROOT, message=told.get(reason, f"Invalid value{shown}: {said}"))


def _typed(schema: Schema, value: Any) -> Any:
    """Return a value as rules see it: names that CEL can have, and times for texts that are such by their format."""
    if isinstance(value, Mapping):
        known: Mapping[str, Any] = schema.get("properties") or {}
        other = schema.get("additionalProperties")
        below = other if isinstance(other, Mapping) else {}
        return {
            (_escaped(name) if name in known else name): _typed(known.get(name, below), inside)
            for name, inside in value.items()
            if inside is not None
        }
    if isinstance(value, list):
        return [_typed(schema.get("items") or {}, one) for one in value]
    if schema.get("type") == "number" and not isinstance(value, bool) and isinstance(value, int):
        return float(value)
    if isinstance(value, str) and schema.get("format") == "date-time":
        return datetime.fromisoformat(value)
    return value


def _escaped(name: str) -> str:
    if name in _KEPT:
        return f"__{name}__"
    for given, written in _ESCAPES:
        name = name.replace(given, written)
    return name
