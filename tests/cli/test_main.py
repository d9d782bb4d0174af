"""What every command takes, wherever it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from bot.cli.arguments import build_parser
from bot.cli.checking import addresses
from bot.cli.main import run
from bot.settings import load

APPS: Final = """\
clusters: [{name: prod}]
repos: [{name: fleet, url: fleet.git}, {name: shop, url: shop.git}]
apps: [{name: payments, repo: fleet, path: ., cluster: prod}]
"""


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["plan"], ("", "info", "text")),
        (["--config", "a.yaml", "--log-level", "debug", "plan"], ("a.yaml", "debug", "text")),
        (["plan", "shop", "--config", "a.yaml", "--log-format", "json"], ("a.yaml", "info", "json")),
        (["--config", "a.yaml", "diff", "--log-level", "error", "--config", "b.yaml"], ("b.yaml", "error", "text")),
    ],
)
def test_options_of_every_command_stand_before_or_after_its_name(
    typed: list[str], expected: tuple[str, str, str]
) -> None:
    known = build_parser().parse_args(typed)
    assert (known.config, known.log_level, known.log_format) == expected


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ([], "gitops-bot: the following arguments are required: COMMAND (see gitops-bot --help)"),
        (["demo", "--bogus"], "gitops-bot demo: unrecognized arguments: --bogus (see gitops-bot demo --help)"),
        (["status", "--output", "xml"], "gitops-bot status: argument --output/-o: invalid choice: 'xml'"),
        (
            ["plan", "--config", "nowhere.yaml"],
            "nowhere.yaml: no such file: name it with --config or GITOPS_BOT_CONFIG",
        ),
    ],
)
def test_bad_usage_is_one_line_and_64(
    typed: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(typed) == 64
    out = capsys.readouterr()
    assert out.err.startswith(said)
    assert out.err.count("\n") == 1
    assert out.out == ""


def test_manifest_takes_the_address_of_the_configuration_before_there_are_tokens(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Slack is told where the bot is when its app is created: its tokens come after that."""
    file = tmp_path / "gitops-bot.yaml"
    file.write_text(
        APPS + "slack: {mode: http, default_channel: C0}\nserver: {base_url: https://gitops.example.com/}\n"
    )
    assert run(["slack", "manifest", "--mode", "http", "--config", str(file)]) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert settings["interactivity"]["request_url"] == "https://gitops.example.com/slack/events"
    file.write_text(APPS + "slack: {mode: http, default_channel: C0}\n")
    assert run(["slack", "manifest", "--mode", "http", "--config", str(file)]) == 64
    assert "needs --url, or server.base_url" in capsys.readouterr().err


def test_check_says_where_others_post_to(tmp_path: Path) -> None:
    file = tmp_path / "gitops-bot.yaml"
    file.write_text(APPS + "server: {base_url: https://gitops.example.com/bot/}\n")
    secrets = {"WEBHOOK_SECRET_FLEET": "canary", "ONCALL_WEBHOOK_SECRET": "canary"}
    assert addresses(load(file, secrets)) == {
        "pushes to fleet": "https://gitops.example.com/bot/webhooks/git/fleet",
        "on-call": "https://gitops.example.com/bot/webhooks/oncall",
    }
    assert addresses(load(file, {})) == {}


def test_machine_without_git_is_told_to_install_it(tmp_path: Path) -> None:
    """GitPython cannot even be imported there: every command ended with an unexpected error."""
    file = tmp_path / "gitops-bot.yaml"
    file.write_text(APPS)
    options = ["--config", str(file), "--log-level", "error"]
    environment = {"PATH": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}

    def typed(*words: str) -> tuple[int, str]:
        ended = subprocess.run(
            [sys.executable, "-m", "bot", *options, *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.returncode, ended.stdout + ended.stderr

    assert "install git" in typed("plan")[1]
    status, said = typed("status")
    assert status == 0, said


def test_parent_that_ignores_the_end_of_its_children_changes_nothing(tmp_path: Path) -> None:
    """A shell or supervisor may: the system then reaps git, and nobody hears its status."""
    file = tmp_path / "gitops-bot.yaml"
    file.write_text(APPS)
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    bot = [sys.executable, "-m", "bot", "--config", str(file), "--log-level", "error", "plan"]
    ended = subprocess.run([sys.executable, "-c", ignoring, *bot], capture_output=True, text=True, check=False)
    assert "fleet.git" in ended.stdout + ended.stderr
    assert "No child processes" not in ended.stdout + ended.stderr
    assert "unexpected" not in ended.stdout + ended.stderr
