"""The distribution protocol as we speak it: one contract for the real registry and for the one that the tests use."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from bot.errors import ImageNotFound, RegistryRefused, RegistryUnreachable
from bot.model.image import DOCKER_HUB, ImageName
from bot.registry.wire import Account, Registries
from tests.https import PASSWORD, USER
from tests.registry.real_registry import RealRegistry
from tests.registry.wire_registry import TOKEN, WireRegistry

SHOP: Final = "acme/shop"
TAGS: Final = ("1.4.1", "1.4.2", "1.10.0", "latest", "main-1")


Server = WireRegistry | RealRegistry


@pytest.fixture(params=["none", "basic", "token", pytest.param("real", marks=pytest.mark.tools)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    made: Server
    if request.param == "real":
        made = RealRegistry(tmp_path)
        made.start()
    else:
        made = WireRegistry(guard=request.param)
    made.push(SHOP, *TAGS)
    yield made
    made.close()


@pytest.fixture
def wire() -> Iterator[Callable[..., WireRegistry]]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(WireRegistry(**options))


def known(server: Server, *, password: str = PASSWORD) -> Registries:
    return Registries([Account(name="test", host=server.host, username=USER, password=password)])


def image(server: Server, path: str = SHOP) -> ImageName:
    return ImageName(server.host, path)


# --- the contract -----------------------------------------------------------------------------------------------------


def test_registry_lists_tags_and_says_their_digest(server: Server) -> None:
    registry = known(server)
    assert set(registry.tags(image(server))) == set(TAGS)
    assert registry.digest(image(server), "1.4.2") == server.digest(SHOP, "1.4.2")


def test_image_and_tag_that_are_not_there_are_named(server: Server) -> None:
    registry = known(server)
    with pytest.raises(ImageNotFound, match=r"has no image localhost:\d+/acme/cart: check its name"):
        registry.tags(image(server, "acme/cart"))
    with pytest.raises(ImageNotFound, match=r"has no image localhost:\d+/acme/shop:9\.9"):
        registry.digest(image(server), "9.9")


def test_wrong_password_is_refused_without_showing_it(server: Server) -> None:
    if isinstance(server, WireRegistry) and server.guard == "none":
        return
    with pytest.raises(RegistryRefused, match="does not accept our user and password") as refused:
        known(server, password="wr0ng").tags(image(server))
    assert "wr0ng" not in str(refused.value)
    with pytest.raises(RegistryRefused, match=r"wants a user and password.*: name them in registries"):
        Registries([]).tags(image(server))


# --- what the real one does not do on demand --------------------------------------------------------------------------


def test_pages_are_followed_to_the_end(wire: Callable[..., WireRegistry]) -> None:
    server = wire(page=2, guard="token")
    server.push(SHOP, *TAGS)
    assert set(known(server).tags(image(server))) == set(TAGS)
    assert server.asked("/tags/list") == 4  # three pages, and the first time without a token
    assert server.asked("/token") == 1


def test_pages_without_end_and_to_elsewhere_are_given_up(wire: Callable[..., WireRegistry]) -> None:
    server = wire()
    for place in ("/v2/acme/shop/tags/list?n=1000", "https://elsewhere.example/v2/acme/shop/tags/list"):
        server.faults.append((200, {"Link": f'<{place}>; rel="next"'}, '{"tags": ["1.0.0"]}'))
        with pytest.raises(RegistryUnreachable, match="has no end"):
            known(server).tags(image(server))


def test_what_is_no_tag_is_left_out(wire: Callable[..., WireRegistry]) -> None:
    """A tag gets into commits, names of branches and messages: a registry must not write what it wants there."""
    server = wire()
    server.faults.append(
        (200, {}, '{"tags": ["1.0.0", "1.0.1\\n\\nSigned-off-by: eve", "<!here>", "", 7, null, "-x"]}')
    )
    assert known(server).tags(image(server)) == ("1.0.0",)
    server.faults.append((200, {}, '{"tags": null}'))
    assert known(server).tags(image(server)) == ()


def test_token_is_used_until_it_ends(wire: Callable[..., WireRegistry]) -> None:
    server = wire(guard="token")
    server.push(SHOP, "1.0.0")
    registry = known(server)
    for _ in range(3):
        registry.tags(image(server))
    assert server.asked("/token") == 1
    server.lasts = 1
    brief = known(server)
    for _ in range(3):
        brief.tags(image(server))
    assert server.asked("/token") == 4


def test_registry_that_is_busy_is_left_alone_for_as_long_as_it_wants(wire: Callable[..., WireRegistry]) -> None:
    server = wire()
    server.push(SHOP, "1.0.0")
    registry = known(server)
    server.faults.append((429, {"Retry-After": "60"}, ""))
    with pytest.raises(RegistryUnreachable, match="answers 429") as busy:
        registry.tags(image(server))
    assert busy.value.retry_after_seconds == 60
    with pytest.raises(RegistryUnreachable, match="wants to be left alone for"):
        registry.tags(image(server))
    assert server.asked("/tags/list") == 1


@pytest.mark.parametrize(
    "fault", [(500, {}, ""), (200, {}, "<html>log in</html>"), (200, {}, "x" * 5_000_001), (400, {}, "")]
)
def test_answers_that_are_none_are_outages(
    wire: Callable[..., WireRegistry], fault: tuple[int, dict[str, str], str]
) -> None:
    server = wire()
    server.faults.append(fault)
    with pytest.raises(RegistryUnreachable):
        known(server).tags(image(server))


@pytest.mark.parametrize(
    "fault",
    [
        (200, {}, '{"tags": 5}'),
        (200, {}, '{"tags": "1.0.0"}'),
        (200, {"Link": '<http://[>; rel="next"'}, '{"tags": ["1.0.0"]}'),
        (307, {"Location": "http://[/"}, ""),
        (401, {"WWW-Authenticate": 'Bearer realm="https://[/token"'}, ""),
    ],
)
def test_answers_of_no_form_are_outages(
    wire: Callable[..., WireRegistry], fault: tuple[int, dict[str, str], str]
) -> None:
    """They were unexpected errors: no other image of that registry was looked at, and nobody was told."""
    server = wire()
    server.faults.append(fault)
    with pytest.raises(RegistryUnreachable):
        known(server).tags(image(server))


def test_token_that_is_no_header_is_not_shown(wire: Callable[..., WireRegistry]) -> None:
    """It was the text of the error by which a header of two lines is refused, and so in the log."""
    server = wire(guard="token")
    server.push(SHOP, "1.0.0")
    server.token = "s3cret\ncanary"
    with pytest.raises(RegistryUnreachable, match="without a token") as refused:
        known(server).tags(image(server))
    shown = "".join(traceback.format_exception(refused.value))
    assert "s3cret" not in shown
    assert "canary" not in shown


def test_password_may_have_any_letter(wire: Callable[..., WireRegistry]) -> None:
    """One beyond Latin-1 was an unexpected error."""
    server = wire(guard="basic")
    server.push(SHOP, "1.0.0")
    with pytest.raises(RegistryRefused):
        known(server, password="pass€wort").tags(image(server))
    login = server.got[-1].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(login).decode() == f"{USER}:pass€wort"


def test_nobody_there_is_an_outage_without_secrets(wire: Callable[..., WireRegistry]) -> None:
    server = wire()
    registry, name = known(server), image(server)
    server.close()
    with pytest.raises(RegistryUnreachable, match="cannot be reached") as away:
        registry.tags(name)
    assert PASSWORD not in str(away.value)


def test_token_service_without_tls_gets_no_password(wire: Callable[..., WireRegistry]) -> None:
    server = wire()
    server.faults.append((401, {"WWW-Authenticate": 'Bearer realm="http://elsewhere.example/token"'}, ""))
    with pytest.raises(RegistryRefused, match="token service without TLS"):
        known(server).tags(image(server))


def test_check_asks_for_each_image_and_says_what_is_wrong(wire: Callable[..., WireRegistry]) -> None:
    server = wire(guard="token")
    server.push(SHOP, "1.0.0")
    assert known(server).check(server.host, [image(server)]) == ()
    (wrong,) = known(server).check(server.host, [image(server), image(server, "acme/cart")])
    assert "has no image" in wrong.message
    (refused,) = known(server, password="wr0ng").check(server.host, [image(server)])
    assert "does not accept" in refused.message
    assert TOKEN not in f"{wrong}{refused}"


def test_authority_that_is_no_file_is_said() -> None:
    registry = Registries([Account(name="test", host="localhost:1", ca_file="/nowhere/ca.pem")])
    with pytest.raises(RegistryUnreachable, match="cannot be reached"):
        registry.tags(ImageName("localhost:1", SHOP))


def test_digest_that_a_registry_does_not_say_is_that_of_the_manifest(wire: Callable[..., WireRegistry]) -> None:
    server = wire(says_digests=False)
    server.push(SHOP, "1.0.0")
    assert known(server).digest(image(server), "1.0.0") == server.digest(SHOP, "1.0.0")


def test_password_is_no_part_of_what_is_shown() -> None:
    assert PASSWORD not in repr(Account(name="hub", host=DOCKER_HUB, username=USER, password=PASSWORD))
