"""The way out for pages: the alert API of Opsgenie or JSM, or any webhook."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import orjson
import urllib3

from bot.errors import DeliveryFailed
from bot.model.announcement import TEST_ALIAS, Page, PageAct
from bot.model.record import Consignment, SinkName
from bot.oncall.briefing import DESCRIPTION_LIMIT, shortened

log = logging.getLogger(__name__)


class Provider(Protocol):
    """One on-call service."""

    def send(self, page: Page) -> None:
        """Do what a page says. Idempotent. Raises `DeliveryFailed`."""


class AlertHook:
    """POSTs each act as JSON to a URL; 2xx is delivered. The receiver recognises doubles by `id`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=10), retries=False)

    def send(self, page: Page) -> None:
        body = {
            "id": page.id,
            "act": page.act.value,
            "alias": page.alias,
            "message": page.message,
            "description": page.description,
            "priority": page.priority,
            "team": page.team,
            "app": page.app,
            "cluster": page.cluster,
            "env": page.env,
            "at": page.at.isoformat(),
        }
        try:
            answer = self._http.request(
                "POST", self._url, body=orjson.dumps(body), headers={"Content-Type": "application/json"}
            )
        except urllib3.exceptions.HTTPError as error:
            raise DeliveryFailed(
                f"the on-call webhook cannot be reached: {type(error).__name__}", retry_after_seconds=5
            ) from error
        if 200 <= answer.status < 300:
            return
        useless = 400 <= answer.status < 500 and answer.status not in {408, 429}
        raise DeliveryFailed(
            f"the on-call webhook answers {answer.status}", retry_after_seconds=None if useless else 5.0
        )


class OncallSink:
    """A `bot.ports.delivery.Sink`; `providers` in the order of the configuration, each page names one of them.

    `link` leads to what is said of an operation in a channel, "" while that is not known; it asks nobody.
    """

    name = SinkName.ONCALL

    def __init__(self, providers: Sequence[Provider], *, link: Callable[[str, str], str]) -> None:
        self._providers, self._link = tuple(providers), link

    def deliver(self, consignment: Consignment) -> float:
        """Deliver one page. Raises `DeliveryFailed`."""
        page = consignment.parcel
        assert isinstance(page, Page)  # the sink's rows hold nothing else
        link = self._link(page.operation, page.channel) if page.act is PageAct.OPEN else ""
        if link:
            page = replace(page, description=shortened(f"In Slack: {link}\n\n{page.description}", DESCRIPTION_LIMIT))
        if page.provider < len(self._providers):
            try:
                self._providers[page.provider].send(page)
            except DeliveryFailed as failed:
                if page.alias != TEST_ALIAS:
                    raise
                # Whoever tries on-call wants to know how it is now, and no alert an hour later.
                raise DeliveryFailed(str(failed), retry_after_seconds=None) from failed
        else:
            log.info("%s is not sent: its provider is not in the configuration any more", page.id)
        return 0.0
