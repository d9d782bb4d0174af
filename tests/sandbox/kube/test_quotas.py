"""Sums of quantities, and the room that quotas and limits leave."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.kube import limits, quantity, quotas

QUANTITIES = st.builds(
    lambda number, suffix: quantity.canonical(f"{number}{suffix}"),
    st.integers(0, 5000),
    st.sampled_from(["", "m", "k", "Ki", "Mi", "Gi"]),
)


@given(QUANTITIES, QUANTITIES)
def test_sum_is_exact_and_keeps_its_form(first: str, second: str) -> None:
    total = quantity.total(first, second)
    assert quantity.parse(total) == quantity.parse(first) + quantity.parse(second)
    if first.endswith("i") and quantity.parse(total).denominator == 1:
        assert total.isdigit() or total.endswith("i")  # bytes that fill no Ki have no suffix, 129000 is not 129k


@given(QUANTITIES, QUANTITIES)
def test_difference_undoes_a_sum_and_is_never_negative(first: str, second: str) -> None:
    assert quantity.parse(quantity.difference(quantity.total(first, second), second)) == quantity.parse(first)
    assert quantity.parse(quantity.difference("0", second)) == Fraction(0)


def pod(name: str, *, phase: str = "Running", **resources: Any) -> dict[str, Any]:
    container = {"name": "main", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}, "status": {"phase": phase}}


def quota(**hard: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "q"},
        "spec": {"hard": {name.replace("_", "."): value for name, value in hard.items()}},
    }


def test_pod_that_has_ended_uses_nothing_but_its_count() -> None:
    pods = [pod("a", requests={"cpu": "100m"}), pod("b", phase="Succeeded", requests={"cpu": "1"})]
    limit = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "5", "count/pods": "5", "requests.cpu": "1"}}}
    assert quotas.used(limit, lambda _: pods) == {"pods": "1", "count/pods": "2", "requests.cpu": "100m"}


def test_largest_first_step_counts_when_it_needs_more_than_all_that_follows() -> None:
    spec = {
        "initContainers": [
            {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
            {"name": "first", "resources": {"requests": {"cpu": "2"}}},
        ],
        "containers": [{"name": "main", "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}],
    }
    assert quotas.pod_total(spec)["requests"] == {"cpu": "2100m", "memory": "1Gi"}


def test_larger_claim_is_charged_for_what_it_grows() -> None:
    def claim(size: str) -> dict[str, Any]:
        return {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": size}}}}

    limit = quota(requests_storage="3Gi")
    there, kind = [claim("2Gi")], "persistentvolumeclaims"
    assert quotas.refusal(limit, lambda _: there, kind, claim("4Gi"), claim("2Gi")) == (
        "exceeded quota: q, requested: requests.storage=2Gi, used: requests.storage=2Gi, limited: requests.storage=3Gi"
    )
    assert quotas.refusal(limit, lambda _: there, kind, claim("3Gi"), claim("2Gi")) is None


@pytest.mark.parametrize(
    ("scope", "counts"),
    [("BestEffort", False), ("NotBestEffort", True), ("Terminating", False), ("NotTerminating", True)],
)
def test_quota_counts_the_pods_of_its_scope(scope: str, counts: bool) -> None:
    limit = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}, "scopes": [scope]}}
    refused = quotas.refusal(limit, lambda _: (), "pods", pod("a", requests={"cpu": "1"}), None)
    assert (refused is not None) is counts


def test_ratio_of_limit_to_request_is_bounded() -> None:
    body = {"spec": {"limits": [{"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}}]}}
    found = limits.refusals("pods", pod("a", requests={"cpu": "1"}, limits={"cpu": "3"}), body)
    assert list(found) == ["cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"]
