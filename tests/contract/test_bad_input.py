"""What is wrong is named, each time by its own words, and nothing is touched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.errors import Problem
from bot.model.outcome import Result
from bot.model.plan import PlanFailure
from bot.plan.explain import plan_text
from tests.contract.engine import EngineWorld
from tests.contract.manifests import api_service, config, definition, deployment, secret, widget


def failure(world: EngineWorld) -> str:
    report = world.sync()
    assert report.result is Result.FAILED
    assert report.failure is not None
    return "; ".join([report.failure.message, *map(str, report.failure.problems)])


def test_every_broken_file_is_named_and_nothing_is_touched(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.commit({"a.yaml": "a: [\n", "b.yaml": "apiVersion: v1\nkind: Frob\nmetadata: {name: x}\n", "c.yaml": "- 1\n"})
    failed = world.plan()
    assert isinstance(failed, PlanFailure)
    assert {one.where.partition(":")[0] for one in failed.problems} >= {"apps/shop/a.yaml", "apps/shop/c.yaml"}
    assert world.sync().result is Result.FAILED
    assert world.found("configmaps", "settings")["data"] == {"level": "info"}
    assert world.inventory() == {f"ConfigMap {world.namespace}/settings"}


def test_each_trouble_has_its_own_error_and_the_good_state_heals_all(world: EngineWorld) -> None:
    good = world.commit({"a.yaml": config("settings")})
    assert world.sync().result is Result.CONVERGED
    git = world.upstream.path
    git.rename(git.with_name("away.git"))
    assert "repository fleet" in failure(world)
    git.with_name("away.git").rename(git)
    world.upstream.git("update-ref", "-d", "refs/heads/main")
    world.upstream.git("update-ref", "refs/heads/trunk", good)
    assert "has no branch main" in failure(world)
    world.upstream.git("update-ref", "refs/heads/main", good)
    world.commit({"a.yaml": "a: [\n"})
    assert "apps/shop/a.yaml:" in failure(world)
    world.commit({"a.yaml": config("settings").replace("\ndata:", "\ndta:")})
    assert "dta" in failure(world)
    world.commit({"a.yaml": config("settings")})
    assert world.sync().result is Result.CONVERGED
    (status,) = world.engine.desk.status(["prod/shop"])
    assert (status.sync.value, status.last_error, status.consecutive_failures) == ("synced", "", 0)


def test_empty_repository_has_its_own_error_and_deletes_nothing(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.upstream.git("update-ref", "-d", "refs/heads/main")
    assert "has no commit yet" in failure(world)
    assert world.get("configmaps", "settings") is not None


def test_missing_namespace_is_named_with_file_and_line(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings", namespace="nowhere-at-all")})
    report = world.sync()
    assert report.failure is not None
    assert "nowhere-at-all" in report.failure.problems[0].message
    assert report.failure.problems[0].where == "apps/shop/a.yaml:1"


def test_link_out_of_the_checkout_is_refused_and_its_content_appears_nowhere(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.upstream.commit({}, links={"apps/shop/b.yaml": "/etc/passwd", "apps/shop/c.yaml": "../../../secret"})
    said = failure(world)
    assert "apps/shop/b.yaml" in said
    assert "apps/shop/c.yaml" in said
    assert "root:" not in said
    assert all("root:" not in str(one) for one in world.heard())


def test_broken_api_group_does_not_stop_an_app_that_does_not_use_it(world: EngineWorld, unique: str) -> None:
    group = f"{unique}.example.com"
    service = api_service(group, service={"namespace": world.namespace, "name": "nobody"})
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    world.plane.request("POST", path, body=service)
    try:
        world.engine.world.clusters["prod"].kinds(refresh=True)
        world.commit({"a.yaml": config("settings")})
        assert world.sync().result is Result.CONVERGED
    finally:
        world.delete(f"{path}/v1.{group}")


def test_changed_secret_shows_its_key_and_never_its_value(world: EngineWorld) -> None:
    world.commit({"a.yaml": secret("key", "canary-one")})
    world.sync()
    world.commit({"a.yaml": secret("key", "canary-two")})
    shown = plan_text(world.planned())
    assert "data.token" in shown
    assert "(hidden, changed)" in shown
    world.sync()
    told = shown + "".join(map(str, world.heard()))
    assert "canary" not in told
    assert "Y2FuYXJ5" not in told


def test_secret_with_an_integer_shows_no_plaintext(world: EngineWorld) -> None:
    world.commit({"a.yaml": secret("key", "canary-one")})
    world.sync()
    world.commit({"a.yaml": secret("key", "8675309")})
    failed = world.plan()
    said = str(failed) if isinstance(failed, PlanFailure) else plan_text(failed)
    said += str(world.sync().failure) + "".join(map(str, world.heard()))
    assert "8675309" not in said
    assert "canary" not in said


def test_object_outside_what_the_app_may_contain_is_an_error(world: EngineWorld) -> None:
    world.restart(allowed={"namespaces": [world.namespace], "kinds": ["ConfigMap"]})
    world.commit({"a.yaml": config("settings", namespace="default"), "b.yaml": secret("key", "canary-one")})
    report = world.sync()
    assert report.failure is not None
    assert [one.message.partition(":")[0] for one in report.failure.problems] == [
        "the app may not write to the namespace default",
        "the app may not contain the kind Secret",
    ]


def test_misspelt_annotation_is_an_error(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings", prune="disable")})
    report = world.sync()
    assert report.failure is not None
    assert report.failure.problems == (
        Problem(
            message="the annotation gitops-bot/prune must be one of disabled, confirm, enabled",
            where="apps/shop/a.yaml:1",
            subject=report.failure.problems[0].subject,
        ),
    )


def test_field_that_no_schema_has_is_blocked_by_the_server(world: EngineWorld, unique: str) -> None:
    """Server-side apply refuses it without being asked for strict validation, in custom kinds too."""
    group = f"{unique}.example.com"
    world.commit({"crd.yaml": definition(group)})
    assert world.sync().result is Result.CONVERGED
    world.restart()
    try:
        wrong = widget(group).replace("spec: {}", "spec: {colour: red}")
        world.commit({"a.yaml": config("settings") + "dta: {level: debug}\n", "b.yaml": wrong})
        plan = world.planned()
        blocked = {change.id.kind: change.why for change in plan.blocked}
        assert set(blocked) == {"ConfigMap", "Widget"}, plan
        assert all("field not declared in schema" in why for why in blocked.values()), plan
    finally:
        world.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")


def test_unsigned_commit_is_not_deployed_where_signatures_are_checked(world: EngineWorld, tmp_path: Path) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    (tmp_path / "allowed_signers").write_text("")
    repo = {**world.configuration["repos"][0], "verify": {"keyring": str(tmp_path / "allowed_signers")}}
    world.configuration["repos"] = [repo]
    world.restart()
    world.commit({"a.yaml": config("settings", "debug")})
    assert "is not signed" in failure(world)
    assert world.found("configmaps", "settings")["data"] == {"level": "info"}


@pytest.mark.parametrize(
    "rest",
    [
        "stringData: {a: [canary-one]}",
        "stringData: {a: {b: 'canary-one}', c: [canary-one, 'canary\"}one']}}",
        "stringData: canary-one",
        "data: [canary-one]",
        "data: {a: canary-one}",
        "data: {a: {b: Y2FuYXJ5LW9uZQ==}}",
        "data: {a: Y2FuYXJ5LW9uZQ==, b: 1234567}",
    ],
)
def test_malformed_secret_is_named_and_no_value_of_it_is_quoted(world: EngineWorld, rest: str) -> None:
    """The server quotes what has the wrong type, and lists and maps the way Go prints them: with braces inside."""
    world.commit({"a.yaml": f"apiVersion: v1\nkind: Secret\nmetadata: {{name: key}}\n{rest}\n"})
    said = failure(world)
    assert not re.search("canary|Y2FuYX|1234567|}one", said)


def test_value_that_is_refused_is_quoted_where_it_is_no_secret(world: EngineWorld) -> None:
    """It was hidden in objects of all kinds: `replicas: Invalid value: (hidden)` says nothing to anybody."""
    world.commit({"a.yaml": deployment("api", replicas=-1)})
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in failure(world)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (secret("key", "no-base64").replace("stringData", "data"), "illegal base64 data at input byte 2"),
        (
            deployment("api").replace("image:", "resources: {limits: {memory: 1 gigabyte}}, image:"),
            "quantities must match the regular expression",
        ),
    ],
)
def test_value_that_cannot_be_read_is_the_commit_s_fault_and_no_outage(
    world: EngineWorld, text: str, words: str
) -> None:
    """The API server answers a server-side apply of it with 500, which was told as an outage of the whole cluster."""
    world.commit({"a.yaml": text})
    report = world.sync()
    assert report.failure is not None
    assert not report.failure.transient
    (problem,) = report.failure.problems
    assert words in problem.message
