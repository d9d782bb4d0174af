"""A story's world: the bot as a process, and what a person sees of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from bot.sandbox.slack.values import Channel, Message, User
from tests.flow.doors import door
from tests.flow.workplace import Workplace
from tests.waiting import PATIENCE_SECONDS

ANA = User(id="U0ANA", name="ana", real_name="Ana Lima", email="ana@example.com")
BOB = User(id="U0BOB", name="bob", real_name="Bob Reis", email="bob@example.com")
DEPLOYS = "C0DEPLOYS"


def configmap(level: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{level: {level}}}\n"


def deployment(image: str) -> str:
    return (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\n"
        "spec:\n  selector: {matchLabels: {app: api}}\n  template:\n    metadata: {labels: {app: api}}\n"
        f"    spec: {{containers: [{{name: main, image: '{image}'}}]}}\n"
    )


class Plane(Protocol):
    """The cluster of a story: the real control plane, or the sandbox."""

    @property
    def kubeconfig(self) -> str:
        """Return the path of the administrator's kubeconfig."""

    def request(self, method: str, path: str, *, body: Any = None, kind: str = "json") -> Any:
        """Send one request as administrator."""


class Story(Workplace):
    """Everything one story needs, and what a person sees of it."""

    def __init__(
        self,
        tmp_path: Path,
        plane: Plane,
        namespace: str,
        *,
        app: str = "interval: 1s",
        mode: str = "socket",
        flavour: str = "opsgenie",
        page_after: str = "{failures: 3, duration: 1h}",
        retry: str = "{first: 200ms, factor: 1, max: 1s}",
        oncall: str = "",
        apps: str = "",
        more: str = "",
        timeout: str = "2m",
        **env: str,
    ) -> None:
        mode, flavour = door(mode), door(flavour)
        super().__init__(tmp_path, users=(ANA, BOB), channels=(Channel(id=DEPLOYS, name="deploys"),), flavour=flavour)
        self.plane, self.namespace = plane, namespace
        configuration = f"""
instance: {namespace}
clusters: [{{name: prod, kubeconfig: {plane.kubeconfig}, namespace: {namespace}}}]
repos: [{{name: fleet, url: {self.upstream.path}}}]
apps:
  - {{name: shop, repo: fleet, path: apps/shop, cluster: prod, namespace: {namespace}, env: production,
     {app}, timeout: {timeout}, oncall: {{priority: P2}}}}
{apps}
slack: {{mode: {mode}, default_channel: {DEPLOYS}, api_url: "{self.slack.api_url}"}}
oncall: {{provider: {flavour}, host: "{self.oncall.url}", page_after: {page_after} {oncall}}}
permissions: [{{verbs: ["*"], users: [ana@example.com]}}]
retry: {retry}
{more}
"""
        self.hire(tmp_path, configuration, mode=mode, environment=env)

    def fails(self, text: str = "one") -> str:
        """Commit what no API server takes; returns the commit."""
        return self.upstream.commit({"apps/shop/a.yaml": configmap("info") + f"nonsense: {text}\n"}, message="Break")

    def mends(self, level: str = "info") -> str:
        """Commit what converges; returns the commit."""
        return self.upstream.commit({"apps/shop/a.yaml": configmap(level)}, message="Mend")

    def calls(self, act: str) -> int:
        """Return how often the bot called the alert API: `open`, `notes` or `close`."""
        end = {"open": "/v2/alerts"}.get(act, f"/{act}")
        return sum(1 for method, path in self.oncall.calls if method == "POST" and path.endswith(end))

    def said(self) -> tuple[Message, ...]:
        """Return all that stands in the channel, threads included."""
        return self.slack.messages(DEPLOYS)

    def sees(self, *words: str, seconds: float = PATIENCE_SECONDS) -> Message:
        """Wait for a message that has all the words, in its sentence or its blocks; return the newest."""
        return self.seen(DEPLOYS, words, seconds)

    def types(self, user: User, text: str) -> Message:
        """Type a command; return the first answer its author sees."""
        return self.asked(user, text, DEPLOYS)

    def data(self) -> dict[str, str]:
        found: dict[str, str] = self.plane.request("GET", self.path("configmaps/settings"))["data"]
        return found

    def path(self, rest: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/{rest}"
