"""The schema is what the file may be, and `docs/settings.md` is the schema in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft202012Validator

from bot.settings import load, schema
from bot.settings.values import duration, written
from tests.settings.reference import tables

PAGE: Final = Path(__file__).parents[2] / "docs/settings.md"
SCHEMA: Final = schema()
TABLES: Final = re.compile(r"(<!-- generated: .* -->\n).*(?=<!-- end -->)", re.DOTALL)


def validator(part: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**part, "$defs": SCHEMA["$defs"]})


def test_every_default_fits_the_schema_it_is_in() -> None:
    wrong = []
    for name, section in {"": SCHEMA, **SCHEMA["$defs"]}.items():
        for key, one in section["properties"].items():
            errors = validator(one).iter_errors(one["default"]) if "default" in one else ()
            wrong += [f"{name}.{key}: {error.message}" for error in errors]
    assert wrong == []


@pytest.mark.parametrize("text", ["0s", "5s", "1m30s", "15m", "2h", "1d12h"])
def test_durations_are_written_as_they_are_read(text: str) -> None:
    assert written(duration(text)) == text


def test_example_of_the_page_is_a_configuration(tmp_path: Path) -> None:
    """To the bot, and to an editor that goes by the schema."""
    example = PAGE.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    assert list(validator(SCHEMA).iter_errors(yaml.safe_load(example))) == []
    (tmp_path / "gitops-bot.yaml").write_text(example, encoding="utf-8")
    environment = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1-A1-1-x", "OPSGENIE_API_KEY": "k"}
    assert [app.name for app in load(tmp_path / "gitops-bot.yaml", environment).apps] == ["platform", "shop"]


def test_page_describes_every_key(write_golden: bool) -> None:
    page = PAGE.read_text(encoding="utf-8")
    lines = "\n".join(tables(SCHEMA))
    expected = TABLES.sub(lambda found: f"{found[1]}\n{lines}\n\n", page)
    if write_golden:
        PAGE.write_text(expected, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == expected
