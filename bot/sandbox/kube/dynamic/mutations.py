"""MutatingAdmissionPolicies: expressions that change an object on its way in. Nobody owns what they set.

Source: k8s.io/apiserver/pkg/admission/plugin/policy/mutating. Policies are asked once: there is no reinvocation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bot.sandbox.kube import merge
from bot.sandbox.kube.dynamic.bound import (
    Bindings,
    Bound,
    Misconfigured,
    conditions_hold,
    scope_of,
    value_of,
    with_variables,
)
from bot.sandbox.kube.dynamic.review import Review
from bot.sandbox.kube.errors import Cause, StatusError, forbidden
from bot.sandbox.kube.json_patch import json_patch
from bot.sandbox.kube.kinds import KindTable
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.store import Store


class MutatingPolicies:
    """Thread-safe."""

    def __init__(self, store: Store, kinds: Callable[[], KindTable]) -> None:
        self._bindings = Bindings(store, kinds, "mutatingadmissionpolicies", "mutatingadmissionpolicybindings")

    def mutate(self, review: Review, namespace: Body | None, schema: merge.Schema) -> Body:
        """Return the object after all mutations. Raises `StatusError` when one fails and must not."""
        body = review.body
        assert body is not None, "what is deleted is not changed"
        for bound in self._bindings.covering(review, namespace):
            for params in bound.params:
                try:
                    body = _mutated(bound, replace(review, body=body), params, namespace, schema)
                except Misconfigured as error:
                    if not bound.lenient:
                        raise _refusal(bound, review, str(error)) from error
        return body


def _mutated(bound: Bound, review: Review, params: Body | None, namespace: Body | None, schema: merge.Schema) -> Body:
    spec, body = bound.policy["spec"], review.body
    assert body is not None, "what is deleted is not changed"
    if not conditions_hold(spec.get("matchConditions") or (), scope_of(review, params, namespace)):
        return body
    for one in spec.get("mutations") or ():
        scope = with_variables(spec, scope_of(replace(review, body=body), params, namespace))
        body = _patched(one, body, scope, schema)
    return body


def _patched(mutation: Mapping[str, Any], body: Body, scope: Mapping[str, Any], schema: merge.Schema) -> Body:
    if mutation.get("patchType") == "JSONPatch":
        operations = value_of(mutation["jsonPatch"]["expression"], scope)
        try:
            patched: Body = json_patch(body, operations)
        except StatusError as error:
            raise Misconfigured(f"JSON Patch: {error.message}") from error
        return patched
    applied = value_of(mutation["applyConfiguration"]["expression"], scope)
    if not isinstance(applied, Mapping):
        raise Misconfigured("unsupported return type from ApplyConfiguration expression")
    try:
        return merge.overlaid(schema, body, applied)
    except merge.ConfigRefused as error:
        raise Misconfigured(f"error applying patch: {error}") from error


def _refusal(bound: Bound, review: Review, message: str) -> StatusError:
    told = f"policy '{bound.name}' with binding '{bound.binding_name}' denied request: {message}"
    error = forbidden(review.resource.group, review.resource.plural, review.name, told)
    error.reason, error.code = "Invalid", 422
    error.causes = (Cause(reason="", message=told),)
    return error
