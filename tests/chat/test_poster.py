"""The way to Slack on the wire, by a clock that a test winds on: an hour of silence, a lost token, a closed channel."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.chat.people import People
from bot.chat.poster import SlackSink
from bot.delivery.courier import Courier
from bot.model.announcement import Announcement, AppLine, News, TroubleLine
from bot.model.record import Dispatch, SinkName
from bot.model.source import Revision
from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.slack import SlackWorkspace
from bot.sandbox.slack.values import Channel, Message, User
from bot.state.store import SqlStore
from tests.waiting import PATIENCE_SECONDS, until

HOME, OTHER = "C0DEPLOYS", "C0SHOP"
ANA = User(id="U0ANA", name="ana", real_name="Ana Lima", email="ana@example.com")


@dataclass
class Day:
    """The real clock, wound on by hand."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(tz=UTC) + self.ahead


class Post:
    """A store, a courier and a workspace."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.day = Day()
        self.failures: list[str] = []
        self.slack = SlackWorkspace(
            users=(ANA,), channels=(Channel(id=HOME, name="deploys"), Channel(id=OTHER, name="shop"))
        )
        self.slack.start()
        stack.callback(self.slack.stop)
        self.store = SqlStore(f"sqlite:///{folder / 'bot.db'}")
        stack.callback(self.store.close)
        people = People(self.slack.bot_token, api_url=self.slack.api_url, clock=self.day)
        self.sink = sink = SlackSink(
            self.slack.bot_token,
            api_url=self.slack.api_url,
            store=self.store,
            fallback_channel=HOME,
            people=people,
            clock=self.day,
            diverted=lambda: self.failures.append("diverted"),
        )
        self.courier = Courier(
            self.store,
            [sink],
            clock=self.day,
            tell=lambda *_: (),
            failed=lambda sink, how: self.failures.append(f"{sink.value} {how}"),
        )
        self.courier.start()
        stack.callback(lambda: self.courier.stop(timeout=timedelta(seconds=PATIENCE_SECONDS)))

    def say(self, *news: Announcement) -> None:
        self.store.dispatch(
            [
                Dispatch(
                    sink=SinkName.SLACK,
                    lane=one.channel,
                    parcel=one,
                    collapse=one.root_key if one.news is News.SYNCING else "",
                )
                for one in news
            ]
        )
        self.courier.wake()

    def wind(self, span: timedelta) -> None:
        self.day.ahead += span
        self.courier.wake()

    def trouble(self) -> str:
        """Wait until a delivery has failed, and the time of its next try stands; return why."""
        troubles: dict[str, str] = until(self.courier.troubles, "a delivery fails")
        until(lambda: not self.store.due_lanes(SinkName.SLACK, now=self.day()), "it waits for that")
        return troubles["slack"]

    def shown(self, channel: str, *words: str) -> Message:
        def found() -> list[Message]:
            return [one for one in self.slack.messages(channel) if all(word in one.text for word in words)]

        assert self.slack.wait_until(lambda: bool(found())), [one.text for one in self.slack.messages(channel)]
        return found()[-1]


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    with ExitStack() as stack:
        yield Post(tmp_path, stack)


def news(id: str, operation: str = "op_1", *, word: News = News.SYNCING, channel: str = HOME) -> Announcement:
    return Announcement(
        id=id,
        operation=operation,
        news=word,
        app="shop",
        cluster="prod",
        env="",
        channel=channel,
        at=datetime.now(tz=UTC),
        message=f"Said {id}.",
    )


def test_hour_without_slack_leaves_the_last_of_thousands_of_edits(post: Post) -> None:
    operations = ["op_1", "op_2", "op_3"]
    post.slack.fail("*", Fault(kind=FaultKind.REFUSE), times=None)
    post.say(news("first", "op_0", word=News.DIFF))
    assert "cannot be reached" in post.trouble()
    for minute in range(60):
        edits = [news(f"{one}-{minute}-{number}", one) for number in range(10) for one in operations]
        post.say(*edits)
        post.wind(timedelta(minutes=1))
    assert post.store.waiting(SinkName.SLACK) == 1 + len(operations)
    post.slack.heal()
    post.wind(timedelta(minutes=1))
    for one in operations:
        post.shown(HOME, f"Said {one}-59-9.")
    assert len(post.slack.roots(HOME)) == 1 + len(operations)
    said = [one for one in post.slack.calls() if one.method.startswith("chat.") and one.outcome == "ok"]
    assert len(said) == 1 + len(operations)


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ("token_revoked", "set SLACK_BOT_TOKEN"),
        ("invalid_auth", "set SLACK_BOT_TOKEN"),
        ("missing_scope", "add the scope"),
    ],
)
def test_token_that_is_refused_is_said_with_its_fix_and_loses_nothing(post: Post, error: str, hint: str) -> None:
    post.slack.fail("*", Fault(kind=FaultKind.ERROR, error=error), times=None)
    post.say(news("first", word=News.FAILED), news("second", word=News.CONVERGED))
    assert hint in post.trouble()
    post.wind(timedelta(seconds=59))
    assert len(post.slack.calls("chat.postMessage")) == 1  # no storm: a person has to mend it
    post.slack.heal()
    post.wind(timedelta(minutes=1))
    post.shown(HOME, "Converged", "Said second.")
    assert len(post.slack.roots(HOME)) == 1
    assert post.failures == ["slack late"]


def test_channel_that_is_archived_halfway_goes_on_in_the_fallback_channel(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.say(news("first", word=News.FAILED, channel=OTHER))
    post.shown(OTHER, "Said first.")
    post.slack.set_channel(Channel(id=OTHER, name="shop", archived=True))
    with caplog.at_level(logging.ERROR):
        post.say(news("second", word=News.CONVERGED, channel=OTHER))
        post.shown(HOME, "Converged", "Said second.")
    assert "takes no messages (is_archived)" in caplog.text
    why = post.shown(HOME, f"<#{OTHER}> takes no messages from me: it is archived.")
    assert "comes here. To mend it, unarchive it, or name another one in the configuration." in why.text
    assert post.failures == ["diverted"]
    quiet = replace(news("third", word=News.CONVERGED, channel=OTHER), edits_only=True)
    post.say(quiet, news("fourth", "op_2", word=News.DIFF, channel=OTHER))
    post.shown(HOME, "Said fourth.")
    assert len(post.slack.roots(HOME)) == 3  # why they come here is said once
    assert post.failures == ["diverted", "diverted"]


def test_message_about_many_takes_the_place_of_the_first_and_leaves_it_its_thread(post: Post) -> None:
    post.say(news("alone", word=News.FAILED))
    first = post.shown(HOME, "Said alone.")
    line = AppLine(key="prod/shop", name="shop", cluster="prod")
    many = replace(news("many", "op_1:many", word=News.FAILED), inherits="op_1", apps=(line,))
    post.say(many, replace(news("line", word=News.PAGED), in_thread=True))
    assert post.shown(HOME, "Said many.").ts == first.ts
    assert post.shown(HOME, "Said line.").thread_ts == first.ts
    post.say(replace(news("quiet", word=News.CONVERGED), edits_only=True), news("anew", word=News.DIFF))
    post.shown(HOME, "Said anew.")
    assert [one.text.partition("Said ")[2] for one in post.slack.roots(HOME)] == ["many. Failing: shop.", "anew."]


def test_first_failure_of_an_operation_rings_once_and_mentions_the_author(post: Post) -> None:
    """An edit notifies nobody: the failure is also a line in the thread that the channel sees."""
    blamed = Revision(commit="a1b2c3d" + "0" * 33, author=ANA.real_name, email=ANA.email)
    failed = replace(news("failed", word=News.FAILED), revision=blamed, next_step="Push a fix. It is tried again.")
    post.say(news("begun", word=News.DIFF))
    root = post.shown(HOME, "Said begun.")
    post.say(failed)
    line = post.shown(HOME, "could not be synced at a1b2c3d", f"<@{ANA.id}>", "Said failed.", "Next: Push a fix.")
    assert line.thread_ts == root.ts
    again = replace(failed, id="again", message="Said again.", failures=2, edits_only=True)
    post.say(again, news("over", word=News.CONVERGED))
    post.shown(HOME, "Said over.")
    posts = [one.arguments for one in post.slack.calls() if one.method == "chat.postMessage"]
    assert [str(one.get("reply_broadcast", "")).lower() in {"1", "true"} for one in posts] == [False, True]
    assert [one.ts for one in post.slack.roots(HOME)] == [root.ts]


def test_ring_that_is_refused_is_tried_again_alone(post: Post) -> None:
    """The edit before it was made again with each try, and so was the file."""
    long = TroubleLine(subject="ConfigMap shop", message="x" * 5_000)
    post.say(news("begun", word=News.DIFF))
    post.shown(HOME, "Said begun.")
    post.slack.fail("chat.postMessage", Fault(kind=FaultKind.THROTTLE, seconds=2), times=1)
    post.say(replace(news("failed", word=News.FAILED), troubles=(long,)))
    assert post.trouble() == "Slack asks to wait"
    post.wind(timedelta(seconds=2))
    post.shown(HOME, "could not be synced", "Said failed.")
    calls = [one.method for one in post.slack.calls() if one.outcome == "ok"]
    assert (calls.count("chat.update"), calls.count("files.completeUploadExternal")) == (1, 1)


def test_failure_that_is_a_message_of_its_own_rings_by_itself(post: Post) -> None:
    post.say(news("failed", word=News.FAILED), news("over", word=News.CONVERGED))
    post.shown(HOME, "Said over.")
    assert [one.method for one in post.slack.calls()].count("chat.postMessage") == 1


def test_app_among_many_is_linked_to_the_message_that_says_why(post: Post) -> None:
    post.say(news("failed", word=News.FAILED))
    failed = post.shown(HOME, "Said failed.")
    lines = tuple(
        AppLine(key=f"prod/{name}", name=name, cluster="prod", how=how, root=root)
        for name, how, root in (("shop", "failed", "op_1"), ("cart", "failed", "op_unknown"), ("docs", "converged", ""))
    )
    post.say(replace(news("all", "op_2", word=News.CONVERGED), apps=lines))
    shown = str(post.shown(HOME, "Said all.").blocks)
    link = f"archives/{HOME}/p{failed.ts.replace('.', '')}|shop>"
    assert link in shown
    assert "failed: cart, <" in shown
    assert shown.count("|shop>") == 1


def test_question_that_takes_over_a_message_rings_and_its_count_does_not(post: Post) -> None:
    post.say(news("failed", word=News.FAILED))
    root = post.shown(HOME, "Said failed.")
    post.say(replace(news("asked", word=News.APPROVAL), rings=True), news("counted", word=News.APPROVAL))
    post.shown(HOME, "Said counted.")
    line = post.shown(HOME, "shop / prod waits for approval. Said asked.")
    assert line.thread_ts == root.ts
    assert [one.method for one in post.slack.calls()].count("chat.postMessage") == 2


def test_end_of_a_page_is_seen_by_the_channel(post: Post) -> None:
    post.say(news("failed", word=News.FAILED), replace(news("closed", word=News.PAGE_CLOSED), in_thread=True))
    post.shown(HOME, "Said closed.")
    posts = [one.arguments for one in post.slack.calls() if one.method == "chat.postMessage"]
    assert [str(one.get("reply_broadcast", "")).lower() in {"1", "true"} for one in posts] == [False, True]


def test_link_of_a_message_is_permanent_and_that_of_its_channel_while_it_waits(post: Post) -> None:
    assert post.sink.link("op_1", HOME) == ""  # Slack has not said where it is read
    post.say(news("first", word=News.DIFF))
    root = post.shown(HOME, "Said first.")
    place = f"{post.slack.url}/archives/{HOME}"
    until(lambda: post.sink.link("op_1", HOME) == f"{place}/p{root.ts.replace('.', '')}")
    assert post.sink.link("op_2", HOME) == place
    assert post.sink.link("op_2", "") == ""
