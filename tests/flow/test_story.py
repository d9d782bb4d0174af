"""The whole story, from outside: real bot process, real API server, real Git, Slack and on-call on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.plane import ControlPlane
from tests.flow.story import ANA, BOB, Story, configmap, deployment
from tests.waiting import until

pytestmark = pytest.mark.cluster


@pytest.fixture
def story(tmp_path: Path, control_plane: ControlPlane, kube_namespace: str) -> Iterator[Story]:
    made = Story(tmp_path, control_plane, kube_namespace)
    yield made
    made.close()


def test_story_from_the_first_commit_to_the_closed_page(story: Story) -> None:
    """A commit converges, a hand edit is undone, a broken commit pages, its fix closes the page, a rollback stays."""
    first = story.upstream.commit({"apps/shop/a.yaml": configmap("info")}, message="Begin")
    story.bot.start()
    story.sees("Converged", first[:7])
    story.sees("Changes detected", "ConfigMap", "settings")
    assert story.data() == {"level": "info"}

    story.plane.request("PATCH", story.path("configmaps/settings"), body={"data": {"level": "mine"}}, kind="merge")
    story.sees("changed by hand", "data.level")
    until(lambda: story.data() == {"level": "info"})

    second = story.upstream.commit({"apps/shop/b.yaml": deployment("gitops-bot.test/bad-image:1")}, message="Break")
    failed = story.sees("Sync failed", "Deployment", "ImagePullBackOff", second[:7])
    assert failed.thread_ts == ""
    until(story.oncall.opened)
    (alert,) = story.oncall.opened()
    assert (alert.alias, alert.priority) == ("gitops-bot:prod:shop", "P2")
    story.sees("On-call is paged")

    third = story.upstream.commit({"apps/shop/b.yaml": deployment("nginx:1")}, message="Mend")
    story.sees("Converged", third[:7])
    until(lambda: not story.oncall.opened())
    assert f"Converged at {third[:7]}" in story.oncall.alerts[0].notes[-1]

    assert "No rule allows" in story.types(BOB, "pause shop").text
    assert "Nothing is applied until <!date^" in story.types(ANA, "pause shop for 2h stocktaking").text
    story.sees("Paused", "stocktaking")
    fourth = story.upstream.commit({"apps/shop/a.yaml": configmap("debug")}, message="Say more")
    story.sees("New commit waits", fourth[:7])
    assert story.data() == {"level": "info"}
    assert "already paused" in story.types(ANA, "pause shop").text
    assert "It follows main again" in story.types(ANA, "resume shop").text
    story.sees("Converged", fourth[:7])
    assert story.data() == {"level": "debug"}

    preview = story.types(ANA, f"rollback shop {third[:7]}")
    assert "Roll back shop / prod" in preview.text
    story.slack.click(preview, "gitops.rollback_go", ANA.id)
    story.sees("Rolled back", third[:7])
    assert story.data() == {"level": "info"}
    assert story.bot.status("shop")["control"] == "pinned"
    assert story.bot.stop() == 0
    story.bot.start()
    until(lambda: story.bot.status("shop")["sync"] == "synced")
    assert story.data() == {"level": "info"}
    assert story.bot.run("resume", "shop")[0] == 0
    until(lambda: story.data() == {"level": "debug"})
    code, text = story.bot.run("plan", "shop")
    assert (code, "nothing to change" in text) == (0, True)
    assert story.bot.stop() == 0
    assert "Traceback" not in story.bot.log()
