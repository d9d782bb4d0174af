"""A push to a registry becomes a commit, and the commit is synced as any other: the bot, Git, a registry, Slack."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from tests.flow.office import ANA, DEPLOYS, Office
from tests.flow.pull_requests import TOKEN as GIT_TOKEN
from tests.flow.pull_requests import PullRequests
from tests.https import PASSWORD, USER
from tests.registry.real_registry import RealRegistry
from tests.registry.wire_registry import TOKEN, WireRegistry
from tests.waiting import until

Offices = Callable[..., Office]
Registry = WireRegistry | RealRegistry

SECRET: Final = "h00k-canary"
SHOP: Final = "acme/shop"


@pytest.fixture
def registry() -> Iterator[WireRegistry]:
    with WireRegistry(guard="token") as made:
        made.push(SHOP, "1.4.1", "latest")
        yield made


def manifest(registry: Registry, tag: str) -> str:
    """Return an object that names an image, as a person wrote it."""
    return (
        "# why: the shop's people\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}   # one\n"
        f"data:\n  level: info\n\n  image: {registry.host}/{SHOP}:{tag}   # by the bot\n"
    )


def opened(offices: Offices, registry: Registry, *, shop: str = "") -> Office:
    """Open an office whose shop follows an image."""
    image = f'{{image: "{registry.host}/{SHOP}", follow: 1.x}}'
    more = f'registries: [{{name: test, host: "{registry.host}", username: {USER}, password_env: REGISTRY_PASSWORD}}]'
    office = offices(
        shop=f", images: [{image}]{shop}", more=more, REGISTRY_PASSWORD=PASSWORD, REGISTRY_WEBHOOK_SECRET=SECRET
    )
    office.commit("info")
    office.upstream.commit({"shop/a.yaml": manifest(registry, "1.4.1")})
    office.start()
    office.sees(DEPLOYS, "Converged", "shop")
    return office


def told(office: Office, body: Mapping[str, Any], *, secret: str = SECRET, name: str = "test") -> tuple[int, str]:
    """Let the registry tell of a push, as Quay does."""
    url = f"http://127.0.0.1:{office.bot.port}/webhooks/registry/{name}?secret={secret}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def pushed(office: Office, registry: WireRegistry, tag: str) -> None:
    registry.push(SHOP, tag)
    event = {"repository": SHOP, "docker_url": f"{registry.host}/{SHOP}", "updated_tags": [tag]}
    assert told(office, event) == (202, "looks at 1 image\n")


def live(office: Office, registry: Registry) -> str:
    """Return the tag on the cluster."""
    found = office.kube.cluster.get("configmaps", "default", "shop") or {}
    return str(found.get("data", {}).get("image", "")).rpartition(":")[2]


def tip(office: Office) -> str:
    return office.upstream.git("rev-parse", "main")


def test_pushed_image_is_one_commit_that_is_synced(offices: Offices, registry: WireRegistry) -> None:
    office = opened(offices, registry)
    before = tip(office)
    pushed(office, registry, "1.4.2")
    until(lambda: live(office, registry) == "1.4.2")
    commit = tip(office)
    assert office.upstream.git("rev-parse", "main^") == before
    assert office.upstream.git("show", "main:shop/a.yaml") == manifest(registry, "1.4.2").rstrip("\n")
    assert office.upstream.git("diff", "--name-only", before, commit) == "shop/a.yaml"
    message = office.upstream.git("log", "-1", "--format=%an%n%B", "main")
    assert message.splitlines()[:2] == ["gitops-bot", f"shop: {registry.host}/{SHOP} 1.4.1 -> 1.4.2"]
    assert f"shop / prod follows {registry.host}/{SHOP} 1.x: 1.4.2 is its newest tag." in message
    assert "- shop/a.yaml: 1.4.1 -> 1.4.2" in message
    office.sees(DEPLOYS, "Converged", "shop", commit[:7], "1.4.1 -&gt; 1.4.2", "by gitops-bot")
    (line,) = [one for one in office.audit("shop") if one["verb"] == "follow"]
    assert (line["who"], line["via"], line["decision"]) == ("gitops-bot", "webhook", "done")
    # The same event again, another image's tag, and a restart make nothing of it.
    assert told(office, {"repository": SHOP, "updated_tags": ["1.4.2"]})[0] == 202
    assert told(office, {"repository": "acme/cart", "updated_tags": ["2.0.0"]}) == (202, "looks at 0 images\n")
    asked = registry.asked("/tags/list")
    office.bot.stop()
    office.start()
    until(lambda: registry.asked("/tags/list") > asked)
    pushed(office, registry, "1.4.3")
    until(lambda: live(office, registry) == "1.4.3")
    assert office.upstream.git("rev-parse", "main^") == commit
    log = office.bot.log() + json.dumps([dict(call.arguments) for call in office.slack.calls()], default=str)
    assert not [one for one in (SECRET, PASSWORD, TOKEN) if one in log]


def test_bot_that_is_killed_between_push_and_save_makes_no_second_commit(
    offices: Offices, registry: WireRegistry
) -> None:
    office = opened(offices, registry)
    before = tip(office)
    hook = office.upstream.path / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nrm -f {hook}\nkill -9 {office.bot.pid}\n")
    hook.chmod(0o755)
    with suppress(OSError):
        pushed(office, registry, "1.4.2")
    until(lambda: not hook.exists() and tip(office) != before)
    office.bot.kill()
    asked = registry.asked("/tags/list")
    office.start()
    until(lambda: registry.asked("/tags/list") > asked)
    until(lambda: live(office, registry) == "1.4.2")
    pushed(office, registry, "1.4.3")
    until(lambda: live(office, registry) == "1.4.3")
    assert office.upstream.git("rev-parse", "main~2") == before


def test_status_says_what_an_app_follows(offices: Offices, registry: WireRegistry) -> None:
    office = opened(offices, registry)
    follows = f"{registry.host}/{SHOP} 1.x"
    assert office.bot.status("shop")["images"] == [follows]
    assert f"shop: follows {follows}" in office.bot.run("status", "shop")[1]
    assert f"follows {follows}" in office.types(ANA, "status shop", DEPLOYS).text


@pytest.mark.tools
def test_real_registry_tells_of_a_push_and_its_image_is_live(offices: Offices, tmp_path: Path) -> None:
    """Nothing between them is ours: the registry's notification, its answer to our question, Git's commit."""
    registry = RealRegistry(tmp_path)
    office = opened(offices, registry)
    registry.start(tells=f"http://127.0.0.1:{office.bot.port}/webhooks/registry/test", secret=SECRET)
    try:
        registry.push(SHOP, "1.4.2", "main-1")
        until(lambda: live(office, registry) == "1.4.2")
    finally:
        registry.close()


def test_event_that_does_not_know_the_secret_asks_nobody(offices: Offices, registry: WireRegistry) -> None:
    office = opened(offices, registry)
    until(lambda: registry.asked("/tags/list"))
    before = len(registry.got)
    assert told(office, {"repository": SHOP}, secret="wrong")[0] == 401
    assert told(office, {"repository": SHOP}, name="other") == (404, "no such registry in the configuration\n")
    assert len(registry.got) == before


def test_paused_app_is_left_alone_and_catches_up_when_it_is_resumed(offices: Offices, registry: WireRegistry) -> None:
    office = opened(offices, registry)
    office.types(ANA, "pause shop", DEPLOYS)
    before, asked = tip(office), registry.asked("/tags/list")
    pushed(office, registry, "1.4.2")
    until(lambda: registry.asked("/tags/list") > asked)
    assert tip(office) == before
    office.types(ANA, "resume shop", DEPLOYS)
    until(lambda: live(office, registry) == "1.4.2")
    assert office.upstream.git("rev-parse", "main^") == before


def test_tag_that_people_took_back_is_not_written_again(offices: Offices, registry: WireRegistry) -> None:
    """A revert of the commit, or a rollback that reverts, was undone by the next look of Flux's automation."""
    office = opened(offices, registry)
    pushed(office, registry, "1.4.2")
    until(lambda: live(office, registry) == "1.4.2")
    taken_back = office.upstream.commit({"shop/a.yaml": manifest(registry, "1.4.1")}, message="Revert 1.4.2")
    until(lambda: live(office, registry) == "1.4.1")
    assert told(office, {"repository": SHOP, "updated_tags": ["1.4.2"]})[0] == 202
    office.sees(
        DEPLOYS, "Notice", "shop", "1.4.2 was in Git before, and was taken back", "A newer tag is written again"
    )
    assert tip(office) == taken_back
    pushed(office, registry, "1.4.3")
    until(lambda: live(office, registry) == "1.4.3")
    office.sees(DEPLOYS, "Notice", "shop", "is followed again")


