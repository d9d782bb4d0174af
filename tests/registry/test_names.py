"""What references name, and which of their tags are followed."""

from __future__ import annotations

import pytest

from bot.model.image import Follow, ImageName, reference, repeats_group

SHOP = ImageName("quay.io", "acme/shop")


@pytest.mark.parametrize(
    ("text", "name", "tag"),
    [
        ("nginx", "docker.io/library/nginx", ""),
        ("nginx:1.27", "docker.io/library/nginx", "1.27"),
        ("acme/shop:1.4.1", "docker.io/acme/shop", "1.4.1"),
        ("index.docker.io/library/nginx:1", "docker.io/library/nginx", "1"),
        ("registry-1.docker.io/nginx", "docker.io/library/nginx", ""),
        ("quay.io/acme/shop:1.4.1", "quay.io/acme/shop", "1.4.1"),
        ("Quay.IO/acme/shop", "quay.io/acme/shop", ""),
        ("localhost:5000/shop:dev", "localhost:5000/shop", "dev"),
        ("registry:5000/a/b/c__d:x", "registry:5000/a/b/c__d", "x"),
        ("ghcr.io/acme/shop:${TAG}", "ghcr.io/acme/shop", "${TAG}"),
    ],
)
def test_reference_names_one_image(text: str, name: str, tag: str) -> None:
    found = reference(text)
    assert found is not None
    assert (str(found.name), found.tag) == (name, tag)


def test_digest_is_apart_from_the_tag() -> None:
    digest = f"sha256:{'a' * 64}"
    found = reference(f"quay.io/acme/shop:1.4.1@{digest}")
    assert found is not None
    assert (found.written, found.tag, found.digest) == ("quay.io/acme/shop", "1.4.1", digest)


@pytest.mark.parametrize("text", ["", "Acme/Shop", "a b", "{{ .Values.image }}", "https://quay.io/acme/shop", "-x"])
def test_what_is_no_image_is_none(text: str) -> None:
    assert reference(text) is None


@pytest.mark.parametrize(
    ("range", "tags", "newest"),
    [
        ("1.x", ["1.9.0", "1.10.0", "2.0.0", "latest"], "1.10.0"),  # as versions, not as text
        ("1.x", ["1.4.1", "1.4.2-rc.1", "1.4.2-alpine"], "1.4.1"),
        (">=1.4.2-0 <2", ["1.4.1", "1.4.2-rc.1", "1.4.2-rc.2"], "1.4.2-rc.2"),
        ("1.x", ["v1.4.1", "1.3.0"], "v1.4.1"),
        ("^1.4", ["1.4", "1", "sha-1234567"], ""),
    ],
)
def test_newest_version_of_a_range_is_followed(range: str, tags: list[str], newest: str) -> None:
    assert Follow(image=SHOP, range=range).newest(tags) == newest


def test_newest_number_that_a_tag_captures_is_followed() -> None:
    follow = Follow(image=SHOP, tags="main-[0-9a-f]+-([0-9]+)")
    assert follow.newest(["main-ab-9", "main-cd-10", "dev-ef-11", "main-ab-x", "latest"]) == "main-cd-10"
    assert follow.newest(["latest"]) == ""
    assert (follow.rank("main-ab-9"), follow.rank("main-00-10")) == (9, 10)


def test_version_may_stand_inside_of_a_tag() -> None:
    follow = Follow(image=SHOP, range="1.x", tags="(.*)-alpine")
    assert follow.newest(["1.4.1-alpine", "1.10.0-alpine", "1.11.0", "2.0.0-alpine"]) == "1.10.0-alpine"
    assert follow.rank("1.11.0") is None


@pytest.mark.parametrize("tag", ["1.4.1-alpine", "hotfix", "1.4", "", "${TAG}"])
def test_tag_of_another_kind_is_not_compared(tag: str) -> None:
    """An `-alpine` is a pre-release to semver, and was replaced by an image of another kind."""
    assert Follow(image=SHOP, range="1.x").rank(tag) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "(?:[a-z]+-?)+([0-9]+)",
        "([0-9]+)*",
        "(?:a|aa){4}([0-9])",
        "(?:[a-z]+){2,}([0-9])",
        r"(?:\(a+)+([0-9])",
        "(?:[])]a)+([0-9])",
    ],
)
def test_pattern_that_repeats_a_group_is_known(pattern: str) -> None:
    """The whole bot stood still at a tag such as `feature-of-a-long-name-of-a-branch`."""
    assert repeats_group(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"v([0-9]+(?:\.[0-9]+){2})(?:-alpine)?", "(.*)-alpine", "main-[0-9a-f]+-([0-9]+)", r"[)]+\)+([0-9]{14})", ""],
)
def test_pattern_that_repeats_characters_is_quick(pattern: str) -> None:
    assert not repeats_group(pattern)
