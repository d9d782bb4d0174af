"""Which function follows which command. Each takes the parsed arguments and stdout and returns the exit status."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Final, TextIO

from bot.cli.deciding import approve, mute, pause, resume, unmute
from bot.cli.deploying import delete, restore, rollback, sync
from bot.cli.installing import check, config, rbac, run, slack
from bot.cli.looking import audit, history, plan, status, verify

COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace, TextIO], int]]] = {
    "run": run,
    "plan": plan,
    "sync": sync,
    "status": status,
    "history": history,
    "audit": audit,
    "pause": pause,
    "resume": resume,
    "mute": mute,
    "unmute": unmute,
    "rollback": rollback,
    "approve": approve,
    "delete": delete,
    "restore": restore,
    "verify": verify,
    "check": check,
    "rbac": rbac,
    "config": config,
    "slack": slack,
}
