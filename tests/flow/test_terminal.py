"""A day at the terminal, without a running bot: each command as it is typed, its exit status and what it prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.flow.story import Story, configmap

SECRET = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {password: canary-%s}\n"


@pytest.fixture
def story(tell: Callable[..., Story]) -> Story:
    return tell(mode='"off"')


def types(story: Story, *words: str, status: int = 0) -> str:
    """Run a command and return what it printed; no value of a Secret is in it."""
    code, text = story.bot.run(*words)
    assert code == status, text
    assert "canary" not in text
    return text


def asks(story: Story, *words: str, status: int = 0) -> dict[str, Any]:
    """Run a command with `--output json`; returns its one app."""
    (app,) = json.loads(types(story, *words, "--output", "json", status=status))["apps"]
    assert isinstance(app, dict)
    return app


def test_plan_and_sync_tell_the_same_of_each_object(story: Story) -> None:
    story.upstream.commit({"apps/shop/a.yaml": configmap("info") + SECRET % "one"})
    planned = asks(story, "plan", status=2)
    named = [change["object"] for change in planned["changes"]]
    expected = [
        {"apiVersion": "v1", "kind": kind, "namespace": story.namespace, "name": name}
        for kind, name in (("ConfigMap", "settings"), ("Secret", "key"))
    ]
    assert named == expected
    done = asks(story, "sync")
    assert done["result"] == "converged"
    assert [(one["object"], one["deed"]) for one in done["outcomes"]] == [(one, "created") for one in expected]
    assert [(one["object"], one["health"]) for one in done["health"]] == [(one, "healthy") for one in expected]
    assert "nothing to change" in types(story, "plan")

    story.upstream.commit({"apps/shop/a.yaml": configmap("debug") + SECRET % "two"})
    shown = types(story, "plan", status=2)
    assert "data.level: info -> debug" in shown
    assert "data.password: (hidden) -> (hidden, changed)" in shown


def test_history_says_what_each_pass_did_or_could_not(story: Story) -> None:
    first = story.mends()
    types(story, "sync")
    broken = story.upstream.commit({"apps/shop/b.yaml": "kind: ConfigMap\nmetadata: {name: b}\n"})
    assert "apps/shop/b.yaml:1: ConfigMap b: apiVersion missing" in types(story, "plan", status=1)
    failed = types(story, "sync", status=1)
    assert failed.startswith(f"shop / prod: failed at {broken[:7]}\n")
    assert story.bot.status("shop")["sync"] == "failed"
    fix = story.upstream.commit({"apps/shop/a.yaml": configmap("debug"), "apps/shop/b.yaml": None})
    types(story, "sync")
    assert f"goes back to {first[:7]}" in types(story, "rollback", "shop", first[:7], "--reason", "too loud")
    state = story.bot.status("shop")
    assert (state["control"], state["control_reason"], state["revision"]) == ("pinned", "too loud", first)
    lines = [" ".join(line.split()[1:]) for line in types(story, "history", "shop").splitlines()]
    assert [line.partition(" os:")[0] for line in lines[1:]] == [
        f"{first[:7]} rollback converged 1 updated",
        f"{fix[:7]} sync converged 1 updated",
        f"{broken[:7]} sync failed no plan",
        f"{first[:7]} sync converged 1 created",
    ]


def test_paused_app_says_by_whom_since_when_and_why(story: Story) -> None:
    story.mends()
    types(story, "pause", "shop", "--for", "2h", "--reason", "db migration")
    for words, status in ((("sync",), 4), (("pause", "shop"), 1)):
        said = types(story, *words, status=status)
        assert "paused by os:" in said
        assert "since 20" in said
        assert "(db migration)" in said
    orders = types(story, "audit", "--app", "shop").splitlines()[1:]
    assert [(line.split()[2], line.split()[4]) for line in orders] == [
        ("pause", "denied"),
        ("sync", "denied"),
        ("pause", "done"),
    ]
    types(story, "resume", "shop")
    assert "neither paused nor pinned" in types(story, "resume", "shop", status=1)
    types(story, "sync")


def test_delete_names_what_would_go_and_how_to_say_yes(story: Story) -> None:
    story.mends()
    types(story, "sync")
    asked = types(story, "delete", "shop", status=4)
    assert f"ConfigMap {story.namespace}/settings would be deleted, and shop / prod is forgotten" in asked
    types(story, *asked.splitlines()[-1].partition("gitops-bot ")[2].split())
    assert story.bot.status("shop")["objects"] == 0


def test_wrong_words_cost_one_line_and_exit_64(story: Story) -> None:
    story.mends()
    for words in (("frobnicate",), ("sync", "--nope"), ("rollback",), ("rollback", "shop"), ("plan", "nope")):
        said = types(story, *words, status=64)
        assert said.startswith("gitops-bot"), said
        assert len(said.splitlines()) == 1, said
    assert "(see gitops-bot demo --help)" in types(story, "demo", "--nope", status=64)
