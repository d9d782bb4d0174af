"""Bodies take the form that the real server gives back."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.kube.quantity import canonical
from bot.sandbox.kube.scalars import Reading, WrongType
from bot.sandbox.kube.shapes import shape_of


def read(body: dict[str, Any], *, group: str = "apps", kind: str = "Deployment") -> tuple[Any, list[str]]:
    shape = shape_of(group, "v1", kind)
    assert shape is not None
    reading = Reading()
    return shape.read(body, "", reading, ""), reading.unknown


def pod(**container: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "main", **container}]}}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5", "500m"),
        ("1500m", "1500m"),
        ("1000", "1k"),
        (2, "2"),
        ("0.5Ki", "512"),
        ("1e3", "1e3"),
        ("12e2", "1200"),
        ("0", "0"),
        ("0Mi", "0"),
        ("128974848", "128974848"),
    ],
)
def test_quantities_take_their_canonical_form(given: str | int, kept: str) -> None:
    assert canonical(given) == kept


def test_empty_optional_fields_vanish_and_plain_structs_appear() -> None:
    body, _ = read(pod(env=[{"name": "a", "value": ""}], command=[]), group="", kind="Pod")
    assert body["spec"]["containers"] == [{"name": "main", "env": [{"name": "a"}], "resources": {}}]
    assert body["status"] == {}


def test_pointers_keep_their_zero() -> None:
    body, _ = read({"spec": {"replicas": 0, "minReadySeconds": 0}})
    assert body["spec"]["replicas"] == 0
    assert "minReadySeconds" not in body["spec"]


def test_unknown_fields_are_named_with_their_path() -> None:
    assert read(pod(colour="red", ports=[{"port": 1}]), group="", kind="Pod")[1] == [
        "spec.containers[0].colour",
        "spec.containers[0].ports[0].port",
    ]


def test_value_of_a_wrong_type_is_the_decoders_error() -> None:
    with pytest.raises(WrongType, match="cannot unmarshal string into Go struct field"):
        read({"spec": {"replicas": "three"}})


def test_secret_data_must_be_base64() -> None:
    with pytest.raises(WrongType, match="illegal base64 data"):
        read({"data": {"token": "not base64!"}}, group="", kind="Secret")
