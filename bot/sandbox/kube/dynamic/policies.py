"""ValidatingAdmissionPolicies: expressions that let a request pass, warn about it, or refuse it.

Source: k8s.io/apiserver/pkg/admission/plugin/policy/validating.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

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
from bot.sandbox.kube.kinds import KindTable
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.store import Store

_CODES: Final = {"Invalid": 422, "Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413}


class ValidatingPolicies:
    """Thread-safe."""

    def __init__(self, store: Store, kinds: Callable[[], KindTable]) -> None:
        self._bindings = Bindings(store, kinds, "validatingadmissionpolicies", "validatingadmissionpolicybindings")

    def validate(self, review: Review, namespace: Body | None) -> Iterator[str]:
        """Yield warnings. Raises `StatusError` for the first refusal."""
        refused: StatusError | None = None
        for bound in self._bindings.covering(review, namespace):
            for message, reason in _refusals(bound, review, namespace):
                actions = bound.binding["spec"].get("validationActions") or ()
                if "Warn" in actions:
                    yield (
                        f"Validation failed for ValidatingAdmissionPolicy '{bound.name}' "
                        f"with binding '{bound.binding_name}': {message}"
                    )
                if "Deny" in actions and refused is None:
                    refused = _refusal(bound, review, message, reason)
        if refused is not None:
            raise refused


def _refusals(bound: Bound, review: Review, namespace: Body | None) -> Iterator[tuple[str, str]]:
    """Yield the message and the reason of each validation that does not hold."""
    spec = bound.policy["spec"]
    for params in bound.params:
        scope = scope_of(review, params, namespace)
        try:
            if not conditions_hold(spec.get("matchConditions") or (), scope):
                continue
            scope = with_variables(spec, scope)
            for one in spec.get("validations") or ():
                try:
                    if value_of(one["expression"], scope) is not True:
                        yield _message(one, scope), one.get("reason") or "Invalid"
                except Misconfigured as error:
                    if not bound.lenient:
                        yield str(error), "Invalid"
        except Misconfigured as error:
            if not bound.lenient:
                yield str(error), "Invalid"


def _message(validation: Mapping[str, Any], scope: Mapping[str, Any]) -> str:
    said: Any = ""
    if expression := validation.get("messageExpression"):
        try:
            said = value_of(expression, scope)
        except Misconfigured:
            said = ""  # the message stands in for it, as in the real server
    said = said.strip() if isinstance(said, str) and "\n" not in said.strip() else ""
    return said or (validation.get("message") or "").strip() or f"failed expression: {validation['expression'].strip()}"


def _refusal(bound: Bound, review: Review, message: str, reason: str) -> StatusError:
    told = f"ValidatingAdmissionPolicy '{bound.name}' with binding '{bound.binding_name}' denied request: {message}"
    error = forbidden(review.resource.group, review.resource.plural, review.name, told)
    error.reason, error.code = reason, _CODES.get(reason, 422)
    error.causes = (Cause(reason="", message=told),)
    return error
