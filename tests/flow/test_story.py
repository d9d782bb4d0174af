"""The whole story, from outside: real bot process, real API server, real Git, Slack and on-call on the wire."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.oncall import OncallService
from bot.sandbox.slack import SlackWorkspace
from bot.sandbox.slack.values import Message, User
from tests.controlplane.plane import ControlPlane
from tests.flow.bot_process import BotProcess
from tests.source.upstream import Upstream

pytestmark = pytest.mark.cluster

ANA = User(id="U0ANA", name="ana", real_name="Ana Lima", email="ana@example.com")
BOB = User(id="U0BOB", name="bob", real_name="Bob Reis", email="bob@example.com")


def configmap(level: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{level: {level}}}\n"


def deployment(image: str) -> str:
    return (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\n"
        "spec:\n  selector: {matchLabels: {app: api}}\n  template:\n    metadata: {labels: {app: api}}\n"
        f"    spec: {{containers: [{{name: main, image: '{image}'}}]}}\n"
    )


class Story:
    """Everything one story needs, and what a person sees of it."""

    def __init__(self, tmp_path: Path, plane: ControlPlane, namespace: str) -> None:
        self.plane, self.namespace = plane, namespace
        self.upstream = Upstream(tmp_path / "fleet.git")
        self.slack = SlackWorkspace(users=(ANA, BOB))
        self.oncall = OncallService()
        self.slack.start()
        self.oncall.start()
        configuration = f"""
instance: {namespace}
clusters: [{{name: prod, kubeconfig: {plane.kubeconfig}, namespace: {namespace}}}]
repos: [{{name: fleet, url: {self.upstream.path}}}]
apps:
  - {{name: shop, repo: fleet, path: apps/shop, cluster: prod, namespace: {namespace}, env: production,
     interval: 1s, timeout: 20s, oncall: {{priority: P2}}}}
slack: {{mode: socket, default_channel: C0DEPLOYS, api_url: "{self.slack.api_url}"}}
oncall: {{provider: opsgenie, host: "{self.oncall.url}", page_after: {{failures: 3, duration: 1h}}}}
permissions: [{{verbs: ["*"], users: [ana@example.com]}}]
retry: {{first: 200ms, factor: 1, max: 1s}}
"""
        folder = tmp_path / "bot"
        folder.mkdir()
        self.bot = BotProcess(
            folder,
            configuration,
            {
                "SLACK_BOT_TOKEN": self.slack.bot_token,
                "SLACK_APP_TOKEN": self.slack.app_token,
                "OPSGENIE_API_KEY": "oncall-key",
            },
        )

    def close(self) -> None:
        self.bot.kill()
        self.slack.stop()
        self.oncall.stop()

    def sees(self, *words: str, seconds: float = 60) -> Message:
        """Wait for a message that has all the words, in its sentence or its blocks."""

        def look() -> Message | None:
            for message in reversed(self.slack.messages()):
                text = f"{message.text} {message.blocks}"
                if all(word in text for word in words):
                    return message
            return None

        try:
            found: Message = self.slack.wait_until(look, seconds=seconds)
        except TimeoutError:
            said = "\n".join(one.text for one in self.slack.messages())
            raise AssertionError(f"nobody said {words}; said was:\n{said}\n{self.bot.log()[-3000:]}") from None
        return found

    def types(self, user: User, text: str) -> str:
        """Type a command; return the first answer its author sees."""
        before = len(self.slack.ephemerals(user.id))
        delivery = self.slack.command(user.id, text)
        assert delivery.acknowledged
        answers: list[Message] = self.slack.wait_until(lambda: self.slack.ephemerals(user.id)[before:])
        return answers[0].text

    def data(self) -> dict[str, str]:
        found: dict[str, str] = self.plane.request("GET", self.path("configmaps/settings"))["data"]
        return found

    def path(self, rest: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/{rest}"


def eventually(look: Callable[[], Any], *, seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)
    return answer


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
    eventually(lambda: story.data() == {"level": "info"})

    second = story.upstream.commit({"apps/shop/b.yaml": deployment("gitops-bot.test/bad-image:1")}, message="Break")
    failed = story.sees("Sync failed", "Deployment", "ImagePullBackOff", second[:7])
    assert failed.thread_ts == ""
    eventually(story.oncall.opened)
    (alert,) = story.oncall.opened()
    assert (alert.alias, alert.priority) == ("gitops-bot:prod:shop", "P2")
    story.sees("On-call is paged")

    third = story.upstream.commit({"apps/shop/b.yaml": deployment("nginx:1")}, message="Mend")
    story.sees("Converged", third[:7])
    eventually(lambda: not story.oncall.opened())
    assert f"Converged at {third[:7]}" in story.oncall.alerts[0].notes[-1]

    assert "No rule allows" in story.types(BOB, "pause shop")
    assert "is paused" in story.types(ANA, "pause shop for 2h stocktaking")
    story.sees("Paused", "stocktaking")
    fourth = story.upstream.commit({"apps/shop/a.yaml": configmap("debug")}, message="Say more")
    story.sees("New commit waits", fourth[:7])
    assert story.data() == {"level": "info"}
    assert "already paused" in story.types(ANA, "pause shop")
    assert "is running" in story.types(ANA, "resume shop")
    story.sees("Converged", fourth[:7])
    assert story.data() == {"level": "debug"}

    story.types(ANA, f"rollback shop {third[:7]}")
    preview = story.slack.ephemerals(ANA.id)[-1]
    assert "Roll back shop / prod" in preview.text
    story.slack.click(ANA.id, preview, "gitops.rollback_go")
    story.sees("Rolled back", third[:7])
    assert story.data() == {"level": "info"}
    assert story.bot.status("shop")["control"] == "pinned"
    assert story.bot.stop() == 0
    story.bot.start()
    eventually(lambda: story.bot.status("shop")["sync"] == "synced")
    assert story.data() == {"level": "info"}
    assert story.bot.run("resume", "shop")[0] == 0
    eventually(lambda: story.data() == {"level": "debug"})
    code, text = story.bot.run("plan", "shop")
    assert (code, "nothing to change" in text) == (0, True)
    assert story.bot.stop() == 0
    assert "Traceback" not in story.bot.log()