def test_rollback_that_reverts_is_not_undone_by_the_next_look(offices: Offices, registry: WireRegistry) -> None:
    office = opened(offices, registry, shop=", rollback: revert")
    good = tip(office)
    pushed(office, registry, "1.4.2")
    until(lambda: live(office, registry) == "1.4.2")
    office.sees(DEPLOYS, "Converged", "shop", tip(office)[:7])
    assert office.bot.run("rollback", "shop", good[:7])[0] == 0
    office.sees(DEPLOYS, "Rolled back", "shop", "The app follows main again")
    reverted = tip(office)
    assert told(office, {"repository": SHOP, "updated_tags": ["1.4.2"]})[0] == 202
    office.sees(DEPLOYS, "Notice", "shop", "1.4.2 was in Git before, and was taken back")
    assert (tip(office), live(office, registry)) == (reverted, "1.4.1")


def test_pull_request_is_opened_once_for_each_tag(offices: Offices, registry: WireRegistry) -> None:
    with PullRequests() as host, ExitStack() as stack:
        image = f'{{image: "{registry.host}/{SHOP}", follow: 1.x, write: pull-request}}'
        account = f'{{name: test, host: "{registry.host}", username: {USER}, password_env: REGISTRY_PASSWORD}}'
        office = offices(
            shop=f", images: [{image}]",
            more=f"registries: [{account}]\nwritebacks: [{host.writeback}]",
            REGISTRY_PASSWORD=PASSWORD,
            REGISTRY_WEBHOOK_SECRET=SECRET,
            GIT_TOKEN=GIT_TOKEN,
        )
        stack.callback(office.bot.kill)
        office.commit("info")
        main = office.upstream.commit({"shop/a.yaml": manifest(registry, "1.4.1")})
        office.start()
        office.sees(DEPLOYS, "Converged", "shop")
        pushed(office, registry, "1.4.2")
        said = office.sees(DEPLOYS, "Change proposed", "shop", "1.4.1 -&gt; 1.4.2", "https://git.example.com/pull/1")
        asked = registry.asked("/tags/list")
        assert told(office, {"repository": SHOP})[0] == 202
        until(lambda: registry.asked("/tags/list") > asked)
        office.bot.stop()
        office.start()
        until(lambda: registry.asked("/tags/list") > asked + 1)
        (branch,) = office.upstream.git("for-each-ref", "--format=%(refname:short)", "refs/heads/gitops-bot").split()
        assert office.upstream.git("show", f"{branch}:shop/a.yaml") == manifest(registry, "1.4.2").rstrip("\n")
        assert tip(office) == main
        office.upstream.git("update-ref", "refs/heads/main", office.upstream.git("rev-parse", branch))
        until(lambda: live(office, registry) == "1.4.2")
        assert [one.ts for one in office.slack.messages(DEPLOYS) if one.text.startswith("Change proposed")] == [said.ts]
    (one,) = host.opened
    assert (one["base"], one["title"]) == ("main", f"shop: {registry.host}/{SHOP} 1.4.1 -> 1.4.2")


