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
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

from bot.errors import BotError, ConfigError, UsageError

OK: Final = 0
ERROR: Final = 1
USAGE: Final = 64  # EX_USAGE of sysexits.h
_APPS: Final = (
    "an app, or words that choose all of which they are true: cluster:NAME, env:NAME, team:NAME, state:failing, "
    "app:NAME, all; several must hold"
)
_COLLECT_AFTER: Final = (50_000, 50, 20)  # objects of bodies come by the thousand and have no cycles: look less often


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message} (see {self.prog} --help)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuse what this parser does not know, where argparse leaves it to the parser of all commands."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    parser = _Parser(prog="gitops-bot", description="Keeps Kubernetes clusters equal to Git, and people informed.")
    _globals(parser, config="", level="info", form="text")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str,
        help: str,
        *,
        output: bool = False,
        apps: str = "",
        choose: bool = False,
        aliases: Sequence[str] = (),
    ) -> _Parser:
        one: _Parser = commands.add_parser(name, help=help, aliases=aliases)
        _globals(one, config=argparse.SUPPRESS, level=argparse.SUPPRESS, form=argparse.SUPPRESS)
        if apps:
            one.add_argument("app", nargs=apps, metavar="APP", help=_APPS if choose else None)
        if output:
            one.add_argument("--output", "-o", default="text", choices=["text", "json"])
        one.set_defaults(command=name)
        return one

    add("run", "run the bot: reconciler, Slack, on-call, HTTP server")
    plan = add(
        "plan", "show what a sync would change; changes nothing", output=True, apps="*", choose=True, aliases=["diff"]
    )
    plan.add_argument("--ref", default="", help="a commit instead of the branch")
    sync = add("sync", "run one pass, to the end of the health wait", output=True, apps="*", choose=True)
    sync.add_argument("--no-wait", action="store_true", help="do not wait for health")
    sync.add_argument("--timeout", type=float, default=None, metavar="S", help="seconds to wait for health")
    sync.add_argument("--confirm", default=None, metavar="PLAN_HASH", help="a human's yes to a refused plan")
    sync.add_argument("--only", default="", metavar="KIND/NAME", help="one object, and leave the others")
    sync.add_argument("--no-announce", action="store_true", help="say nothing in Slack")
    status = add("status", "state of each app", output=True)
    status.add_argument(
        "app",
        nargs="*",
        metavar="WORD",
        help="an app, a cluster, an env, a team, a state (cluster:NAME …); all must hold",
    )
    history = add("history", "what was deployed, when, by whom", output=True, apps="?")
    history.add_argument("--limit", type=_positive, default=20)
    audit = add("audit", "who ordered, decided and changed what", output=True)
    audit.add_argument("--app", default="")
    audit.add_argument("--limit", type=_positive, default=50)
    audit.add_argument("--verify", action="store_true", help="check that no line was changed or taken out")
    audit.add_argument(
        "--head", default="", metavar="LINES:CHAIN", help="with --verify: an end of the audit kept elsewhere"
    )
    audit.add_argument("--export", action="store_true", help="every line as JSON, oldest first, with its chain")
    for name, what in (("pause", "stop applying"), ("mute", "no messages and no pages for a while; syncs go on")):
        held = add(name, what, apps="*", choose=True)
        held.add_argument("--for", dest="duration", default="", metavar="2h")
        held.add_argument("--reason", default="")
    add("resume", "end a pause and a pin; of many apps chosen by words the pauses alone", apps="*", choose=True)
    add("unmute", "end a mute", apps="*", choose=True)
    rollback = add("rollback", "converge to an earlier commit and stay there", apps="?")
    rollback.add_argument("commit", nargs="?", default="")
    rollback.add_argument("--reason", default="")
    approve = add("approve", "agree to the plan that an app waits for", apps="?")
    approve.add_argument("plan_hash", nargs="?", default="", metavar="PLAN_HASH")
    delete = add("delete", "prune the objects of an app that is no longer wanted, and forget it", output=True, apps="?")
    delete.add_argument("--keep-objects", action="store_true", help="release the objects instead of pruning them")
    delete.add_argument("--confirm", default=None, metavar="PLAN_HASH", help="a human's yes to that plan")
    restore = add("restore", "create again what was pruned in the last thirty days", apps="?")
    restore.add_argument("object", nargs="?", default="", metavar="KIND/NAME")
    restore.add_argument("--list", action="store_true", help="show what can be restored")
    verify = add("verify", "show that the cluster equals a commit, or what differs", output=True, apps="?")
    verify.add_argument("--ref", default="", metavar="COMMIT", help="default: the one that converged last")
    check = add("check", "try every connection; every problem at once, each with its fix", output=True)
    check.add_argument("--page", action="store_true", help="also open a test alert and close it again, for each team")
    rbac = add("rbac", "print the roles that give the bot exactly the rights its apps need")
    rbac.add_argument(
        "--subject", default="gitops-bot/gitops-bot", metavar="NAMESPACE/NAME", help="its service account"
    )
    rbac.add_argument("--cluster", default="", metavar="NAME", help="for one cluster (default: for each)")
    config = add("config", "about the configuration file")
    config.add_argument("what", choices=["schema"])
    slack = add("slack", "about the Slack app")
    slack.add_argument("what", choices=["manifest"])
    slack.add_argument("--mode", default="socket", choices=["socket", "http"])
    slack.add_argument(
        "--url", default="", help="for --mode http: where Slack reaches the bot (default: server.base_url)"
    )
    demo = add("demo", "a shop, its cluster, Slack and on-call desk on this machine, with the bot at work")
    demo.add_argument("--port", type=int, default=None, help="of the page; 8420 or a free one when left out")
    demo.add_argument("--no-browser", action="store_true", help="only print the page's address")
    demo.add_argument("--repo", default="", metavar="URL", help="your own repository instead of the shop's")
    demo.add_argument("--branch", default="main", help="the branch of --repo")
    demo.add_argument("--path", default="", metavar="FOLDER", help="the folder in --repo that is deployed")
    demo.add_argument("--kubeconfig", default="", metavar="FILE", help="your own cluster instead of the sandbox's")
    return parser


def _globals(parser: argparse.ArgumentParser, *, config: str, level: str, form: str) -> None:
    """Add what every command takes; a command's own defaults are suppressed, so that what precedes it stays."""
    parser.add_argument(
        "--config", default=config, help="configuration file (default $GITOPS_BOT_CONFIG, ./gitops-bot.yaml)"
    )
    parser.add_argument("--log-level", default=level, choices=["debug", "info", "warning", "error"])
    parser.add_argument("--log-format", default=form, choices=["text", "json"])


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


def config_path(given: str) -> Path:
    """Return the configuration file: the option, the environment, or the one in this folder."""
    return Path(given or os.environ.get("GITOPS_BOT_CONFIG") or "gitops-bot.yaml")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


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
