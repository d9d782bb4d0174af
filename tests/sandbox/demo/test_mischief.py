"""Every button of mischief, against the stand-ins it is meant for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.model import marks
from bot.sandbox.demo import cast, cluster, mischief, story, tour
from bot.sandbox.demo.cluster import TokenDoor
from bot.sandbox.demo.mischief import Impossible, Stage
from bot.sandbox.demo.repository import NewCommit, Repository
from bot.sandbox.kube import KubeSandbox
from bot.sandbox.oncall import OncallService
from bot.sandbox.oncall.alerts import Alert
from bot.sandbox.slack import SlackWorkspace

SHOP = story.NAMESPACES[story.PRODUCTION]


def by_id(id: str) -> mischief.Mischief:
    return next(one for one in mischief.ALL if one.id == id)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A world without a bot: the shop in Git, and its web and cart in the cluster as a bot would have put them."""
    repository = Repository(tmp_path / "fleet.git")
    repository.begin(story.history(datetime.now(UTC)))
    kube = KubeSandbox()
    kube.start()
    (tmp_path / "kubeconfig").write_text(kube.kubeconfig(), encoding="utf-8")
    door = TokenDoor(tmp_path / "kubeconfig")
    door.request("POST", "/api/v1/namespaces", body={"metadata": {"name": SHOP}})
    for path, plural in (
        ("web/config.yaml", "api/v1/namespaces/shop/configmaps"),
        ("web/deployment.yaml", "apis/apps/v1/namespaces/shop/deployments"),
        ("cart/service.yaml", "api/v1/namespaces/shop/services"),
    ):
        body = yaml.safe_load(repository.read(f"production/{path}"))
        body["metadata"]["labels"] = {marks.APP_LABEL: path.partition("/")[0]}
        reply = door.request("POST", f"/{plural}", body=body, query={"fieldManager": "gitops-bot"})
        assert reply.status == 201, reply.body
    oncall = OncallService()
    oncall.start()
    with SlackWorkspace(users=cast.PEOPLE, channels=cast.CHANNELS) as slack:
        yield Stage(slack=slack, oncall=oncall, repository=repository, cluster=door, kube=kube)
    oncall.stop()
    kube.stop()


def get(stage: Stage, path: str) -> Any:
    assert stage.cluster is not None
    return stage.cluster.request("GET", path).body


def test_good_commits_differ_and_stay_sane(stage: Stage) -> None:
    repo = stage.repo()
    heads = {repo.head()}
    for _ in range(6):
        by_id("good-commit").do(stage)
        assert repo.head() not in heads
        heads.add(repo.head())
        for app in ("web", "cart"):
            body = yaml.safe_load(repo.read(f"production/{app}/deployment.yaml"))
            assert 1 <= body["spec"]["replicas"] <= 5


def test_releases_in_a_row_say_different_things(stage: Stage) -> None:
    subjects = set()
    for _ in range(3):
        by_id("release").do(stage)
        subjects.add(stage.repo().log(limit=1)[0].subject)
    assert len(subjects) == 3


@pytest.mark.parametrize("id", ["broken-image", "invalid-manifest"])
def test_bad_commit_is_reverted_by_the_button_that_appears(stage: Stage, id: str) -> None:
    bad = by_id(id)
    path = "production/catalog/deployment.yaml" if id == "broken-image" else "production/orders/deployment.yaml"
    before = stage.repo().read(path)
    bad.do(stage)
    assert stage.repo().read(path) != before
    assert [one.id for one in mischief.ALL if one.is_on(stage)] == [id]
    head = stage.repo().head()
    with pytest.raises(Impossible, match="in Git already"):
        bad.do(stage)
    assert stage.repo().head() == head
    assert bad.undo is not None
    bad.undo(stage)
    assert stage.repo().read(path) == before
    assert not bad.is_on(stage)
    with pytest.raises(Impossible):
        bad.undo(stage)


def test_force_push_takes_the_last_commit_away(stage: Stage) -> None:
    left = stage.repo().head()
    by_id("force-push").do(stage)
    assert left not in {one.id for one in stage.repo().log(limit=80) if not one.dropped}


def test_force_push_is_something_to_deploy_whatever_it_drops(stage: Stage) -> None:
    """After a good commit to web it pushed the same files again, and nothing happened."""
    by_id("good-commit").do(stage)
    path = "production/web/deployment.yaml"
    dropped = stage.repo().read(path)
    by_id("force-push").do(stage)
    assert stage.repo().read(path) != dropped


def test_force_push_drops_one_bad_commit_and_leaves_the_other_to_be_reverted(stage: Stage) -> None:
    for id in ("broken-image", "invalid-manifest", "force-push"):
        by_id(id).do(stage)
    assert [one.id for one in mischief.ALL if one.is_on(stage)] == ["broken-image"]
    assert "three" not in stage.repo().read("production/orders/deployment.yaml")
    assert mischief.commits.MISSING_IMAGE in stage.repo().read("production/catalog/deployment.yaml")


def test_force_push_that_drops_a_revert_brings_its_button_back(stage: Stage) -> None:
    """The broken image was in main again, and the only button for it said to revert it first."""
    bad = by_id("broken-image")
    assert bad.undo is not None
    bad.do(stage)
    bad.undo(stage)
    by_id("force-push").do(stage)
    assert bad.is_on(stage)
    bad.undo(stage)
    assert mischief.commits.MISSING_IMAGE not in stage.repo().read("production/catalog/deployment.yaml")
    assert not bad.is_on(stage)


