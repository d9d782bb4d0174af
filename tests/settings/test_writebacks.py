"""Write-backs in the file: where they are, what they need, and which apps they hear."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot.settings.writebacks import Function, Pipelines
from tests.settings.test_load import GOOD, problems, read

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:shop:live"


@pytest.mark.parametrize(
    ("function", "region"),
    [
        ("shop", "eu-west-1"),
        ("shop:live", "eu-west-1"),
        ("shop:$LATEST", "eu-west-1"),
        ("123456789012:function:shop", "us-gov-west-1"),
        (ARN, ""),
        (ARN, "eu-west-1"),
    ],
)
def test_function_is_named_as_aws_names_it(tmp_path: Path, function: str, region: str) -> None:
    entry = f"writebacks: [{{type: lambda, function: '{function}', region: '{region}'}}]\n"
    (one,) = read(tmp_path, GOOD + entry).settings.writebacks
    assert isinstance(one, Function)
    assert (one.function, one.place) == (function, region or "eu-west-1")
    assert one.events == ("diff", "converged", "failed", "rolled-back")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("function: shop", "writebacks[0].region: say where the function is, such as eu-west-1"),
        (f"function: '{ARN}', region: us-east-1", "writebacks[0].region: the ARN says eu-west-1: take region out"),
        ("function: 'a b', region: eu-west-1", "writebacks[0].function: expected the name of a function, `name:alias`"),
        ("function: shop, region: Ireland", "writebacks[0].region: expected text like"),
        ("function: shop, region: eu-west-1, events: [gone]", "writebacks[0].events[0]: expected"),
        ("function: shop, region: eu-west-1, colour: red", "writebacks[0].colour is no known key"),
    ],
)
def test_function_that_cannot_be_is_said_with_its_line(tmp_path: Path, entry: str, said: str) -> None:
    (found,) = problems(tmp_path, GOOD + f"writebacks: [{{type: lambda, {entry}}}]\n")
    assert found.startswith(f"gitops-bot.yaml:11: {said}")


def test_pipelines_are_started_by_what_converged(tmp_path: Path) -> None:
    entry = "writebacks: [{type: spinnaker, url: 'http://spin-gate.spinnaker:8084'}]\n"
    (one,) = read(tmp_path, GOOD + entry).settings.writebacks
    assert isinstance(one, Pipelines)
    assert (one.source, one.events, one.secret_env, one.token_env) == ("gitops-bot", ("converged",), "", "")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("url: gate.example.com", "writebacks[0].url: expected text like"),
        ("url: 'https://g.example.com', source: a/b", "writebacks[0].source: expected text like"),
        ("url: 'https://g.example.com', secret_env: T", "writebacks[0]: the environment variable T"),
        ("url: 'https://g.example.com', token_env: T", "writebacks[0]: the environment variable T"),
        ("url: 'http://g.example.com', secret_env: S", "writebacks[0].url: a token is not sent over plain http"),
        ("url: 'http://g.example.com', token_env: S", "writebacks[0].url: a token is not sent over plain http"),
    ],
)
def test_pipelines_that_cannot_be_started_are_said_with_their_line(tmp_path: Path, entry: str, said: str) -> None:
    (found,) = problems(tmp_path, GOOD + f"writebacks: [{{type: spinnaker, {entry}}}]\n", S="canary")
    assert found.startswith(f"gitops-bot.yaml:11: {said}")
    assert "canary" not in found


def test_function_without_the_library_for_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    (found,) = problems(tmp_path, GOOD + "writebacks: [{type: lambda, function: shop, region: eu-west-1}]\n")
    assert found == "gitops-bot.yaml:11: writebacks[0].type: functions need botocore: pip install 'gitops-bot[aws]'"
