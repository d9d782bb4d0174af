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


@pytest.mark.parametrize("count", [11, 300, 1000])
def test_one_commit_of_many_apps_says_how_far_it_is_and_where_and_names_as_many_as_there_is_room_for(
    count: int,
) -> None:
    lines = tuple(
        AppLine(
            key=f"prod-{n % 8}/service-{n:04}",
            name=f"service-{n:04}",
            cluster=f"prod-{n % 8}",
            env="production" if n % 3 else "staging",
            how="failed" if n in {3, 7} else "converged",
        )
        for n in range(count)
    )
    message = render(replace(SITUATIONS["rollout-converged-two-failed"], app=f"{count} apps", apps=lines))
    assert limits.complaints(list(message.blocks)) == ()
    assert limits.characters(message.blocks) < limits.ALL_BLOCKS_CHARACTERS
    shown = json.dumps(message.blocks)
    assert f"{count - 2} of {count} apps converged in 22 s" in shown
    assert "Not converged: service-0003, service-0007." in message.text
    assert all(f"{one.cluster} ({one.env}): " in shown for one in lines)
    assert all(name in shown for name in ("service-0003", "service-0007"))
    assert ("`/gitops status` shows it" in shown) is (count == 1000)
    assert all(one.name in shown for one in lines) is (count < 1000)


def test_of_hundreds_of_apps_that_fail_and_wait_in_a_rollout_a_screen_is_left() -> None:
    how = ("failed", "syncing", "converged", "waiting for approval", "went on to a1b2c3d")
    lines = tuple(
        AppLine(
            key=f"c{n}/{n:03}{'x' * 60}", name=f"{n:03}{'x' * 60}", cluster=f"cluster-{n}", env="e" * 40, how=how[n % 5]
        )
        for n in range(1000)
    )
    message = render(replace(SITUATIONS["rollout-syncing"], apps=lines))
    assert limits.complaints(list(message.blocks)) == ()
    assert limits.characters(message.blocks) < limits.ALL_BLOCKS_CHARACTERS
    assert "200 of 1000 apps converged" in message.text
    assert "and 980 more" in json.dumps(message.blocks)
