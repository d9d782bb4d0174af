"""Golden files: readable texts named by situation, compared whole; `pytest --write-golden` writes them anew."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def check(name: str, text: str, *, write: bool) -> None:
    """Compare a text with `tests/golden/<name>`, or write it there."""
    path = FOLDER / name
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"{path} is missing: run pytest with --write-golden and review it"
    assert text == path.read_text(encoding="utf-8"), f"differs from {path}: run with --write-golden and review it"
