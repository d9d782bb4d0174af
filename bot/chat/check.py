"""What `gitops-bot check` asks of Slack: does the token work, and has it every scope?"""

from __future__ import annotations

from typing import Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.chat.manifest import SCOPES
from bot.errors import Problem

_TIMEOUT_SECONDS: Final = 10


def check_slack(token: str, *, api_url: str) -> tuple[Problem, ...]:
    """Return what is wrong, each with its fix. Sends one `auth.test`."""
    client = WebClient(token=token, base_url=api_url, timeout=_TIMEOUT_SECONDS, retry_handlers=[])
    try:
        answer = client.auth_test()
    except SlackApiError as error:
        return (
            Problem(
                message=f"Slack does not accept SLACK_BOT_TOKEN ({error.response.get('error')}): install the app again "
                "and set the new token",
                subject="slack",
            ),
        )
    except (SlackClientError, OSError, ValueError) as error:
        return (Problem(message=f"Slack cannot be reached at {api_url}: {type(error).__name__}", subject="slack"),)
    granted = {one.strip() for one in str((answer.headers or {}).get("x-oauth-scopes") or "").split(",") if one.strip()}
    missing = [scope for scope in SCOPES if granted and scope not in granted]
    return tuple(
        Problem(message=f"the Slack app lacks the scope {scope}: add it and install the app again", subject="slack")
        for scope in missing
    )
