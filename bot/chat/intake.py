"""Acknowledges what Slack delivers before anything is done with it; Bolt looks at it on a thread of ours.

Slack waits three seconds and a person waits with it. A command, a click and an event need nothing in the
acknowledgement, so that nothing comes before it: no listener's turn, no lock, no question to Slack or Git. Only what
Slack shows as the answer is waited for: the choices of a menu, the next view of a modal, Slack's own challenge.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any, Final

from slack_bolt import App, BoltRequest, BoltResponse

log = logging.getLogger(__name__)

_AT_ONCE: Final = frozenset({"block_actions", "event_callback", "view_closed"})


class PromptApp(App):
    """A Bolt app of either mode; `threads` follow what is acknowledged already."""

    def __init__(self, *, threads: Executor, **settings: Any) -> None:
        super().__init__(process_before_response=True, **settings)  # in the thread that dispatches: no second queue
        self._threads = threads

    def dispatch(self, req: BoltRequest) -> BoltResponse:
        if not _is_acknowledged_at_once(req.body):
            return super().dispatch(req)
        self._threads.submit(self._follow, req)
        return BoltResponse(status=200)

    def _follow(self, req: BoltRequest) -> None:
        done = super().dispatch(req)
        if done.status != 200:
            log.warning("a delivery of Slack was not followed: %d", done.status)


def _is_acknowledged_at_once(body: Mapping[str, Any]) -> bool:
    return "command" in body or body.get("type") in _AT_ONCE
