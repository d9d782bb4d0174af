"""Which requests a webhook or a policy is asked about. Pure.

Source: k8s.io/apiserver/pkg/admission/plugin/webhook/predicates. `matchPolicy: Equivalent` finds no other version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bot.sandbox.kube.dynamic.review import Operation, Review
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.selectors import selector_of

GROUP: Final = "admissionregistration.k8s.io"  # never asked about itself, so that a bad one can be taken away


def matches(
    review: Review,
    rules: Sequence[Mapping[str, Any]],
    selectors: Mapping[str, Any],
    namespace: Body | None,
    *,
    excluded: Sequence[Mapping[str, Any]] = (),
) -> bool:
    """Whether rules and selectors cover a request; `namespace` is the one it is in, None for a cluster's object."""
    if review.resource.group == GROUP:
        return False
    return (
        _in_namespace(review, selectors.get("namespaceSelector"), namespace)
        and _selected(review, selectors.get("objectSelector"))
        and not any(_ruled(review, one) for one in excluded)
        and any(_ruled(review, one) for one in rules)
    )


def _ruled(review: Review, rule: Mapping[str, Any]) -> bool:
    resource = review.resource
    names = rule.get("resourceNames")
    return (
        _in_scope(review, rule.get("scope") or "*")
        and _covers(rule.get("operations"), review.operation.value)
        and _covers(rule.get("apiGroups"), resource.group)
        and _covers(rule.get("apiVersions"), resource.version)
        and any(_names(one, review) for one in rule.get("resources") or ())
        and (not names or review.name in names)
    )


def _covers(items: Sequence[str] | None, wanted: str) -> bool:
    return any(one in {"*", wanted} for one in items or ())


def _names(text: str, review: Review) -> bool:
    plural, _, below = text.partition("/")
    return plural in {"*", review.resource.plural} and below in {review.subresource, "*"}


def _in_scope(review: Review, scope: str) -> bool:
    return scope == "*" or (scope == "Namespaced") is review.resource.namespaced


def _in_namespace(review: Review, selector: Mapping[str, Any] | None, namespace: Body | None) -> bool:
    if not selector:
        return True
    if review.resource.key == "namespaces":
        labelled = review.old if review.operation is Operation.DELETE else review.body
    elif review.resource.namespaced:
        labelled = namespace
    else:
        return True
    return labelled is not None and selector_of(selector).matches(_labels(labelled))


def _selected(review: Review, selector: Mapping[str, Any] | None) -> bool:
    if not selector:
        return True
    wanted = selector_of(selector)
    return any(one is not None and wanted.matches(_labels(one)) for one in (review.body, review.old))


def _labels(body: Body) -> Mapping[str, str]:
    labels: Mapping[str, str] = body["metadata"].get("labels") or {}
    return labels
