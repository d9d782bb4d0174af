"""The way out of the outbox: Slack, on-call, Git hosts, webhooks."""

from __future__ import annotations

from typing import Protocol

from bot.model.record import Consignment, SinkName


class Sink(Protocol):
    """A way out of the outbox, called from one thread per lane."""

    name: SinkName

    def deliver(self, consignment: Consignment) -> float:
        """Deliver one parcel and return the seconds its lane rests afterwards.

        Raises `DeliveryFailed`, with `retry_after_seconds` None when trying again is useless. Must tolerate that an
        earlier attempt arrived although it seemed to fail.
        """
