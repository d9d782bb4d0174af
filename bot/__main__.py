"""`python -m bot` and the console script: hand argv to the command line."""

from __future__ import annotations

import sys


def main() -> None:
    """Run one command and leave with its exit status."""
    from bot.cli.main import run  # imported late: `--help` must not pay for what it does not use

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
