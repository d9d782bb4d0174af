"""What is measured is what docs/monitoring.md says, and what the alerts and the dashboard of manifests/ ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.flow.story import Story, configmap
from tests.receiver import Receiver
from tests.waiting import until

Tell = Callable[..., Story]

REPOSITORY: Final = Path(__file__).parents[2]
FOLDER: Final = REPOSITORY / "manifests" / "monitoring"
ROW: Final = re.compile(r"\| `(gitops_bot_\w+)` \| (\w+) \| ([^|]*) \|")
NAME: Final = re.compile(r"\b(?:gitops_bot|process)_\w+")
LABELS: Final = re.compile(r"(?:\b(?:by|on|without) ?\(([^)]*)\)|\{([^}$]*(?:\$cluster[^}]*)?)\})")


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((FOLDER / "rules.yaml").read_text())["spec"]["groups"][0]["rules"]
    return found


def asked() -> Iterator[str]:
    """Yield each question that an alert or a panel asks Prometheus."""
    yield from (one["expr"] for one in rules())
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def series(text: str) -> Mapping[str, tuple[str, frozenset[str]]]:
    """Return type and labels of each series, by its name."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            found[one.name] = (family.type, frozenset(one.labels))
    return found


def test_metrics_are_those_of_the_page_and_alerts_and_dashboard_ask_for_no_others(tell: Tell) -> None:
    with Receiver((400, {}, "")) as receiver:
        hook = f"{{type: webhook, url: '{receiver.url}/hook', events: [converged], secret_env: HOOK_SECRET}}"
        images = "interval: 1s, images: [{image: 'localhost:9/acme/shop', follow: 1.x}]"  # nobody answers there
        story = tell(app=images, more=f"writebacks: [{hook}]", HOOK_SECRET="hook")
        story.upstream.commit({"apps/shop/a.yaml": configmap("info")})
        story.bot.start()
        begun = story.bot.metrics()
        assert 'gitops_bot_delivery_failures_total{how="lost",sink="writeback"} 0.0' in begun
        story.sees("Converged")
        until(lambda: story.bot.metric("gitops_bot_delivery_failures_total", 'how="lost"') == 1)
        exposed = series(story.bot.metrics())

    page = (REPOSITORY / "docs" / "monitoring.md").read_text()
    told = {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(page)}
    ours = {
        name.removesuffix("_count"): (kind, labels)
        for name, (kind, labels) in exposed.items()
        if name.startswith("gitops_bot_") and not name.endswith(("_bucket", "_sum", "_created"))
    }
    assert ours == told

    known = {label for _, labels in exposed.values() for label in labels} | {"instance"}
    questions = list(asked())
    assert {name for one in questions for name in NAME.findall(one)} <= set(exposed)
    for one in questions:
        for grouped, matched in LABELS.findall(one):
            wanted = set(re.findall(r"\w+", grouped)) | set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matched))
            assert wanted <= known, one


def test_age_of_a_convergence_is_asked_only_of_apps_that_are_not_synced() -> None:
    """An app at rest that nobody had changed for a month stood on top of "longest without a sync"."""
    questions = [one for one in asked() if "gitops_bot_app_last_converged_timestamp_seconds" in one]
    assert questions
    assert all(one.endswith(" and on (app, cluster) gitops_bot_app_synced == 0)") for one in questions)


def test_alerts_of_the_page_are_those_that_are_installed() -> None:
    page = (REPOSITORY / "docs" / "monitoring.md").read_text()
    assert re.findall(r"\| `(Gitops\w+)` \|", page) == [one["alert"] for one in rules()]
    assert all(set(one["annotations"]) == {"summary", "description"} for one in rules())
