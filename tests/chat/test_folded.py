"""Hundreds of apps in one message: every name is there, inside Slack's limits."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bot.chat.blocks import render
from bot.model.announcement import AppLine
from bot.sandbox.slack import limits
from tests.chat.situations import SITUATIONS


@pytest.mark.parametrize("count", [2, 40, 41, 300])
def test_every_app_is_named(count: int) -> None:
    lines = tuple(AppLine(key=f"prod/service-{n:04}", name=f"service-{n:04}", cluster="prod") for n in range(count))
    message = render(replace(SITUATIONS["failed-thirty-apps-for-one-reason"], apps=lines))
    assert limits.complaints(list(message.blocks)) == ()
    assert limits.characters(message.blocks) < limits.ALL_BLOCKS_CHARACTERS
    assert [one.name for one in lines if one.name not in json.dumps(message.blocks)] == []


def test_of_a_thousand_the_rest_is_a_command_away() -> None:
    lines = tuple(AppLine(key=f"prod/service-{n:04}", name=f"service-{n:04}", cluster="prod") for n in range(1000))
    message = render(replace(SITUATIONS["failed-thirty-apps-for-one-reason"], apps=lines))
    assert limits.complaints(list(message.blocks)) == ()
    assert "`/gitops status` shows it" in json.dumps(message.blocks)
