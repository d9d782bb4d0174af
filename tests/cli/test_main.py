"""What every command takes, wherever it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cli.main import build_parser, run


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
