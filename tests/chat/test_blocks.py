"""Messages: a sentence each, inside Slack's limits whatever stands in them, and nothing that shouts at everybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.blocks import attachment, render
from bot.model.announcement import Announcement, ChangeLine, News, TroubleLine
from bot.model.outcome import Cause
from bot.model.plan import Summary
from bot.model.source import Revision
from bot.sandbox.slack import limits

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def news(word: News, text: str = "It is so.", count: int = 3) -> Announcement:
    return Announcement(
        id="op_1:x",
        operation="op_1",
        news=word,
        app="shop",
        cluster="prod",
        env="production",
        channel="C1",
        at=NOW,
        revision=Revision(commit="a" * 40, author=text, subject=text),
        previous="b" * 40,
        summary=Summary(create=1),
        changes=tuple(ChangeLine(action="update", object=text, fields=(text,) * 6) for _ in range(count)),
        troubles=tuple(
            TroubleLine(subject=text, message=text, where=text, cause=Cause(pod=text, log=(text,)))
            for _ in range(count)
        ),
        warnings=(text,) * count,
        impact=(text,) * count,
        message=text,
        next_step=text,
        by="U0ANA",
        via="slack",
        reason=text,
        since=NOW,
        until=NOW,
        started_at=NOW,
        plan_hash="sha256:" + "0" * 64,
    )


@pytest.mark.parametrize("word", list(News))
def test_every_message_has_a_sentence_that_says_the_state(word: News) -> None:
    message = render(news(word))
    assert "shop / prod" in message.text
    assert "at aaaaaaa" in message.text
    assert limits.complaints(list(message.blocks)) == ()


@pytest.mark.parametrize("word", [News.FAILED, News.DIFF, News.REFUSED])
@pytest.mark.parametrize("text", ['"; `$(x)` <!channel> & \x00\n', "x" * 20_000, "😀" * 5_000, "<" * 5_000])
def test_message_stays_inside_the_limits(text: str, word: News) -> None:
    message = render(news(word, text, count=60))
    assert limits.complaints(list(message.blocks)) == ()
    assert len(orjson.dumps(message.blocks)) < 13_200


@given(st.text(max_size=200))
def test_nothing_typed_by_others_is_markup(text: str) -> None:
    message = render(news(News.FAILED, text))
    shown = orjson.dumps(message.blocks).decode() + message.text
    assert "<!channel" not in shown
    assert "<!here" not in shown


def test_mass_mention_is_neutralised() -> None:
    shown = orjson.dumps(render(news(News.FAILED, "<!channel> look")).blocks).decode()
    assert "&lt;!channel&gt;" in shown


def test_time_of_a_hand_edit_is_the_reader_s_and_the_file_has_the_hands_there_is_no_room_for() -> None:
    """Slack replaces a date in text only: in a code block everybody would read UTC."""
    edited = tuple(
        ChangeLine(action="update", object=f"ConfigMap shop/c{number}", hands=("kubectl-edit at 2026-03-01 12:00 UTC",))
        for number in range(9)
    )
    one = replace(news(News.DRIFT), changes=edited, in_thread=True)
    texts = [block["text"]["text"] for block in render(one).blocks if block["type"] == "section" and "text" in block]
    (changed,) = [text for text in texts if "Changed by" in text]
    assert changed.count("kubectl-edit at <!date^1772366400^") == 8
    assert "and 1 more" in changed
    assert not [text for text in texts if "```" in text and "UTC" in text]
    file = attachment(one)
    assert file is not None
    assert file.content.count("changed by kubectl-edit at 2026-03-01 12:00 UTC") == 9


def test_way_back_is_offered_where_a_commit_is_to_blame_and_leads_elsewhere() -> None:
    failed = news(News.FAILED)
    for one, offered in (
        (failed, True),
        (replace(failed, outage=True), False),
        (replace(failed, previous="a" * 40), False),
    ):
        assert (b"gitops.rollback" in orjson.dumps(render(one).blocks)) is offered
