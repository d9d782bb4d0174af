"""Opsgenie and Jira Service Management Operations: the same alert calls at different hosts, by opsgenie-sdk.

Surprising parts of the SDK (2.1.5), all handled here: its own retries end in `tenacity.RetryError`, so they are off;
every `Configuration` shares one dict of keys, so each gets its own; a float timeout is ignored, so it is a pair of
ints; an HTML answer is a `JSONDecodeError`. 202 does not mean done: the request's status is asked until it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import opsgenie_sdk
import tenacity
import urllib3
from opsgenie_sdk.exceptions import AuthenticationException, ConfigurationException

from bot.errors import DeliveryFailed
from bot.model.announcement import Page, PageAct
from bot.oncall.hosts import HOSTS

_TIMEOUT: Final = (5, 10)  # seconds to connect, to read
_RETRY_SECONDS: Final = 5.0
_ASK_STATUS_TIMES: Final = 10
_ASK_STATUS_EVERY_SECONDS: Final = 0.5
_TAGS_LIMIT: Final = 50  # characters of one tag
_NOT_DONE_YET: Final = frozenset({404, 202})


class AlertApi:
    """Opens, notes and closes alerts by alias. One client per thread and key: the SDK is not thread-safe.

    `key_for` returns the key of a team, `setting` names the variable it comes from.
    """

    def __init__(self, *, provider: str, host: str, key_for: Callable[[str], str], setting: str) -> None:
        self._host = host or HOSTS[provider]
        self._key_for, self._variable = key_for, setting
        self._local = threading.local()

    def send(self, page: Page) -> None:
        """Do what the page says. Idempotent: an open alert takes no second one, a closed one is closed.

        Raises `DeliveryFailed`.
        """
        setting = self._setting(page.team)
        key = self._key_for(page.team)
        if not key:
            raise DeliveryFailed(f"there is no key for the on-call service: set {setting}", retry_after_seconds=None)
        api = self._api(key)
        try:
            self._await_done(api, self._call(api, page).request_id, page)
        except DeliveryFailed:
            raise
        except AuthenticationException as error:
            raise DeliveryFailed(
                f"the on-call service does not accept the key of {setting}; set a key with the right to create alerts",
                retry_after_seconds=None,
            ) from error
        except ConfigurationException as error:
            raise DeliveryFailed(
                f"the on-call service does not accept this alert; check the team {page.team or '(none)'} and {setting}",
                retry_after_seconds=None,
            ) from error
        except (tenacity.RetryError, opsgenie_sdk.ApiException) as error:
            answer = _answer(error)
            raise DeliveryFailed(
                f"the on-call service answers {getattr(answer, 'status', None) or 'nothing'}",
                retry_after_seconds=_rest(answer),
            ) from error
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise DeliveryFailed(
                f"the on-call service cannot be used: {type(error).__name__}", retry_after_seconds=_RETRY_SECONDS
            ) from error

    def check(self, team: str) -> str:
        """Return what is wrong with the key of a team, "" when the service takes it. Opens no alert.

        Asks for the status of a request nobody made: a good key is answered with 404.
        """
        setting = self._setting(team)
        try:
            self._api(self._key_for(team)).get_request_status("gitops-bot-check", _request_timeout=_TIMEOUT)
        except AuthenticationException:
            return f"the on-call service does not accept the key of {setting}: set one with the right to create alerts"
        except opsgenie_sdk.ApiException as error:
            status = getattr(error, "status", None)
            return "" if status == 404 else f"the on-call service answers {status or 'nothing'}"
        except (tenacity.RetryError, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return f"the on-call service cannot be reached at {self._host}: {type(error).__name__}"
        return ""

    def _setting(self, team: str) -> str:
        return f"{self._variable}_{team.upper()}" if team else self._variable

    def _call(self, api: Any, page: Page) -> Any:
        match page.act:
            case PageAct.OPEN:
                tags = [tag[:_TAGS_LIMIT] for tag in ("gitops-bot", page.cluster, page.env) if tag]
                responders = [{"name": page.team, "type": "team"}] if page.team else None
                payload = opsgenie_sdk.CreateAlertPayload(
                    message=page.message,
                    alias=page.alias,
                    description=page.description,
                    responders=responders,
                    tags=tags,
                    details={"app": page.app, "cluster": page.cluster, "env": page.env, "operation": page.operation},
                    entity=page.app,
                    source="gitops-bot",
                    priority=page.priority,
                )
                return api.create_alert(payload, _request_timeout=_TIMEOUT)
            case PageAct.NOTE:
                payload = opsgenie_sdk.AddNoteToAlertPayload(note=page.message, source="gitops-bot")
                return api.add_note(page.alias, payload, identifier_type="alias", _request_timeout=_TIMEOUT)
            case PageAct.ACKNOWLEDGE:
                payload = opsgenie_sdk.AcknowledgeAlertPayload(user=page.by, note=page.message, source="gitops-bot")
                return api.acknowledge_alert(
                    page.alias,
                    identifier_type="alias",
                    acknowledge_alert_payload=payload,
                    _request_timeout=_TIMEOUT,
                )
            case PageAct.RAISE:
                payload = opsgenie_sdk.UpdateAlertPriorityPayload(priority=page.priority)
                return api.update_alert_priority(
                    page.alias, payload, identifier_type="alias", _request_timeout=_TIMEOUT
                )
            case PageAct.CLOSE:
                payload = opsgenie_sdk.CloseAlertPayload(note=page.message, source="gitops-bot")
                return api.close_alert(
                    page.alias, identifier_type="alias", close_alert_payload=payload, _request_timeout=_TIMEOUT
                )

    def _await_done(self, api: Any, request_id: str, page: Page) -> None:
        """Ask until the request was processed; an alert that was not made is not a page."""
        for _ in range(_ASK_STATUS_TIMES):
            try:
                status = api.get_request_status(request_id, _request_timeout=_TIMEOUT).data
            except opsgenie_sdk.ApiException as error:
                if getattr(error, "status", None) not in _NOT_DONE_YET:
                    raise
                time.sleep(_ASK_STATUS_EVERY_SECONDS)
                continue
            if status.is_success:
                return
            if page.act is not PageAct.OPEN:
                return  # the alert is closed or gone already, which is what was wanted
            raise DeliveryFailed(
                "the on-call service took the alert and then did not make it", retry_after_seconds=_RETRY_SECONDS
            )
        raise DeliveryFailed(
            "the on-call service does not say if it made the alert", retry_after_seconds=_RETRY_SECONDS
        )

    def _api(self, key: str) -> Any:
        apis: dict[str, Any] | None = getattr(self._local, "apis", None)
        if apis is None:
            apis = self._local.apis = {}
        if key not in apis:
            settings = opsgenie_sdk.Configuration()
            settings.api_key = {"Authorization": key}  # a fresh dict: the class shares one among all instances
            settings.api_key_prefix = {"Authorization": "GenieKey"}
            settings.host = self._host
            settings.retry_count = 1
            settings.retry_enabled = False
            apis[key] = opsgenie_sdk.AlertApi(api_client=opsgenie_sdk.ApiClient(configuration=settings))
        return apis[key]


def _answer(error: Exception) -> BaseException | None:
    """Return what the service said: the SDK wraps it in tenacity's error even where it does not retry."""
    return error.last_attempt.exception() if isinstance(error, tenacity.RetryError) else error


def _rest(answer: BaseException | None) -> float:
    """Return how long the service asks to wait: Opsgenie names its period, proxies say `Retry-After`."""
    headers = getattr(answer, "headers", None) or {}
    for name in ("X-RateLimit-Period-In-Sec", "Retry-After"):
        text = str(headers.get(name) or "")
        if text.isdecimal():
            return float(text)
    return _RETRY_SECONDS
