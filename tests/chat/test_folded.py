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


@pytest.mark.parametrize("count", [30, 100, 300])
def test_every_app_is_named_and_up_to_a_hundred_with_their_reasons_as_far_as_there_is_room(count: int) -> None:
    lines = tuple(
        AppLine(
            key=f"prod/service-{n:04}", name=f"service-{n:04}", cluster="prod", reason=f"no field {n:03} {'x' * 500}"
        )
        for n in range(count)
    )
    message = render(replace(SITUATIONS["failed-three-apps-for-reasons-of-their-own"], apps=lines))
    assert limits.complaints(list(message.blocks)) == ()
    assert limits.characters(message.blocks) < limits.ALL_BLOCKS_CHARACTERS
    shown = json.dumps(message.blocks)
    assert [one.name for one in lines if one.name not in shown] == []
    assert all((one.reason[:12] in shown) is (count <= 100) for one in lines)


def test_of_a_thousand_the_rest_is_a_command_away() -> None:
    lines = tuple(AppLine(key=f"prod/service-{n:04}", name=f"service-{n:04}", cluster="prod") for n in range(1000))
    message = render(replace(SITUATIONS["failed-thirty-apps-for-one-reason"], apps=lines))
    assert limits.complaints(list(message.blocks)) == ()
    assert "`/gitops status` shows it" in json.dumps(message.blocks)
