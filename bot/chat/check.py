"""What `gitops-bot check` asks of Slack: does the token work, and has it every scope?"""

from __future__ import annotations

from typing import Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.chat.manifest import SCOPES
from bot.errors import Problem

_TIMEOUT_SECONDS: Final = 10


def check_slack(token: str, *, app_token: str, api_url: str) -> tuple[Problem, ...]:
    """Return what is wrong, each with its fix. Sends one `auth.test`; with an app token asks for a socket's address."""
    client = WebClient(token=token, base_url=api_url, timeout=_TIMEOUT_SECONDS, retry_handlers=[])
    try:
        answer = client.auth_test()
    except SlackApiError as error:
        refused = error.response.get("error")
        return (
            _problem(f"Slack does not accept SLACK_BOT_TOKEN ({refused}): install the app again and set the new token"),
        )
    except (SlackClientError, OSError, ValueError) as error:
        return (_problem(f"Slack cannot be reached at {api_url}: {type(error).__name__}"),)
    granted = {one.strip() for one in str((answer.headers or {}).get("x-oauth-scopes") or "").split(",") if one.strip()}
    problems = [
        _problem(f"the Slack app lacks the scope {scope}: add it and install the app again")
        for scope in SCOPES
        if granted and scope not in granted
    ]
    if app_token:
        try:
            client.apps_connections_open(app_token=app_token)
        except SlackApiError as error:
            refused = error.response.get("error")
            problems.append(
                _problem(
                    f"Slack does not accept SLACK_APP_TOKEN ({refused}): make an app-level token with the scope "
                    "connections:write and set it"
                )
            )
        except (SlackClientError, OSError, ValueError) as error:
            problems.append(_problem(f"Slack opens no socket for SLACK_APP_TOKEN: {type(error).__name__}"))
    return tuple(problems)


def _problem(message: str) -> Problem:
    return Problem(message=message, subject="slack")
