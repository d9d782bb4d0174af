"""Every command and its arguments. What they mean is in the files of the commands: nothing else is imported here."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from bot.errors import UsageError

_APPS: Final = (
    "an app, or words that choose all of which they are true: cluster:NAME, env:NAME, team:NAME, state:failing, "
    "app:NAME, all; several must hold"
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message} (see {self.prog} --help)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuse what this parser does not know, where argparse leaves it to the parser of all commands."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown


class _Commands:
    """The commands of a parser; all of them take the global options too."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._commands: Any = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        self,
        name: str,
        help: str,
        *,
        output: bool = False,
        apps: str = "",
        choose: bool = False,
        aliases: Sequence[str] = (),
    ) -> _Parser:
        """Add a command: with an app or several, by `apps` as nargs, which words may `choose`; with `--output`."""
        one: _Parser = self._commands.add_parser(name, help=help, aliases=aliases)
        _globals(one, config=argparse.SUPPRESS, level=argparse.SUPPRESS, form=argparse.SUPPRESS)
        if apps:
            one.add_argument("app", nargs=apps, metavar="APP", help=_APPS if choose else None)
        if output:
            one.add_argument("--output", "-o", default="text", choices=["text", "json"])
        one.set_defaults(command=name)
        return one


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    parser = _Parser(prog="gitops-bot", description="Keeps Kubernetes clusters equal to Git, and people informed.")
    _globals(parser, config="", level="info", form="text")
    commands = _Commands(parser)
    _add_syncing(commands)
    _add_looking(commands)
    _add_ordering(commands)
    _add_checking(commands)
    return parser


def _add_syncing(commands: _Commands) -> None:
    """Add what reconciles."""
    commands.add("run", "run the bot: reconciler, Slack, on-call, HTTP server")
    plan = commands.add(
        "plan", "show what a sync would change; changes nothing", output=True, apps="*", choose=True, aliases=["diff"]
    )
    plan.add_argument("--ref", default="", help="a commit instead of the branch")
    sync = commands.add("sync", "run one pass, to the end of the health wait", output=True, apps="*", choose=True)
    sync.add_argument("--no-wait", action="store_true", help="do not wait for health")
    sync.add_argument("--timeout", type=float, default=None, metavar="S", help="seconds to wait for health")
    sync.add_argument("--confirm", default=None, metavar="PLAN_HASH", help="a human's yes to a refused plan")
    sync.add_argument("--only", default="", metavar="KIND/NAME", help="one object, and leave the others")
    sync.add_argument("--no-announce", action="store_true", help="say nothing in Slack")


def _add_looking(commands: _Commands) -> None:
    """Add what looks and changes nothing."""
    status = commands.add("status", "state of each app", output=True)
    status.add_argument(
        "app",
        nargs="*",
        metavar="WORD",
        help="an app, a cluster, an env, a team, a state (cluster:NAME …), a commit; all must hold",
    )
    history = commands.add("history", "what was deployed, when, by whom", output=True, apps="?")
    history.add_argument("--limit", type=_positive, default=20)
    audit = commands.add("audit", "who ordered, decided and changed what", output=True)
    audit.add_argument("--app", default="")
    audit.add_argument("--limit", type=_positive, default=50)
    audit.add_argument("--verify", action="store_true", help="check that no line was changed or taken out")
    audit.add_argument(
        "--head", default="", metavar="LINES:CHAIN", help="with --verify: an end of the audit kept elsewhere"
    )
    audit.add_argument("--export", action="store_true", help="every line as JSON, oldest first, with its chain")


def _add_ordering(commands: _Commands) -> None:
    """Add what changes what the bot does with an app."""
    for name, what in (("pause", "stop applying"), ("mute", "no messages and no pages for a while; syncs go on")):
        held = commands.add(name, what, apps="*", choose=True)
        held.add_argument("--for", dest="duration", default="", metavar="2h")
        held.add_argument("--reason", default="")
    commands.add(
        "resume", "end a pause and a pin; of many apps chosen by words the pauses alone", apps="*", choose=True
    )
    commands.add("unmute", "end a mute", apps="*", choose=True)
    rollback = commands.add("rollback", "converge to an earlier commit and stay there", apps="?")
    rollback.add_argument("commit", nargs="?", default="")
    rollback.add_argument("--reason", default="")
    approve = commands.add("approve", "agree to the plan that an app waits for", apps="?")
    approve.add_argument("plan_hash", nargs="?", default="", metavar="PLAN_HASH")
    delete = commands.add(
        "delete", "prune the objects of an app that is no longer wanted, and forget it", output=True, apps="?"
    )
    delete.add_argument("--keep-objects", action="store_true", help="release the objects instead of pruning them")
    delete.add_argument("--confirm", default=None, metavar="PLAN_HASH", help="a human's yes to that plan")
    restore = commands.add("restore", "create again what was pruned in the last thirty days", apps="?")
    restore.add_argument("object", nargs="?", default="", metavar="KIND/NAME")
    restore.add_argument("--list", action="store_true", help="show what can be restored")


def _add_checking(commands: _Commands) -> None:
    """Add what proves that all is right, and what helps to install and to try."""
    verify = commands.add("verify", "show that the cluster equals a commit, or what differs", output=True, apps="?")
    verify.add_argument("--ref", default="", metavar="COMMIT", help="default: the one that converged last")
    check = commands.add("check", "try every connection; every problem at once, each with its fix", output=True)
    check.add_argument("--page", action="store_true", help="also open a test alert and close it again, for each team")
    rbac = commands.add("rbac", "print the roles that give the bot exactly the rights its apps need")
    rbac.add_argument(
        "--subject", default="gitops-bot/gitops-bot", metavar="NAMESPACE/NAME", help="its service account"
    )
    rbac.add_argument("--cluster", default="", metavar="NAME", help="for one cluster (default: for each)")
    config = commands.add("config", "about the configuration file")
    config.add_argument("what", choices=["schema"])
    slack = commands.add("slack", "about the Slack app")
    slack.add_argument("what", choices=["manifest"])
    slack.add_argument("--mode", default="socket", choices=["socket", "http"])
    slack.add_argument(
        "--url", default="", help="for --mode http: where Slack reaches the bot (default: server.base_url)"
    )
    demo = commands.add("demo", "a shop, its cluster, Slack and on-call desk on this machine, with the bot at work")
    demo.add_argument("--port", type=int, default=None, help="of the page; 8420 or a free one when left out")
    demo.add_argument("--no-browser", action="store_true", help="only print the page's address")
    demo.add_argument("--repo", default="", metavar="URL", help="your own repository instead of the shop's")
    demo.add_argument("--branch", default="main", help="the branch of --repo")
    demo.add_argument("--path", default="", metavar="FOLDER", help="the folder in --repo that is deployed")
    demo.add_argument("--kubeconfig", default="", metavar="FILE", help="your own cluster instead of the sandbox's")


def _globals(parser: argparse.ArgumentParser, *, config: str, level: str, form: str) -> None:
    """Add what every command takes; a command's own defaults are suppressed, so that what precedes it stays."""
    parser.add_argument(
        "--config", default=config, help="configuration file (default $GITOPS_BOT_CONFIG, ./gitops-bot.yaml)"
    )
    parser.add_argument("--log-level", default=level, choices=["debug", "info", "warning", "error"])
    parser.add_argument("--log-format", default=form, choices=["text", "json"])


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
