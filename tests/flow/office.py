"""An office: people in channels, the real bot as a process, a sandbox cluster, Slack and on-call on the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.sandbox.kube import KubeSandbox
from bot.sandbox.slack.values import Channel, Message, User
from tests.flow.doors import door
from tests.flow.workplace import Workplace

ANA = User(id="U0ANA", name="ana", real_name="Ana Lima", email="ana@example.com")
BOB = User(id="U0BOB", name="bob", real_name="Bob Reis", email="bob@example.com")
CAT = User(id="U0CAT", name="cat", real_name="Cat Diaz", email="cat@example.com")
EVE = User(id="U0EVE", name="eve", real_name="Eve Fox", email="eve@example.com")
PAYMENTS = "C0PAYMENTS"  # one app lives here
DEPLOYS = "C0DEPLOYS"  # all others do
SRE = "S0SRE"

RULES = f"""
  - {{verbs: [status, plan, history, route], users: ["*"]}}
  - {{verbs: ["*"], envs: [production], users: [ana@example.com], groups: [{SRE}], channels: [{PAYMENTS}]}}
  - {{verbs: ["*"], envs: [staging], users: [{ANA.id}, {BOB.id}, {CAT.id}]}}
"""


def configmap(name: str, level: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{level: {level}}}\n"


class Office(Workplace):
    """Apps `payments` (production, in its own channel), `shop` and `docs` (staging, in the default channel)."""

    def __init__(
        self,
        folder: Path,
        *,
        mode: str = "socket",
        rules: str = RULES,
        payments: str = "",
        shop: str = "",
        slack: str = "",
        more: str = "",
        apps: str = "",
        interval: str = "1s",
        timeout: str = "2m",
        **env: str,
    ) -> None:
        mode, flavour = door(mode), door("opsgenie")
        super().__init__(
            folder,
            users=(ANA, BOB, CAT, EVE),
            channels=(Channel(id=PAYMENTS, name="payments"), Channel(id=DEPLOYS, name="deploys")),
            groups={SRE: (BOB.id,)},
            flavour=flavour,
        )
        self.kube = KubeSandbox()
        self.kube.start()
        (folder / "kubeconfig").write_text(self.kube.kubeconfig(), encoding="utf-8")
        common = f"repo: fleet, cluster: prod, interval: {interval}, timeout: {timeout}"
        configuration = f"""
clusters: [{{name: prod, kubeconfig: {folder / "kubeconfig"}}}]
repos: [{{name: fleet, url: {self.upstream.path}, web_url: "https://git.example.com/fleet"}}]
apps:
  - {{name: payments, {common}, path: payments, env: production, channel: {PAYMENTS} {payments}}}
  - {{name: shop, {common}, path: shop, env: staging {shop}}}
  - {{name: docs, {common}, path: docs, env: staging}}
{apps}
slack: {{mode: {mode}, default_channel: {DEPLOYS}, api_url: "{self.slack.api_url}" {slack}}}
oncall: {{provider: {flavour}, host: "{self.oncall.url}", page_after: {{failures: 3, duration: 1h}}}}
permissions: {rules}
retry: {{first: 200ms, factor: 1, max: 1s}}
{more}
"""
        self.hire(folder, configuration, mode=mode, environment=env)

    def open(self, level: str = "info") -> str:
        """Commit every app, start the bot, and wait until all have converged; returns the commit."""
        commit = self.commit(level)
        self.start()
        for app, channel in (("payments", PAYMENTS), ("shop", DEPLOYS), ("docs", DEPLOYS)):
            self.sees(channel, "Converged", app)
        return commit

    def close(self) -> None:
        super().close()
        self.kube.stop()

    def commit(self, level: str, *, message: str = "Change something", **others: str) -> str:
        """Commit the ConfigMap of each app with this level, `others` by name of an app."""
        files = {f"{app}/a.yaml": configmap(app, others.get(app, level)) for app in ("payments", "shop", "docs")}
        return self.upstream.commit(files, message=message)

    def level(self, app: str) -> str:
        """Return what the cluster has."""
        return str((self.kube.cluster.get("configmaps", "default", app) or {}).get("data", {}).get("level", ""))

    def edits(self, app: str, **data: str | None) -> None:
        """Change an app's ConfigMap by hand; None removes a key."""
        live = self.kube.cluster.get("configmaps", "default", app)
        assert live is not None
        merged = {key: value for key, value in {**live["data"], **data}.items() if value is not None}
        self.kube.cluster.update("configmaps", {**live, "data": merged}, manager="kubectl-edit")

    def types(self, user: User, text: str, channel: str = PAYMENTS) -> Message:
        """Type a command; return the first answer its author sees."""
        return self.asked(user, text, channel)

    def sees(self, channel: str, *words: str) -> Message:
        """Wait for a message that has all the words, in its sentence or its blocks; return the newest."""
        return self.seen(channel, words)

    def audit(self, app: str) -> list[Mapping[str, Any]]:
        """Return the audit of an app, newest first."""
        code, text = self.bot.run("audit", "--app", app, "--output", "json")
        assert code == 0, text
        return [json.loads(line) for line in text.splitlines()]
