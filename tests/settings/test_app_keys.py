"""What an app of the configuration may say beyond where it lies: windows, sets, limits, takeovers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.model.app import Allowed, Mode
from bot.model.appset import matches
from bot.model.resource import ResourceId
from tests.settings.test_load import GOOD, problems, read


def test_every_key_of_an_app_is_read(tmp_path: Path) -> None:
    text = GOOD + (
        "    mode: approve\n    approvals: 2\n    adopt: [helm, flux]\n    moved_from: old\n"
        '    windows: [{kind: deny, schedule: "0 18 * * 5", duration: 62h, timezone: Europe/Lisbon, manual: true}]\n'
        "    substitute: {CLUSTER: prod-eu}\n    allowed: {namespaces: [payments]}\n"
        "    service_account: deployer\n"
    )
    (app,) = read(tmp_path, text).apps
    assert (app.mode, app.approvals, app.moved_from, app.adopt) == (Mode.APPROVE, 2, "old", frozenset({"helm", "flux"}))
    assert (app.windows[0].duration, app.windows[0].manual) == (timedelta(hours=62), True)
    assert app.substitute == {"CLUSTER": "prod-eu"}
    assert app.user == "system:serviceaccount:payments:deployer"


def test_window_that_cannot_be_read_is_named_with_its_line(tmp_path: Path) -> None:
    text = GOOD + '    windows:\n      - {kind: deny, schedule: "0 18 * * 9", duration: 1h}\n'
    assert problems(tmp_path, text) == [
        "gitops-bot.yaml:12: apps[0].windows[0]: 9 is no weekday of a schedule: write 0 to 7, or sun to sat"
    ]
    zone = GOOD + '    windows:\n      - {kind: deny, schedule: "0 18 * * 5", duration: 1h, timezone: Mars/Olympus}\n'
    assert "there is no time zone Mars/Olympus" in problems(tmp_path, zone)[0]


def test_app_that_moved_from_one_that_is_still_there_is_refused(tmp_path: Path) -> None:
    other = "  - {name: other, repo: fleet, path: apps/other, cluster: prod, moved_from: payments}\n"
    assert problems(tmp_path, GOOD + other) == [
        "gitops-bot.yaml:11: apps[1].moved_from: payments is an app still: remove it first"
    ]


SET = 'app_sets:\n  - {name: "{basename}", repo: fleet, paths: apps/*, exclude: [apps/old-*], clusters: [prod]}\n'


def test_every_matching_folder_is_an_app(tmp_path: Path) -> None:
    text = GOOD.partition("apps:")[0] + SET.replace("clusters:", 'namespace: "team-{basename}", clusters:')
    (found,) = read(tmp_path, text).app_sets
    members = found.members(["apps", "apps/shop", "apps/shop/base", "apps/old-shop", "apps/Not_A_Name"])
    assert [(app.key, app.path, app.namespace) for app in members.apps] == [("prod/shop", "apps/shop", "team-shop")]
    assert members.faults == (
        "app_sets[0]: the folder apps/Not_A_Name is no app: 'Not_A_Name' is no name in Kubernetes",
    )


def test_set_has_an_env_for_each_of_its_clusters(tmp_path: Path) -> None:
    """One set had one env: production and staging were two sets that said the same otherwise."""
    where = "[prod, staging-eu, dev]"
    clusters = "".join(f"  - {{name: {name}, kubeconfig: k}}\n" for name in ("staging-eu", "dev"))
    head = GOOD.partition("apps:")[0].replace("repos:", f"{clusters}repos:")
    text = head + SET.replace(
        "[prod]", f'{where}, env: "on-{{cluster}}", envs: {{prod: production, staging-eu: staging}}'
    )
    (found,) = read(tmp_path, text).app_sets
    members = found.members(["apps/shop"]).apps
    assert [(app.cluster, app.env, app.oncall_priority) for app in members] == [
        ("prod", "production", "P2"),
        ("staging-eu", "staging", "P3"),
        ("dev", "on-dev", "P3"),
    ]
    wrong = problems(tmp_path, text.replace("{prod: production", "{prd: production"))
    assert len(wrong) == 1
    assert "app_sets[0].envs: prd is none of its clusters: prod, staging-eu, dev" in wrong[0]


def test_placeholder_in_the_env_of_a_set_counts_for_its_priority(tmp_path: Path) -> None:
    """It was that of an env called `{cluster}`."""
    text = GOOD.partition("apps:")[0] + SET.replace("clusters:", 'env: "{cluster}", clusters:')
    (app,) = read(tmp_path, text).app_sets[0].members(["apps/shop"]).apps
    assert (app.env, app.oncall_priority) == ("prod", "P2")


def test_set_that_names_nobody_s_cluster_or_gives_all_one_name_is_refused(tmp_path: Path) -> None:
    text = GOOD.partition("apps:")[0] + SET.replace("[prod]", "[prd]").replace('"{basename}"', "same")
    assert problems(tmp_path, text) == [
        "gitops-bot.yaml:6: app_sets[0].clusters: there is no cluster prd: did you mean prod?",
        "gitops-bot.yaml:6: app_sets[0].name: every app would be same: use {basename}",
    ]
    unknown = GOOD.partition("apps:")[0] + SET.replace("{basename}", "{dir}")
    assert "{dir} means nothing here" in problems(tmp_path, unknown)[0]


@pytest.mark.parametrize(
    ("folder", "pattern", "expected"),
    [
        ("a/b", "a/*", True),
        ("a/b/c", "a/*", False),
        ("a", "a/*", False),
        ("a/b-1", "a/b-?", True),
        ("x/b", "*/b", True),
    ],
)
def test_star_never_matches_a_slash(folder: str, pattern: str, expected: bool) -> None:
    assert matches(folder, pattern) is expected


def test_object_outside_what_is_allowed_is_a_fault() -> None:
    role = ResourceId("rbac.authorization.k8s.io", "ClusterRole", "", "r")
    inside, outside = ResourceId("", "Secret", "payments", "s"), ResourceId("", "Secret", "other", "s")
    allowed = Allowed(namespaces=("payments",))
    assert allowed.fault(inside) == ""
    assert "namespace other" in allowed.fault(outside)
    assert "cluster-wide objects" in allowed.fault(role)
    assert Allowed(namespaces=("payments",), kinds=("Secret", "ClusterRole")).fault(role) == ""
    assert Allowed(namespaces=("payments",)).fault(ResourceId("", "Namespace", "", "payments")) == ""
    assert "kind Secret" in Allowed(kinds=("Config*",)).fault(inside)
