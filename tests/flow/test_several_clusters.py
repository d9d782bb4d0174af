"""An app that is on several clusters: questions are about all of them, orders name one."""

from __future__ import annotations

import json
from collections.abc import Callable

from bot.sandbox.kube import KubeSandbox
from tests.flow.office import ANA, DEPLOYS, Office
from tests.waiting import until


def test_questions_are_about_each_cluster_and_orders_name_one(offices: Callable[..., Office]) -> None:
    """`status NAME` and `history NAME` of an app set were refused as ambiguous."""
    edge = KubeSandbox()
    edge.start()
    try:
        office = offices(apps="  - {name: shop, repo: fleet, cluster: edge, interval: 1s, path: shop, env: staging}")
        file = office.bot.folder / "edge.kubeconfig"
        file.write_text(edge.kubeconfig(), encoding="utf-8")
        office.bot.configure(
            lambda text: text.replace("clusters: [", f"clusters: [{{name: edge, kubeconfig: {file}}}, ")
        )
        office.open()

        def keys(*words: str) -> list[str]:
            code, text = office.bot.run("status", *words, "--output", "json")
            assert code == 0, text
            return [f"{one['cluster']}/{one['app']}" for one in json.loads(text)["apps"]]

        until(lambda: keys("synced", "healthy") == ["prod/payments", "prod/shop", "prod/docs", "edge/shop"])
        assert keys("shop") == ["prod/shop", "edge/shop"]
        assert keys("edge") == ["edge/shop"]
        assert keys("staging", "prod") == ["prod/shop", "prod/docs"]
        assert keys("failing") == []
        code, text = office.bot.run("status", "egde")
        assert (code, text.splitlines()[-1]) == (
            64,
            'gitops-bot: "egde" is no app, cluster, env, team or state, did you mean edge?',
        )
        code, text = office.bot.run("status", "shop")
        assert code == 0
        assert text.splitlines()[-1] == "2 of 2 apps are synced."
        code, text = office.bot.run("history", "shop")
        assert code == 0
        assert [line for line in text.splitlines() if line.startswith("shop / ")] == ["shop / prod", "shop / edge"]
        code, text = office.bot.run("history", "shop", "--output", "json")
        assert code == 0
        assert [one["cluster"] for one in json.loads(text)["apps"] if one["entries"]] == ["prod", "edge"]

        assert office.types(ANA, "status shop", DEPLOYS).text.startswith("2 of 2 apps are synced.")
        assert "of 1 apps" not in office.types(ANA, "status staging edge", DEPLOYS).text
        assert office.types(ANA, "status failing shop", DEPLOYS).text == "No app is like that: failing shop."
        assert "did you mean staging?" in office.types(ANA, "status stagign", DEPLOYS).text
        told = office.types(ANA, "history shop", DEPLOYS)
        assert all(f"*shop / {cluster}*" in json.dumps(told.blocks) for cluster in ("prod", "edge"))

        for words in ("sync", "pause"):
            code, text = office.bot.run(words, "shop")
            assert code == 64
            assert "shop can be edge/shop or prod/shop: write one of them" in text
            assert "shop can be edge/shop or prod/shop" in office.types(ANA, f"{words} shop", DEPLOYS).text
    finally:
        edge.stop()