def test_edit_of_staging_is_one_that_neither_git_nor_the_cluster_has(stage: Stage) -> None:
    """After its edit was kept and merged, the button changed nothing."""
    path = "/api/v1/namespaces/shop-staging/configmaps/web"
    assert stage.cluster is not None
    file = "staging/web/config.yaml"
    stage.cluster.request("POST", "/api/v1/namespaces", body={"metadata": {"name": "shop-staging"}})
    stage.cluster.request("POST", path.rpartition("/")[0], body=yaml.safe_load(stage.repo().read(file)))
    for _ in range(4):
        before = get(stage, path)["data"]
        by_id("staging-edit").do(stage)
        after = get(stage, path)["data"]
        assert after["LOG_LEVEL"] not in {before["LOG_LEVEL"], "info"}
        text = stage.repo().read(file).replace(f"LOG_LEVEL: {before['LOG_LEVEL']}", f"LOG_LEVEL: {after['LOG_LEVEL']}")
        kept = NewCommit(author=cast.author(cast.ANA), at=datetime.now(UTC), message="Keep", files={file: text})
        stage.repo().commit(kept)
    first = get(stage, path)["data"]["LOG_LEVEL"]
    by_id("staging-edit").do(stage)
    second = get(stage, path)["data"]["LOG_LEVEL"]
    by_id("staging-edit").do(stage)  # nobody has answered the first
    assert len({first, second, get(stage, path)["data"]["LOG_LEVEL"]}) == 3


def test_tour_offers_what_can_be_played(stage: Stage) -> None:
    whole = tour.steps(stage)
    assert len(whole) == 8
    buttons = {step.action.partition(":")[2] for step in whole if step.action.startswith(("do:", "undo:"))}
    assert buttons <= {one.id for one in mischief.ALL}
    own = replace(stage, cluster=None, kube=None)
    assert {step.id for step in whole} - {step.id for step in tour.steps(own)} == {"drift"}
    own = replace(own, repository=None)
    offered = {f"do:{one.id}" for one in mischief.ALL if one.needs(own)}
    assert {step.action for step in tour.steps(own) if step.action.startswith("do:")} <= offered
    assert not any("web" in step.text or "payments" in step.text for step in tour.steps(own))


@pytest.mark.parametrize(
    ("alias", "open", "done"),
    [
        ("gitops-bot:test", False, set()),
        ("gitops-bot:shop-eu:catalog", True, {"page"}),
        ("gitops-bot:shop-eu:catalog", False, {"page", "mend"}),
    ],
)
def test_tour_counts_alerts_of_apps_and_not_a_test_of_the_way(
    stage: Stage, alias: str, *, open: bool, done: set[str]
) -> None:
    alert = Alert(number=1, alias=alias, message="", priority="P2", team="", key="", at=datetime.now(UTC), open=open)
    facts = tour.Facts(slack=stage.slack, done=frozenset(), alerts=(alert,))
    assert {step.id for step in tour.steps(stage) if step.done(facts)} == done


def test_hand_edit_is_kubectls_and_shows_in_the_tree(stage: Stage) -> None:
    by_id("hand-edit").do(stage)
    body = get(stage, f"/api/v1/namespaces/{SHOP}/configmaps/web")
    assert body["data"]["BANNER"] == "EVERYTHING IS FREE"
    assert "kubectl-edit" in {entry["manager"] for entry in body["metadata"]["managedFields"]}
    assert stage.cluster is not None
    web = next(one for one in cluster.tree(stage.cluster) if one["app"] == "web")
    touched = {node["kind"]: node["hands"] for node in web["objects"]}
    assert touched == {"ConfigMap": ["kubectl-edit"], "Deployment": []}


def test_delete_and_scale_are_done_as_kubectl_does_them(stage: Stage) -> None:
    by_id("scale").do(stage)
    assert get(stage, f"/apis/apps/v1/namespaces/{SHOP}/deployments/web")["spec"]["replicas"] == 6
    by_id("delete").do(stage)
    assert get(stage, f"/api/v1/namespaces/{SHOP}/services/cart")["code"] == 404
    with pytest.raises(Impossible, match="not found"):
        by_id("delete").do(stage)


@pytest.mark.parametrize("id", ["api-down", "api-slow", "slack-down", "oncall-down"])
def test_outage_begins_and_ends(stage: Stage, id: str) -> None:
    one = by_id(id)
    assert not one.is_on(stage)
    one.do(stage)
    assert one.is_on(stage)
    assert one.undo is not None
    one.undo(stage)
    assert not any(other.is_on(stage) for other in mischief.ALL)


def test_api_server_that_is_down_answers_nobody(stage: Stage) -> None:
    by_id("api-down").do(stage)
    assert stage.cluster is not None
    with pytest.raises(cluster.Unreachable):
        cluster.tree(stage.cluster)
    by_id("api-slow").do(stage)
    assert [one.id for one in mischief.ALL if one.is_on(stage)] == ["api-slow"]


def test_own_repository_and_cluster_are_left_alone(stage: Stage) -> None:
    own = Stage(slack=stage.slack, oncall=stage.oncall, repository=None, cluster=None, kube=None)
    assert [one.id for one in mischief.ALL if one.needs(own)] == ["slack-down", "oncall-down"]
    with pytest.raises(Impossible, match="your own"):
        by_id("good-commit").do(own)
    with pytest.raises(Impossible, match="your own"):
        by_id("hand-edit").do(own)


def test_values_of_secrets_are_not_shown(stage: Stage) -> None:
    assert stage.cluster is not None
    body = {"metadata": {"name": "payments"}, "data": {"key": "Y2FuYXJ5"}}
    stage.cluster.request("POST", f"/api/v1/namespaces/{SHOP}/secrets", body=body)
    text = cluster.manifest(stage.cluster, f"/api/v1/namespaces/{SHOP}/secrets/payments")
    assert "Y2FuYXJ5" not in text
    assert "(hidden)" in text
