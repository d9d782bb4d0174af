"""What policies have in common: their bindings, parameters, conditions and variables.

Source: k8s.io/apiserver/pkg/admission/plugin/policy/generic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.kube.dynamic import cel
from bot.sandbox.kube.dynamic.matching import GROUP, matches
from bot.sandbox.kube.dynamic.review import Review
from bot.sandbox.kube.kinds import KindTable
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.selectors import selector_of
from bot.sandbox.kube.store import Store


class Misconfigured(Exception):
    """A policy or a binding that cannot be asked; its failurePolicy says what that means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One policy and one binding that cover a request; `params` are None without a parameter."""

    policy: Body
    binding: Body
    params: Sequence[Body | None]

    @property
    def name(self) -> str:
        return str(self.policy["metadata"]["name"])

    @property
    def binding_name(self) -> str:
        return str(self.binding["metadata"]["name"])

    @property
    def lenient(self) -> bool:
        """Whether an error lets the request pass."""
        return bool(self.policy["spec"].get("failurePolicy") == "Ignore")


class Bindings:
    """Finds the policies of one kind that cover a request. Thread-safe."""

    def __init__(self, store: Store, kinds: Callable[[], KindTable], policies: str, bindings: str) -> None:
        self._store, self._kinds = store, kinds
        self._policies, self._bindings = f"{policies}.{GROUP}", f"{bindings}.{GROUP}"

    def covering(self, review: Review, namespace: Body | None) -> Iterator[Bound]:
        """Yield policies with their bindings, by name. Raises `Misconfigured` where a parameter is missing."""
        policies = self._store.list(self._policies).objects
        bindings = self._store.list(self._bindings).objects if policies else ()
        for policy in policies:
            if not _covered(review, policy["spec"].get("matchConstraints") or {}, namespace):
                continue
            for binding in bindings:
                spec = binding["spec"]
                if spec.get("policyName") == policy["metadata"]["name"] and _covered(
                    review, spec.get("matchResources"), namespace
                ):
                    yield Bound(policy=policy, binding=binding, params=self._params(policy, spec, review))

    def _params(self, policy: Body, binding: Mapping[str, Any], review: Review) -> Sequence[Body | None]:
        kind, wanted = policy["spec"].get("paramKind"), binding.get("paramRef")
        if kind is None or wanted is None:
            return [None]
        resource = self._kinds().of_kind(kind["apiVersion"], kind["kind"])
        if resource is None:
            raise Misconfigured(f"paramKind kind `{kind['apiVersion']}, Kind={kind['kind']}` not known")
        place = (wanted.get("namespace") or review.namespace) if resource.namespaced else ""
        if name := wanted.get("name"):
            one = self._store.get(resource.key, place, name)
            found = [one] if one is not None else []
        else:
            selector = selector_of(wanted.get("selector"))
            listed = self._store.list(resource.key, place).objects
            found = [one for one in listed if selector.matches(one["metadata"].get("labels") or {})]
        if not found and wanted.get("parameterNotFoundAction") == "Deny":
            raise Misconfigured("no params found for policy binding with `Deny` parameterNotFoundAction")
        return found


def _covered(review: Review, resources: Mapping[str, Any] | None, namespace: Body | None) -> bool:
    """Whether MatchResources cover a request; without rules, all resources are meant."""
    resources = resources or {}
    every = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}]
    rules = resources.get("resourceRules") or every
    return matches(review, rules, resources, namespace, excluded=resources.get("excludeResourceRules") or ())


def scope_of(review: Review, params: Body | None, namespace: Body | None) -> dict[str, Any]:
    """Return what expressions of a policy see."""
    return {
        "object": review.body,
        "oldObject": review.old,
        "request": review.request(),
        "params": params,
        "namespaceObject": None if review.resource.key == "namespaces" else namespace,
    }


def with_variables(spec: Mapping[str, Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scope with a policy's variables; one without a value is missing, and fails whoever asks for it."""
    variables: dict[str, Any] = {}
    for one in spec.get("variables") or ():
        try:
            variables[one["name"]] = cel.evaluate(one["expression"], {**scope, "variables": variables})
        except cel.Failed:
            continue
    return {**scope, "variables": variables}


def conditions_hold(conditions: Sequence[Mapping[str, Any]], scope: Mapping[str, Any]) -> bool:
    """Whether all matchConditions are true. Raises `Misconfigured` when one that could decide has no value."""
    troubles = []
    for one in conditions:
        try:
            if value_of(one["expression"], scope) is not True:
                return False
        except Misconfigured as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]
    return True


def value_of(expression: str, scope: Mapping[str, Any]) -> Any:
    """Return the value of an expression. Raises `Misconfigured` in the words of the real server."""
    try:
        return cel.evaluate(expression, scope)
    except cel.Uncompiled as error:
        raise Misconfigured(f"compilation error: {error}") from error
    except cel.Failed as error:
        raise Misconfigured(f"expression '{expression}' resulted in error: {error}") from error
