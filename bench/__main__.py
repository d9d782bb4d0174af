"""`python -m bench [--quick] [--objects N] [PART...]`: measure and print; `--write` puts it into the documentation.

Each row is printed when it is known. `--write` puts the rows of the parts that were measured into the tables of
docs/performance.md and README.md; the other rows stay as they were measured before, unless that was on another machine.
A part that fails keeps its former rows, is named, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.rows import grown, line, merged, short
from bench.scenarios import QUICK, SCENARIOS

_ROOT: Final = Path(__file__).parents[1]
_MEASURED, _GROWN, _END = "<!-- measured -->\n", "<!-- grown -->\n", "<!-- end -->\n"


def _between(page: Path, mark: str = _MEASURED) -> tuple[str, str, str]:
    """Return what is before, between and after the marks of a page."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(mark)
    if not begin:
        raise SystemExit(f"{page} has no {mark.strip()}")
    text, _, after = rest.partition(_END)
    return before, text, after


def _put(page: Path, text: str, mark: str = _MEASURED) -> None:
    before, _, after = _between(page, mark)
    page.write_text(f"{before}{mark}{text}{_END}{after}", encoding="utf-8")


def _write(fresh: Mapping[str, Sequence[str]]) -> None:
    where = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, kube-apiserver 1.37.2"
    head = f"Measured by `python -m bench --write` on {where}; each row on the day it names.\n\n"
    page = _ROOT / "docs" / "performance.md"
    _, before, _ = _between(page)
    table = merged(before.removeprefix(head) if before.startswith(head) else "", fresh, order=SCENARIOS)
    _put(page, head + table)
    _put(page, grown(table), _GROWN)
    _put(_ROOT / "README.md", f"On {where}:\n\n{short(table)}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", metavar="PART", help=f"one of {', '.join(SCENARIOS)}; all without")
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}, which take six minutes")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md and README.md")
    arguments = parser.parse_args()
    fresh: dict[str, list[str]] = {}
    failed: list[str] = []
    began, day = time.monotonic(), f"{datetime.now(tz=UTC):%Y-%m-%d}"
    for name in arguments.names or (QUICK if arguments.quick else SCENARIOS):
        lines: list[str] = []
        try:
            for row in SCENARIOS[name](arguments.objects):
                lines.append(line(name, row, day=day))
                sys.stdout.write(f"{lines[-1]}\n")
                sys.stdout.flush()
        except Exception:  # noqa: BLE001 - the other measurements are made all the same
            failed.append(name)
            traceback.print_exc()
        else:
            fresh[name] = lines
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s since the start\n")
    if arguments.write:
        _write(fresh)
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
