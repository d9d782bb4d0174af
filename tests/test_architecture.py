"""docs/architecture.md leads new maintainers to files: each one it names is there, and no room is left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
BASES: Final = (ROOT, ROOT / "bot", ROOT / "bot" / "reconcile")


def rooms(folder: Path) -> set[str]:
    return {one.parent.name for one in folder.glob("*/__init__.py")} - {"__pycache__"}


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)+(?:\.[a-z]+)?)`", PAGE))
    missing = {
        path for path in named if not any((base / path).exists() or (base / f"{path}.py").exists() for base in BASES)
    }
    assert len(named) > 30
    assert missing == set()


def test_page_names_every_room_and_every_room_of_reconcile() -> None:
    known = set(re.findall(r"[a-z]+", PAGE))
    assert rooms(ROOT / "bot") <= known
    assert rooms(ROOT / "bot" / "reconcile") <= known
