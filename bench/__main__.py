"""`python -m bench [--quick] [--objects N] [NAME...]`: measure and print; `--write` puts it into the documentation.

Each row is printed when it is known. `--write` replaces the tables of docs/performance.md and of README.md by the rows
of this run, also when a part of it failed: that part is named and the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.rows import Row, line, short_table, table
from bench.scenarios import QUICK, SCENARIOS

_ROOT: Final = Path(__file__).parents[1]
_BEGIN, _END = "<!-- measured -->\n", "<!-- end -->\n"


def _put(page: Path, text: str) -> None:
    """Replace what is between the marks of a page."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    if not begin:
        raise SystemExit(f"{page} has no {_BEGIN.strip()}")
    page.write_text(f"{before}{_BEGIN}{text}{_END}{rest.partition(_END)[2]}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(SCENARIOS)}; all without")
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}, which take five minutes")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md and README.md")
    arguments = parser.parse_args()
    rows: list[Row] = []
    failed: list[str] = []
    began = time.monotonic()
    for name in arguments.names or (QUICK if arguments.quick else SCENARIOS):
        try:
            for row in SCENARIOS[name](arguments.objects):
                rows.append(row)
                sys.stdout.write(line(row) + "\n")
                sys.stdout.flush()
        except Exception:  # noqa: BLE001 - the other measurements are made all the same
            failed.append(name)
            traceback.print_exc()
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s since the start\n")
    if arguments.write:
        where = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        command = " ".join(["python -m bench", *sys.argv[1:]])
        head = f"Measured {datetime.now(tz=UTC):%Y-%m-%d} by `{command}` on {where}, kube-apiserver 1.37.2.\n\n"
        missing = f"\nNot measured, because it failed: {', '.join(failed)}.\n" if failed else ""
        _put(_ROOT / "docs" / "performance.md", head + table(rows) + missing)
        _put(_ROOT / "README.md", head + short_table(rows))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
