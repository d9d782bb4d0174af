"""The page of behaviour names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAMED = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")


def test_every_fact_is_shown_by_a_test_that_exists() -> None:
    lines = (ROOT / "docs/behaviour.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ") and line != "| fact | shown by |"]
    assert len(rows) >= 50
    for row in rows:
        named = NAMED.findall(row)
        assert named, row
        for file, test in named:
            assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{test}"
