"""What makes two error texts one trouble, and what keeps two troubles apart."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import (
    ChartUnreachable,
    ClusterRefused,
    ClusterThrottled,
    ClusterUnreachable,
    PassError,
    PathNotFound,
    RepositoryRefused,
    RepositoryUnreachable,
)
from bot.reconcile.notify.fingerprint import fingerprint, kinship, neighbour, steady

_NUMBERS = st.integers(min_value=0, max_value=10**12).map(str)
_TIMES = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1))
VOLATILE = {
    "request id": st.uuids().map(lambda one: f"requestId: {one}"),
    "uid": st.uuids().map(str),
    "time": _TIMES.map(lambda one: f"{one:%Y-%m-%dT%H:%M:%S}Z"),
    "time with a fraction": _TIMES.map(lambda one: f"{one:%Y-%m-%d %H:%M:%S}.123456 +0000"),
    "clock": _TIMES.map(lambda one: f"at {one:%H:%M:%S} UTC"),
    "address": st.ip_addresses(v=4).map(str),
    "address and port": st.tuples(st.ip_addresses(v=4), st.integers(1, 65535)).map(lambda one: f"{one[0]}:{one[1]}"),
    "IPv6 and port": st.tuples(st.ip_addresses(v=6), st.integers(1, 65535)).map(lambda one: f"[{one[0]}]:{one[1]}"),
    "resource version": _NUMBERS.map(lambda one: f"resourceVersion {one}"),
    "count": _NUMBERS,
    "duration": st.integers(1, 59).map(lambda one: f"{one}m{one}s"),
    "seconds": st.integers(1, 10**6).map(lambda one: f"{one / 10} s"),
    "hash": st.binary(min_size=20, max_size=20).map(lambda one: f"a{one.hex()}"),
    "pointer": st.integers(min_value=0, max_value=2**48).map(hex),
    "temporary file": st.uuids().map(lambda one: f"/tmp/gitops-bot-{one.hex[:8]}/values.yaml"),
    "image": st.integers(1, 99).map(lambda one: f"registry.example.com/shop/api:1.{one}"),
}
_PHRASES = ("the API server cannot be reached", "admission webhook denied the request", "quota exceeded", "no such key")


@pytest.mark.parametrize("part", VOLATILE)
@given(data=st.data())
def test_volatile_part_does_not_make_another_trouble(part: str, data: st.DataObject) -> None:
    phrase = data.draw(st.sampled_from(_PHRASES))
    first, second = (f"{phrase} ({data.draw(VOLATILE[part])}): tried again" for _ in range(2))
    assert fingerprint(first) == fingerprint(second), (steady(first), steady(second))


@given(st.lists(st.sampled_from(sorted(VOLATILE)), min_size=1, max_size=4), st.data())
def test_several_volatile_parts_do_not_either(parts: list[str], data: st.DataObject) -> None:
    first, second = (" and ".join(data.draw(VOLATILE[part]) for part in parts) for _ in range(2))
    assert fingerprint(f"it failed: {first}") == fingerprint(f"it failed: {second}")


@given(st.sampled_from(_PHRASES), st.sampled_from(_PHRASES))
def test_two_troubles_stay_two(one: str, other: str) -> None:
    assert (fingerprint(one) == fingerprint(other)) is (one == other)


@given(st.from_regex(r"[a-z]{3,8}-[a-z]{3,8}", fullmatch=True), st.from_regex(r"[a-z]{3,8}-[a-z]{3,8}", fullmatch=True))
def test_two_apps_with_errors_that_read_alike_are_kin(one: str, other: str) -> None:
    def key(app: str) -> str:
        return kinship([f'apps/{app}/a.yaml:7: {app}: unknown field "spec.nonsense"'], own=[app, f"apps/{app}"])

    assert key(one) == key(other)
    assert key(one) != kinship([f"apps/{other}/a.yaml:7: {other}: duplicate key"], own=[other, f"apps/{other}"])


@pytest.mark.parametrize(
    ("errors", "blamed"),
    [
        (
            [
                ClusterUnreachable("cluster prod: the API server cannot be reached: refused", cluster="prod"),
                ClusterUnreachable("cluster prod: GET /api: the API server answers 503", cluster="prod"),
                ClusterThrottled("cluster prod: 429", cluster="prod", retry_after_seconds=1),
            ],
            "cluster prod",
        ),
        ([ClusterUnreachable("cluster eu: the API server cannot be reached: refused", cluster="eu")], "cluster eu"),
        (
            [
                RepositoryUnreachable("repository a (https://git.example.com/a): no answer within 20 s", repo="a"),
                RepositoryUnreachable("repository b (ssh://git@git.example.com/b): timed out", repo="b"),
            ],
            "git host git.example.com",
        ),
        (
            [
                RepositoryRefused("repository a (https://git.example.com/a): the token is refused", repo="a"),
                RepositoryRefused("repository b (https://git.example.com/b): the token is refused", repo="b"),
            ],
            "git host git.example.com refuses",
        ),
        (
            [
                RepositoryUnreachable("repository a (https://git.example.com/a): Could not resolve host", repo="a"),
                ClusterUnreachable("cluster prod: Name or service not known", cluster="prod"),
            ],
            "name resolution",
        ),
        ([ChartUnreachable("chart shop of oci://ghcr.io/acme: timeout")], "registry ghcr.io"),
        ([PathNotFound("repository a: no folder apps/shop at 1234567", repo="a")], ""),
    ],
    ids=["one cluster", "another cluster", "git host", "token", "dns", "registry", "the app's own"],
)
def test_outage_is_named_by_the_neighbour_alone(errors: list[PassError], blamed: str) -> None:
    assert {neighbour(error) for error in errors} == {blamed}


def test_credentials_of_a_cluster_that_ran_out_are_one_trouble() -> None:
    texts = [f"cluster prod: GET /apis?at={datetime.now(UTC)} {uuid.uuid4()}: 401" for _ in range(2)]
    first, second = (neighbour(ClusterRefused(text, cluster="prod")) for text in texts)
    assert first == second


def test_misspelt_fields_are_one_trouble_whichever_the_server_meets_first() -> None:
    """It stops at the first one, in Go's order of maps: each try named others, and each was said as if it were news."""
    said = "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): "
    one = f"{said}.spec.replcas: field not declared in schema"
    both = f"{said}errors:\n  .spec.replcas: field not declared in schema\n  .spec.x: field not declared in schema"
    assert fingerprint("shop cannot be applied", one) == fingerprint("shop cannot be applied", both)
    assert fingerprint(one) != fingerprint(one.replace("shop/web", "shop/api"))
