"""Least rights: what the apps contain, who writes it, and roles that give exactly that."""

from __future__ import annotations

from dataclasses import replace

from bot.model.rights import Grant, Resource
from bot.plan.rights import Contents, needed, roles
from tests.plan.world import APP

DEPLOYMENTS = Resource("shop", "apps", "deployments")
SECRETS = Resource("shop", "", "secrets")


def test_app_s_own_kinds_and_nothing_else_are_needed() -> None:
    grants = needed([Contents(app=APP, resources=frozenset({DEPLOYMENTS}))], namespace="gitops-bot")
    assert Grant("", DEPLOYMENTS, "patch") in grants
    assert Grant("", Resource("shop", "", "pods/log"), "get") in grants
    assert not [one for one in grants if one.resource.plural == "secrets"]
    assert not [one for one in grants if not one.resource.namespace]


def test_writes_of_an_app_with_a_service_account_are_that_account_s() -> None:
    app = replace(APP, service_account="deployer")
    grants = needed([Contents(app=app, resources=frozenset({SECRETS}))], namespace="gitops-bot")
    user = "system:serviceaccount:shop:deployer"
    assert {one.verb for one in grants if one.resource == SECRETS and not one.user} == {"get", "list", "watch"}
    assert {one.verb for one in grants if one.user == user} == {"create", "patch", "delete"}
    assert Grant("", Resource("shop", "", "serviceaccounts"), "impersonate", "deployer") in grants


def test_roles_that_an_app_grants_need_bind_and_escalate() -> None:
    role = Resource("shop", "rbac.authorization.k8s.io", "roles")
    grants = needed([Contents(app=APP, resources=frozenset({role}))], namespace="gitops-bot")
    assert {one.verb for one in grants if one.resource == role} >= {"bind", "escalate"}


def test_cluster_wide_grant_covers_the_namespaces() -> None:
    wide = Resource("", "apps", "deployments")
    grants = needed([Contents(app=APP, resources=frozenset({wide, DEPLOYMENTS}))], namespace="gitops-bot")
    assert [one.resource.namespace for one in grants if one.resource.plural == "deployments"] == [""] * 6


def test_roles_give_exactly_the_grants() -> None:
    app = replace(APP, service_account="deployer")
    grants = needed([Contents(app=app, resources=frozenset({SECRETS}))], namespace="gitops-bot")
    made = roles(grants, subject="gitops-bot/gitops-bot", name="gitops-bot")
    given = {
        (one["metadata"].get("namespace", ""), one["metadata"]["name"], group, plural, verb)
        for one in made
        if one["kind"].endswith("Role")
        for rule in one["rules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
        for verb in rule["verbs"]
    }
    assert given == {
        (
            one.resource.namespace,
            "gitops-bot-deployer" if one.user else "gitops-bot",
            one.resource.group,
            one.resource.plural,
            one.verb,
        )
        for one in grants
    }
    subjects = {one["metadata"]["name"]: one["subjects"][0]["name"] for one in made if one["kind"] == "RoleBinding"}
    assert subjects == {"gitops-bot": "gitops-bot", "gitops-bot-deployer": "deployer"}
