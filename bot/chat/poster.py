"""The way out to Slack: one root message per operation, edited in place, the rest in its thread.

An edit rings for nobody: trouble or a question that takes over a message is also a line in its thread that the channel
sees.

A post that Slack had accepted although the connection broke is posted again at most once more; its timestamp then
names the message that goes on. Nothing here waits: what Slack asks to wait for is handed back to the lane.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook import WebhookClient

from bot.chat.blocks import TROUBLED, Attachment, alarm, attachment, render
from bot.chat.people import People
from bot.chat.sentence import sentence
from bot.errors import DeliveryFailed
from bot.model.announcement import Announcement, News, Reply
from bot.model.record import Consignment, SinkName
from bot.ports.state import MessageRef, Store

log = logging.getLogger(__name__)

_TIMEOUT_SECONDS: Final = 10
_AFTER_POST: Final = 1.0  # chat.postMessage: about one a second and channel
_AFTER_EDIT: Final = 0.2
_RETRY_SECONDS: Final = 1.0
_REFUSED_SECONDS: Final = 60.0  # a token or a right that a person must mend
_BROADCAST: Final = frozenset({News.REMINDER, News.PAGE_CLOSED})  # who forgot, or was called, looks into no thread
_LINKED: Final = 40  # apps; a link takes the room of ten names
_WORD: Final = re.compile(r"[a-z_]+")  # what Slack's errors are; a maintenance page is none
_CLOSED: Final = {
    "channel_not_found": ("I do not see it", "type /invite @gitops there, or put its id into the configuration"),
    "not_in_channel": ("I am not in it", "type /invite @gitops there"),
    "is_archived": ("it is archived", "unarchive it, or name another one in the configuration"),
    "restricted_action": ("only some people may post there", "let me post there, or name another one"),
}  # why a channel takes no message, and what to do
_NO_CHANNEL: Final = frozenset(_CLOSED)
_NO_MESSAGE: Final = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
_MENDABLE: Final = frozenset({"invalid_auth", "account_inactive", "token_revoked", "missing_scope", "not_authed"})


class SlackSink:
    """A `bot.ports.delivery.Sink`. `fallback_channel` takes what an app's channel does not; `diverted` hears of it."""

    name = SinkName.SLACK

    def __init__(
        self,
        token: str,
        *,
        api_url: str,
        store: Store,
        fallback_channel: str,
        people: People,
        clock: Callable[[], datetime],
        diverted: Callable[[], None],
    ) -> None:
        self._token, self._api_url, self._store, self._people = token, api_url, store, people
        self._fallback, self._clock, self._diverted = fallback_channel, clock, diverted
        self._local = threading.local()
        self._done: dict[str, set[str]] = {}  # what is not done again of news that is tried again; by its lane's worker
        self._explained: set[tuple[str, str]] = set()  # closed channels and why, said since the start
        self._workspace = ""  # its web address; one write of one reference, by whoever posts first

    def link(self, operation: str, channel: str) -> str:
        """Return the permanent link of a root message, or of its channel while it waits; "" while neither is known."""
        root = self._store.message(operation) if self._workspace else None
        if root is not None:
            return f"{self._workspace}archives/{root.channel}/p{root.ts.replace('.', '')}"
        return f"{self._workspace}archives/{channel}" if self._workspace and channel else ""

    def deliver(self, consignment: Consignment) -> float:
        """Deliver one parcel; return the seconds its lane rests. Raises `DeliveryFailed`."""
        parcel = consignment.parcel
        try:
            if isinstance(parcel, Reply):
                return self._reply(parcel)
            assert isinstance(parcel, Announcement)  # the sink's rows hold nothing else
            rest = self._announce(parcel)
        except SlackApiError as error:
            failed = self._failed(error)
            if failed.retry_after_seconds is None:
                self._done.pop(parcel.id, None)
            raise failed from error
        except (SlackClientError, OSError, ValueError) as error:
            raise DeliveryFailed(
                f"Slack cannot be reached: {type(error).__name__}", retry_after_seconds=_RETRY_SECONDS
            ) from error
        self._done.pop(parcel.id, None)
        self._ask_workspace()
        return rest

    def _announce(self, news: Announcement) -> float:
        root = self._root(news)
        if news.edits_only and (root is None or news.in_thread):
            return 0.0
        file = attachment(news)
        if root is not None and news.in_thread and file is not None:
            self._upload(file, root, comment=sentence(news))
            return _AFTER_POST
        if root is None or news.in_thread:
            self._post(news, root)
            return _AFTER_POST
        done = self._done.setdefault(news.id, set())
        try:
            if "edit" not in done:
                self._client().chat_update(channel=root.channel, ts=root.ts, **self._content(news))
        except SlackApiError as error:
            if error.response.get("error") not in _NO_MESSAGE | _NO_CHANNEL:
                raise
            if news.edits_only:
                return _AFTER_EDIT
            self._post(news, None)  # the message was deleted, or its channel: the operation goes on in a new one
            return _AFTER_POST
        done.add("edit")
        if file is not None and not news.edits_only and "file" not in done:  # it is in the thread since the edge
            self._upload(file, root, comment="")
            done.add("file")
        if not news.edits_only and (news.rings or (news.news in TROUBLED and not news.apps)):
            self._ring(news, root)
            return _AFTER_POST
        return _AFTER_EDIT

    def _root(self, news: Announcement) -> MessageRef | None:
        """Return the message that this one edits or answers; a first one may take the place of another."""
        root = self._store.message(news.root_key)
        if root is None and news.inherits:
            root = self._store.inherit(news.inherits, news.root_key, about=_about(news))
        return None if root is not None and root.taken and not news.in_thread else root

    def _upload(self, file: Attachment, root: MessageRef, *, comment: str) -> None:
        """Put a file into the thread; the comment is the message beside it, so that both arrive or neither."""
        self._client().files_upload_v2(
            channel=root.channel,
            thread_ts=root.ts,
            content=file.content,
            filename=file.name,
            title=file.title,
            initial_comment=comment or None,
        )

    def _post(self, news: Announcement, root: MessageRef | None) -> None:
        content = {**self._content(news), "unfurl_links": False}
        channel = root.channel if root is not None else news.channel
        thread_ts = root.ts if root is not None else None
        if root is not None and news.news in _BROADCAST:
            content["reply_broadcast"] = True
        try:
            answer = self._client().chat_postMessage(channel=channel, thread_ts=thread_ts, **content)
        except SlackApiError as error:
            reason = str(error.response.get("error"))
            if reason not in _NO_CHANNEL or channel == self._fallback or not self._fallback:
                raise
            self._divert(channel, reason)
            answer = self._client().chat_postMessage(channel=self._fallback, **content)
        if root is None:
            made = MessageRef(channel=str(answer["channel"]), ts=str(answer["ts"]))
            self._store.save_message(news.root_key, made, about=_about(news))
            file = attachment(news)
            if file is not None:
                self._upload(file, made, comment="")

    def _divert(self, channel: str, reason: str) -> None:
        """Say why messages of a channel come to another one: there once, and in the log each time."""
        what, fix = _CLOSED[reason]
        log.error("Slack channel %s takes no messages (%s): %s", channel, reason, fix)
        if (channel, reason) not in self._explained:
            text = (
                f"<#{channel}> takes no messages from me: {what}. What is meant for it comes here. To mend it, {fix}."
            )
            self._client().chat_postMessage(channel=self._fallback, text=text)
            self._explained.add((channel, reason))
        self._diverted()

    def _ask_workspace(self) -> None:
        """Learn the address under which people read messages; without it pages lack a link, and nothing else."""
        if self._workspace:
            return
        try:
            self._workspace = str(self._client().auth_test()["url"])
        except (SlackApiError, SlackClientError, OSError, ValueError) as error:
            log.warning("Slack does not say where it is read, asked again later: %s", type(error).__name__)

    def _ring(self, news: Announcement, root: MessageRef) -> None:
        """Say it in the thread and the channel; whoever is to blame for trouble is mentioned where that notifies."""
        message = alarm(news, author=self._author(news))
        self._client().chat_postMessage(
            channel=root.channel,
            thread_ts=root.ts,
            reply_broadcast=True,
            text=message.text,
            blocks=list(message.blocks),
            metadata=_metadata(f"{news.id}:alarm", news.operation),
            unfurl_links=False,
        )

    def _reply(self, reply: Reply) -> float:
        if reply.response_url:
            answer = WebhookClient(reply.response_url, timeout=_TIMEOUT_SECONDS, retry_handlers=[]).send(
                text=reply.text, response_type="ephemeral"
            )
            if answer.status_code == 200:
                return 0.0
        self._client().chat_postEphemeral(channel=reply.channel, user=reply.user, text=reply.text)
        return 0.0

    def _content(self, news: Announcement) -> dict[str, Any]:
        """Return what a message says, with an id of ours by which a double is recognised."""
        message = render(self._linked(news), author=self._author(news))
        metadata = _metadata(news.id, news.operation)
        return {"text": message.text, "blocks": list(message.blocks), "metadata": metadata}

    def _linked(self, news: Announcement) -> Announcement:
        """Return it with the link of what is said of its apps elsewhere: of so many that all names have room."""
        linked = [one for one in news.apps if one.root][:_LINKED]
        if not linked:
            return news
        self._ask_workspace()
        links = {one.key: self.link(one.root, "") for one in linked}
        return replace(news, apps=tuple(replace(one, link=links.get(one.key, "")) for one in news.apps))

    def _author(self, news: Announcement) -> str:
        """Return the Slack id of the commit's author, "" where Slack knows none."""
        email = news.revision.blamed.email if news.revision is not None else ""
        return self._people.author(email) if email else ""

    def _failed(self, error: SlackApiError) -> DeliveryFailed:
        reason = str(error.response.get("error") or "unknown")
        status = getattr(error.response, "status_code", 0)
        if status == 429 or reason == "ratelimited":
            after = (error.response.headers or {}).get("Retry-After") or "1"
            return DeliveryFailed("Slack asks to wait", retry_after_seconds=float(after) if after.isdecimal() else 1.0)
        if not _WORD.fullmatch(reason):
            return DeliveryFailed("Slack answers something else than JSON", retry_after_seconds=_RETRY_SECONDS)
        if status >= 500 or reason in {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}:
            return DeliveryFailed(f"Slack answers {reason}", retry_after_seconds=_RETRY_SECONDS)
        if reason in _MENDABLE:
            hint = "install the app again and set SLACK_BOT_TOKEN" if reason != "missing_scope" else "add the scope"
            return DeliveryFailed(f"Slack refuses us ({reason}): {hint}", retry_after_seconds=_REFUSED_SECONDS)
        return DeliveryFailed(f"Slack does not take the message: {reason}", retry_after_seconds=None)

    def _client(self) -> WebClient:
        """Return this thread's client: `WebClient` is not thread-safe. Its own retries are off, the outbox has them."""
        client: WebClient | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = WebClient(
                token=self._token, base_url=self._api_url, timeout=_TIMEOUT_SECONDS, retry_handlers=[]
            )
        return client


def _about(news: Announcement) -> str:
    """Return the key of the app that a message is about, "" for many."""
    return "" if news.apps else f"{news.cluster}/{news.app}"


def _metadata(id: str, operation: str) -> dict[str, Any]:
    return {"event_type": "gitops_bot_announcement", "event_payload": {"id": id, "operation": operation}}
