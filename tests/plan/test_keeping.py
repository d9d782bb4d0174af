"""Where a hand edit belongs in the file: found with certainty, or left to people."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.fields import ABSENT, Parts
from bot.model.resource import Origin, ResourceId
from bot.plan.keeping import Field, Kept, Left, kept, located

ID = ResourceId("apps", "Deployment", "shop", "api")
ORIGIN = Origin("apps/shop/api.yaml", 1)
WANT: dict[str, Any] = {
    "metadata": {"name": "api", "labels": {"acme.io/tier": "web"}},
    "data": {"app.yaml": "a", "app": {"yaml": "b"}},
    "spec": {
        "containers": [
            {"name": "main", "image": "a:1", "ports": [{"containerPort": 80}]},
            {"name": "side", "image": "b"},
        ],
        "args": ["one", "two"],
    },
}
HAVE: dict[str, Any] = {
    "metadata": {"name": "api", "labels": {"acme.io/tier": "db"}, "annotations": {"acme/owner": "ana"}},
    "data": {"app.yaml": "z", "app": {"yaml": "y"}},
    "spec": {
        "containers": [
            {"name": "new", "image": "n"},
            {"name": "main", "image": "a:2", "ports": [{"containerPort": 80, "protocol": "TCP", "hostPort": 8}]},
            {"name": "other", "image": "o"},
        ],
        "args": ["one"],
    },
}


def field(path: str) -> Field:
    return Field(id=ID, origin=ORIGIN, path=path, text=path)


@pytest.mark.parametrize(
    ("path", "parts", "value"),
    [
        ("metadata.labels[acme.io/tier]", ("metadata", "labels", "acme.io/tier"), "db"),
        ("metadata.annotations[acme/owner]", ("metadata", "annotations", "acme/owner"), "ana"),
        ("data.app.yaml", ("data", "app.yaml"), "z"),
        ("spec.containers[name=main].image", ("spec", "containers", 0, "image"), "a:2"),
        (
            "spec.containers[name=main].ports[containerPort=80,protocol=TCP].hostPort",
            ("spec", "containers", 0, "ports", 0, "hostPort"),
            8,
        ),
        ("spec.containers[name=side]", ("spec", "containers", 1), ABSENT),
        ("spec.containers[name=new]", ("spec", "containers", 2), {"name": "new", "image": "n"}),
        ("spec.args[1]", ("spec", "args"), ["one"]),
    ],
)
def test_field_is_found_in_the_file_with_its_live_value(path: str, parts: Parts, value: Any) -> None:
    found = located(path, WANT, HAVE)
    assert found is not None
    assert found[:2] == (parts, value)


@pytest.mark.parametrize("path", ["spec.containers (order)", "nowhere", "spec.containers[name=none].image", ""])
def test_field_without_a_certain_place_is_none(path: str) -> None:
    assert located(path, WANT, HAVE) is None


def test_edits_come_in_an_order_in_which_numbers_stay_what_they_are() -> None:
    paths = ("spec.containers[name=side]", "spec.containers[name=new]", "spec.containers[name=other]", "spec.args[1]")
    made = [one for one in kept([field(one) for one in paths], {ID: WANT}, {ID: HAVE}) if isinstance(one, Kept)]
    assert [one.parts for one in made] == [
        ("spec", "containers", 2),
        ("spec", "containers", 3),
        ("spec", "args"),
        ("spec", "containers", 1),
    ]


def test_value_that_is_filled_in_elsewhere_is_left_to_people() -> None:
    written = {ID: {"spec": {"image": "api:${TAG}"}}}
    (left,) = kept([field("spec.image")], written, {ID: {"spec": {"image": "api:9"}}})
    assert isinstance(left, Left)
    assert "is api:${TAG} in apps/shop/api.yaml:1, which is filled in elsewhere" in left.why
