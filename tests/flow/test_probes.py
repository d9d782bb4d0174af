"""What a probe of Kubernetes and Prometheus hear of a bot that is busy."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from bot.sandbox.kube import KubeSandbox
from tests.flow.bot_process import BotProcess
from tests.launch import executed
from tests.source.upstream import Upstream
from tests.waiting import until

APPS = 100
TEXT = """\
clusters: [{name: prod, kubeconfig: kubeconfig}]
repos: [{name: fleet, url: fleet.git}]
app_sets: [{repo: fleet, paths: ["apps/*"], clusters: [prod], namespace: default}]
"""


def test_health_and_metrics_answer_while_a_hundred_apps_sync(tmp_path: Path) -> None:
    def app(name: str) -> str:
        return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"

    Upstream(tmp_path / "fleet.git").commit({f"apps/a{one}/a.yaml": app(f"a{one}") for one in range(APPS)})
    kube = KubeSandbox()
    with closing(BotProcess(tmp_path, TEXT, {}, launch=executed)) as bot:
        kube.start()
        try:
            (tmp_path / "kubeconfig").write_text(kube.kubeconfig(), encoding="utf-8")
            bot.start()

            def all_synced() -> bool:
                assert bot.health()["parts"] == {"reconciler": "ok", "state": "ok"}
                return bot.metric("gitops_bot_app_synced") == APPS

            until(all_synced, "all have synced", seconds=180)
            assert bot.stop() == 0
        finally:
            kube.stop()
