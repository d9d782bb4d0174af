"""`python -m bot` and the console script: hand argv to the command line."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run one command and leave with its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a parent that ignores it leaves nobody to tell how git ended
    interrupted = signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while it loads is no traceback
    from bot.cli.main import run  # imported late: `--help` must not pay for what it does not use

    signal.signal(signal.SIGINT, interrupted)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
