"""`docs/events.md` shows what is sent, and a trigger that fits it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson
import yaml

from bot.writeback.events import cloud_event
from tests.settings.test_load import GOOD, read
from tests.writeback.spinnaker import Pipeline, Spinnaker
from tests.writeback.test_pipelines import target
from tests.writeback.test_sink import CONVERGED

PAGE: Final = (Path(__file__).parents[2] / "docs/events.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_event_of_the_page_is_what_is_sent() -> None:
    shown: Any = orjson.loads(blocks("json")[0])
    sent = cloud_event(replace(CONVERGED, id=shown["id"], digest=shown["data"]["digest"]))
    assert orjson.loads(sent) == shown


def test_trigger_of_the_page_fits_what_is_sent() -> None:
    trigger: Any = orjson.loads(blocks("json")[2])
    constraints = {**trigger["payloadConstraints"], "secret": "^canary$"}
    with Spinnaker(Pipeline(source=trigger["source"], constraints=constraints)) as spinnaker:
        one = target(spinnaker.url, secret="canary")
        for app in ("shop", "shop-admin"):
            one.send(replace(CONVERGED, app=app, env="staging"))
        assert [run["payload"]["app"] for run in spinnaker.pipelines[0].runs] == ["shop"]


def test_entries_of_the_page_are_read(tmp_path: Path) -> None:
    entries = [entry for block in blocks("yaml") for entry in yaml.safe_load(block)["writebacks"]]
    text = f"{GOOD}writebacks: {orjson.dumps(entries).decode()}\n"
    found = read(tmp_path, text, GATE_SECRET="s").settings.writebacks
    assert [one.type for one in found] == ["lambda", "spinnaker"]