def test_registry_that_refuses_is_said_once_and_when_it_is_over(offices: Offices, registry: WireRegistry) -> None:
    registry.faults += [(403, {}, ""), (403, {}, "")]
    office = opened(offices, registry)
    said = office.sees(DEPLOYS, "Notice", f"registry {registry.host}", "does not accept our user and password", SHOP)
    assert "does not accept our user and password" in office.bot.health()["parts"][f"registry {registry.host}"]
    assert office.bot.metric("gitops_bot_registry_failing", f'registry="{registry.host}"') == 1
    assert registry.host in str(office.bot.status("shop")["registries_unseen_since"])
    assert f"new tags of {registry.host} are not seen since" in office.bot.run("status", "shop")[1]
    assert told(office, {})[0] == 202
    until(lambda: not registry.faults)
    assert told(office, {})[0] == 202
    over = office.sees(DEPLOYS, "Notice", f"registry {registry.host} answers again")
    assert over.ts == said.ts
    assert f"registry {registry.host}" not in office.bot.health()["parts"]
    assert office.bot.metric("gitops_bot_registry_failing") == 0
    assert office.bot.status("shop")["registries_unseen_since"] == {}
    assert PASSWORD not in office.bot.log()


def test_what_cannot_be_written_is_said_with_the_way_out(offices: Offices, registry: WireRegistry) -> None:
    office = opened(offices, registry)
    office.upstream.commit({"shop/a.yaml": manifest(registry, "hotfix")})
    until(lambda: live(office, registry) == "hotfix")
    pushed(office, registry, "1.4.2")
    strange = office.sees(DEPLOYS, "Notice", "shop", "has hotfix, which cannot be compared with 1.4.2", "that is 1.x")
    office.upstream.commit({"shop/a.yaml": manifest(registry, "1.4.1").replace("image:", "other:")})
    assert told(office, {})[0] == 202
    nothing = office.sees(DEPLOYS, "Notice", "shop", f"no file of shop gives {registry.host}/{SHOP} a tag", "newTag")
    assert nothing.ts == strange.ts
    hook = office.upstream.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    office.upstream.commit({"shop/a.yaml": manifest(registry, "1.4.1")})
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert told(office, {})[0] == 202
    office.sees(DEPLOYS, "Notice", "shop", "cannot be pushed", "or set write: pull-request")
    hook.unlink()
    assert told(office, {})[0] == 202
    office.sees(DEPLOYS, "Notice", "shop", "is followed again")
    until(lambda: live(office, registry) == "1.4.2")


def test_check_tries_each_registry(offices: Offices, registry: WireRegistry) -> None:
    office = opened(offices, registry)
    code, text = office.bot.run("check")
    assert "registry" not in text, text
    registry.images.clear()
    code, text = office.bot.run("check")
    assert code == 1
    assert f"registry {registry.host} has no image {registry.host}/{SHOP}: check its name" in text
    office.commit("info")
    assert f"no file of shop gives {registry.host}/{SHOP} a tag. Name it there" in office.bot.run("check")[1]
