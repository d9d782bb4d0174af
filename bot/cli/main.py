"""The command line: argv in, exit status out. Results go to stdout, logs and progress to stderr.

Exit status: 0 done, 1 error, 2 `plan` found changes, 3 applied but not healthy, 4 refused or paused, 64 bad usage or
configuration. An unexpected error is one line with the place of the details, never a bare traceback on stdout.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from typing import Final, TextIO

from bot.cli.arguments import build_parser
from bot.cli.exits import ERROR, OK, USAGE
from bot.errors import BotError, ConfigError, UsageError

_COLLECT_AFTER: Final = (50_000, 50, 20)  # objects of bodies come by the thousand and have no cycles: look less often


def collect_less() -> None:
    """Let Python look for cycles less often, in this process."""
    gc.set_threshold(*_COLLECT_AFTER)


def run(argv: Sequence[str], *, out: TextIO | None = None) -> int:
    """Run one command."""
    stdout = out if out is not None else sys.stdout
    try:
        arguments = build_parser().parse_args(argv)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    except SystemExit as done:  # --help
        return done.code if isinstance(done.code, int) else OK
    _log_to_stderr(arguments.log_level, json=arguments.log_format == "json")
    collect_less()
    try:
        return _command(arguments.command)(arguments, stdout)
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        return USAGE
    except UsageError as error:
        sys.stderr.write(f"gitops-bot: {error}\n")
        return USAGE
    except BotError as error:
        sys.stderr.write(f"gitops-bot: {error}\n")
        return ERROR
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the boundary for bugs of a command
        with tempfile.NamedTemporaryFile("w", prefix="gitops-bot-", suffix=".log", delete=False) as details:
            traceback.print_exc(file=details)
        sys.stderr.write(f"gitops-bot: unexpected {type(error).__name__}; the details are in {details.name}\n")
        return ERROR


def _command(name: str) -> Callable[[argparse.Namespace, TextIO], int]:
    """Return what follows a command; imported late, so that --help answers at once and the demo stays small."""
    if name == "demo":
        from bot.cli.demo import demo

        return demo
    from bot.cli import commands

    return commands.COMMANDS[name]


def _log_to_stderr(level: str, *, json: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    if json:
        from bot.cli.logs import JsonFormatter

        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("apscheduler", "slack_bolt", "slack_sdk", "urllib3", "git", "waitress"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
