"""The way out for write-backs: each to the target of the configuration that it is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.errors import DeliveryFailed
from bot.model.announcement import WriteBack
from bot.model.record import Consignment, SinkName


class Target(Protocol):
    def send(self, back: WriteBack) -> None:
        """Send one write-back. Raises `DeliveryFailed`."""

    def check(self) -> str:
        """Return what is wrong with the connection, "" when nothing is. Changes nothing over there."""


class WriteBackSink:
    """A `bot.ports.delivery.Sink`; `targets` are in the order of the configuration, `receivers` their names.

    A row goes to the target of its name, wherever that stands now: entries come and go while rows wait.
    """

    name = SinkName.WRITEBACK

    def __init__(self, targets: Sequence[Target], receivers: Sequence[str]) -> None:
        self._targets = dict(zip(receivers, targets, strict=True))
        self._receivers = tuple(receivers)

    def deliver(self, consignment: Consignment) -> float:
        back = consignment.parcel
        assert isinstance(back, WriteBack)  # the sink's rows hold nothing else
        receiver = back.receiver or "".join(self._receivers[back.target : back.target + 1])
        if receiver not in self._targets:
            raise DeliveryFailed("the write-back is no longer in the configuration", retry_after_seconds=None)
        self._targets[receiver].send(back)
        return 0.0
