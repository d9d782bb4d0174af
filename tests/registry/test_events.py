"""Push events as Quay, Docker Hub, Harbor, GitHub, Azure and the distribution registry send them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from bot.registry.events import EventRefused, read_event

SECRET = "s3cret"
QUAY = {
    "name": "shop",
    "repository": "acme/shop",
    "namespace": "acme",
    "docker_url": "quay.io/acme/shop",
    "homepage": "https://quay.io/repository/acme/shop",
    "updated_tags": ["1.4.2", "latest"],
}
HUB = {
    "callback_url": "https://registry.hub.docker.com/u/acme/shop/hook/1/",
    "push_data": {"pushed_at": 1417566161, "pusher": "ana", "tag": "1.4.2"},
    "repository": {"name": "shop", "namespace": "acme", "repo_name": "acme/shop", "is_private": True},
}
HARBOR = {
    "type": "PUSH_ARTIFACT",
    "occur_at": 1586922308,
    "operator": "ana",
    "event_data": {
        "resources": [{"digest": "sha256:8a9e", "tag": "1.4.2", "resource_url": "harbor.example/acme/shop:1.4.2"}],
        "repository": {"name": "shop", "namespace": "acme", "repo_full_name": "acme/shop", "repo_type": "private"},
    },
}
GITHUB = {
    "action": "published",
    "package": {
        "name": "shop",
        "namespace": "acme",
        "package_type": "CONTAINER",
        "package_version": {"container_metadata": {"tag": {"name": "1.4.2", "digest": "sha256:8a9e"}}},
    },
}
DISTRIBUTION = {
    "events": [
        {
            "id": "320678d8-ca14-430f-8bb6-4ca139cd83f7",
            "action": "push",
            "target": {"digest": "sha256:8a9e", "repository": "acme/shop", "tag": "1.4.2"},
            "request": {"host": "registry.example", "method": "PUT"},
        }
    ]
}
AZURE = {
    "action": "push",
    "target": {"repository": "acme/shop", "tag": "1.4.2"},
    "request": {"host": "acme.azurecr.io"},
}


@pytest.mark.parametrize(
    ("body", "tags"),
    [
        (QUAY, {"1.4.2", "latest"}),
        (HUB, {"1.4.2"}),
        (HARBOR, {"1.4.2"}),
        (GITHUB, {"1.4.2"}),
        (DISTRIBUTION, {"1.4.2"}),
        (AZURE, {"1.4.2"}),
    ],
)
def test_event_of_each_sender_names_image_and_tags(body: Any, tags: set[str]) -> None:
    event = read_event({}, SECRET, json.dumps(body).encode(), secret=SECRET)
    assert event.pushed == {"acme/shop": frozenset(tags)}


@pytest.mark.parametrize("body", [b"", b"[]", b"ping", b'{"repository": 1, "events": [3], "event_data": []}', b"null"])
def test_event_of_an_unknown_form_names_nothing(body: bytes) -> None:
    assert read_event({}, SECRET, body, secret=SECRET).pushed == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": SECRET},
        {"Authorization": f"Bearer {SECRET}"},
        {"authorization": f"Basic {base64.b64encode(f'bot:{SECRET}'.encode()).decode()}"},
        {"X-Hub-Signature-256": f"sha256={hmac.new(SECRET.encode(), b'{}', hashlib.sha256).hexdigest()}"},
    ],
)
def test_secret_is_taken_the_way_its_sender_can_send_it(headers: dict[str, str]) -> None:
    assert read_event(headers, "", b"{}", secret=SECRET).pushed == {}


@pytest.mark.parametrize(
    ("headers", "given", "secret"),
    [
        ({}, "", SECRET),
        ({}, "wrong", SECRET),
        ({"Authorization": "Bearer wrong"}, "", SECRET),
        ({"Authorization": "Basic %%%"}, "", SECRET),
        ({"X-Hub-Signature-256": "sha256=00"}, SECRET, SECRET),
        ({}, "", ""),
        ({"Authorization": ""}, "", ""),
    ],
)
def test_event_without_our_secret_is_refused(headers: dict[str, str], given: str, secret: str) -> None:
    with pytest.raises(EventRefused) as refused:
        read_event(headers, given, b"{}", secret=secret)
    assert SECRET not in str(refused.value)
