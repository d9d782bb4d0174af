"""Who a Slack user is, and who a commit's author is in Slack: asked of Slack and remembered for a minute.

When Slack does not answer, what was known last counts for ten minutes; after that nobody is in a group: rights fail
closed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

log = logging.getLogger(__name__)

FRESH: Final = timedelta(seconds=60)
STALE: Final = timedelta(minutes=10)
SILENT: Final = timedelta(seconds=1)  # who orders hundreds of apps waits once for a Slack that does not answer
_TIMEOUT_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class _Known:
    value: frozenset[str]
    at: datetime


class People:
    """Safe to use from several threads."""

    def __init__(
        self,
        token: str,
        *,
        api_url: str,
        clock: Callable[[], datetime],
        overrides: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._token, self._api_url, self._clock = token, api_url, clock
        self._overrides = {email.lower(): user for email, user in overrides.items()}
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}  # guarded by _lock
        self._silent: dict[str, datetime] = {}  # when Slack said nothing last; guarded by _lock

    def identities(self, user: str) -> frozenset[str]:
        """Return the user's id and, where Slack tells, e-mail address."""
        return frozenset({user}) | (self._emails(user) or frozenset())

    def is_unsure(self, user: str) -> bool:
        """Tell whether Slack does not say what the user's e-mail address is."""
        return self._emails(user) is None

    def in_group(self, user: str, group: str) -> bool | None:
        """Return what Slack says, or said less than ten minutes ago and is silent now; None when it is not known."""
        members = self._remembered(f"group {group}", lambda: self._members(group))
        return user in members if members is not None else None

    def author(self, email: str) -> str:
        """Return the Slack id of a commit's author: an override of the configuration, or who has that e-mail address.

        "" when nobody has, or Slack does not say.
        """
        override = self._overrides.get(email.lower())
        if override is not None:
            return override
        return next(
            iter(self._remembered(f"author {email.lower()}", lambda: self._by_email(email), anew=True) or ()), ""
        )

    def _emails(self, user: str) -> frozenset[str] | None:
        return self._remembered(f"user {user}", lambda: self._email(user))

    def _remembered(self, name: str, ask: Callable[[], frozenset[str]], *, anew: bool = False) -> frozenset[str] | None:
        """Return what is known; None when Slack is silent and what it said last is too old.

        `anew` asks a Slack that was silent a moment ago: a message that is posted by then has its author.
        """
        now = self._clock()
        with self._lock:
            known, silent_at = self._known.get(name), self._silent.get(name)
        if known is not None and now - known.at < FRESH:
            return known.value
        remembered = known.value if known is not None and now - known.at < STALE else None
        if not anew and silent_at is not None and now - silent_at < SILENT:
            return remembered
        try:
            value = ask()
        except (SlackClientError, OSError, ValueError) as error:
            reason = error.response.get("error") if isinstance(error, SlackApiError) else type(error).__name__
            log.warning("Slack does not say who is %s: %s", name, reason)
            with self._lock:
                self._silent[name] = self._clock()
            return remembered
        with self._lock:
            self._known[name] = _Known(value, now)
        return value

    def _email(self, user: str) -> frozenset[str]:
        found = self._client().users_info(user=user)
        email = ((found.get("user") or {}).get("profile") or {}).get("email")
        return frozenset({email}) if email else frozenset()

    def _by_email(self, email: str) -> frozenset[str]:
        try:
            return frozenset({str(self._client().users_lookupByEmail(email=email)["user"]["id"])})
        except SlackApiError as error:
            if error.response.get("error") != "users_not_found":
                raise
            return frozenset()  # an answer too: this author is not in Slack

    def _members(self, group: str) -> frozenset[str]:
        return frozenset(self._client().usergroups_users_list(usergroup=group).get("users") or ())

    def _client(self) -> WebClient:
        return WebClient(token=self._token, base_url=self._api_url, timeout=_TIMEOUT_SECONDS, retry_handlers=[])
