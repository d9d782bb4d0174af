"""The Bolt app: which method of `bot.chat.handlers` takes what Slack delivers, the same in both modes."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import datetime
from typing import Final

from slack_bolt import App
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.logger.messages import warning_client_prioritized_and_token_skipped, warning_token_skipped
from slack_sdk import WebClient

from bot.chat import modals
from bot.chat.clerk import Clerk
from bot.chat.desk import Desk
from bot.chat.handlers import Handlers
from bot.chat.intake import PromptApp
from bot.chat.people import People
from bot.chat.permissions import Rule

_TIMEOUT_SECONDS: Final = 5
_ACTIONS: Final = re.compile(r"gitops\..+")
_MEANT: Final = frozenset({warning_client_prioritized_and_token_skipped(), warning_token_skipped()})


def build_app(
    *,
    desk: Desk,
    rules: Sequence[Rule],
    people: People,
    bot_token: str,
    signing_secret: str,
    api_url: str,
    clock: Callable[[], datetime],
    quick: Executor,
    slow: Executor,
) -> App:
    """Build the Bolt app. Contacts nobody: it starts with Slack down. `slow` runs what asks Git and clusters."""
    logger = logging.getLogger("bot.chat.bolt")
    logger.addFilter(_is_news)
    client = WebClient(token=bot_token, base_url=api_url, timeout=_TIMEOUT_SECONDS, retry_handlers=[])
    app = PromptApp(
        threads=quick,
        name="gitops-bot",
        client=client,
        signing_secret=signing_secret or "unused in socket mode",
        request_verification_enabled=False,  # the HTTP door has verified; the socket is authenticated
        token_verification_enabled=False,
        ignoring_self_events_enabled=False,
        authorize=lambda: AuthorizeResult(enterprise_id=None, team_id=None, bot_token=bot_token),
        logger=logger,
    )
    clerk = Clerk(desk=desk, rules=rules, people=people, clock=clock, submit=slow)
    handlers = Handlers(clerk, desk=desk, quick=quick, slow=slow)
    app.command("/gitops")(handlers.command)
    app.event("app_mention")(handlers.mention)
    app.event("app_home_opened")(handlers.home)
    app.action({"action_id": _ACTIONS})(handlers.action)
    app.options(_ACTIONS)(handlers.options)
    app.view(modals.PICK)(handlers.picked)
    app.view(modals.CONFIRM)(handlers.confirmed)
    return app


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out that Bolt does not read `SLACK_BOT_TOKEN` itself: it is ours to read, and the client has it."""
    return record.getMessage() not in _MEANT
