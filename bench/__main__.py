"""`python -m bench [--objects N] [NAME...]`: measure and print the table; `--write` puts it into the documentation."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.scenarios import SCENARIOS, Row

_PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"
_BEGIN, _END = "<!-- measured -->\n", "<!-- end -->\n"


def table(rows: list[Row]) -> str:
    """Return the rows as Markdown."""
    columns = ("what", "who", "wall s", "ratio", "client CPU s", "server CPU s", "requests", "peak MiB")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        one = row.measured
        requests = ", ".join(f"{count:g} {verb}" for verb, count in sorted(one.requests.items())) or "0"
        ratio = f"{one.seconds / row.against:.2f}" if row.against else ""
        peak = f"{one.peak / 1024**2:.0f}" if one.peak else ""
        numbers = f"{one.seconds:.4g} | {ratio} | {one.cpu:.4g} | {one.server:.2f}"
        lines.append(f"| {row.what} | {row.who} | {numbers} | {requests} | {peak} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(SCENARIOS)}; all without")
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for name in arguments.names or SCENARIOS:
        for row in SCENARIOS[name](arguments.objects):
            rows.append(row)
            sys.stdout.write(table([row]).splitlines()[-1] + "\n")
            sys.stdout.flush()
    if arguments.write:
        where = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        command = f"python -m bench {' '.join(sys.argv[1:])}"
        head = f"Measured {datetime.now(tz=UTC):%Y-%m-%d} by `{command}` on {where}, kube-apiserver 1.37.2.\n\n"
        before, _, rest = _PAGE.read_text(encoding="utf-8").partition(_BEGIN)
        after = rest.partition(_END)[2]
        _PAGE.write_text(f"{before}{_BEGIN}{head}{table(rows)}{_END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
