"""Expressions in policies and webhooks that do not compile. Pure. Without the library for CEL, nothing is found.

Source: k8s.io/kubernetes/pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.sandbox.kube.checks.fields import invalid
from bot.sandbox.kube.dynamic import cel
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.ports import Body


def check_validating_policy(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    yield from _common(spec)
    for index, one in enumerate(spec.get("validations") or ()):
        at = f"spec.validations[{index}]"
        yield from _compiles(one, "expression", at, "bool")
        yield from _compiles(one, "messageExpression", at, "string")


def check_mutating_policy(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    yield from _common(spec)
    for index, one in enumerate(spec.get("mutations") or ()):
        for name in ("applyConfiguration", "jsonPatch"):
            yield from _compiles(one.get(name) or {}, "expression", f"spec.mutations[{index}].{name}")


def _common(spec: Mapping[str, Any]) -> Iterator[Cause]:
    for name, returns in (("matchConditions", "bool"), ("variables", "")):
        for index, one in enumerate(spec.get(name) or ()):
            yield from _compiles(one, "expression", f"spec.{name}[{index}]", returns)


def _compiles(holder: Mapping[str, Any], name: str, at: str, returns: str = "") -> Iterator[Cause]:
    expression = holder.get(name)
    if expression and (why := cel.check(expression, returns=returns)):
        yield invalid(f"{at}.{name}", expression, why)
