"""Where the time of a deployment goes, told to whoever keeps traces. Off unless the environment says where that is.

One operation is one trace: its passes, in whichever process they run, and what they make the world hear. What is told
here never blocks and never raises. `UNTRACED` stands for nobody: it keeps nothing, and takes no time.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from bot.model.app import AppSpec
from bot.model.outcome import SyncReport
from bot.model.record import Consignment

Fact = str | int


class Steps(Protocol):
    """What a pass does, one step after the other."""

    def step(self, name: str, **facts: Fact) -> AbstractContextManager[None]:
        """Time what is done inside; steps may lie in each other. Names are few: what differs is a fact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A pass that is worth telling of. `closes` where the operation has come to its first end by it."""

    app: AppSpec
    report: SyncReport
    noticed_at: datetime  # when the push, the order or the schedule asked for it
    closes: bool
    goes_on: bool = False  # with an operation that an earlier pass has begun
    asked_at: datetime | None = None  # since when people were asked about what this pass was allowed, or not
    cut_off_at: datetime | None = None  # when the pass before it began to write, that was killed


class PassTrace(Steps, Protocol):
    """One pass. What is not `ended` leaves no trace: an app at rest has none."""

    def of(self, operation: str) -> None:
        """Name the operation; log lines of the pass carry its trace from here on."""

    def ended(self, passed: Passed) -> None:
        """Tell of the pass with all its steps."""


class Tracer(Protocol):
    """Safe to use from several threads."""

    def open(self) -> None:
        """Load what is needed now, and not when it is needed first. Idempotent."""

    def close(self, *, timeout: timedelta) -> None:
        """Hand over what is left, as long as that takes no longer than `timeout`. Idempotent."""

    def current(self) -> str:
        """Return the trace of the pass that runs in this thread, as 32 hex digits; "" outside of one."""

    def passing(self) -> AbstractContextManager[PassTrace]:
        """Begin to follow a pass in this thread."""

    def delivering(self, consignment: Consignment) -> AbstractContextManager[None]:
        """Follow one try of a delivery in this thread; what it raises is its error."""

    def here(self) -> str:
        """Return the `traceparent` (W3C Trace Context) of the delivery that runs in this thread; "" outside of one."""

    def origin(self, operation: str) -> str:
        """Return the `traceparent` of an operation: the same for each try and in each process; "" while off."""


class _Untraced:
    """A `Tracer` and a `PassTrace` that keep nothing."""

    def __init__(self) -> None:
        self._nothing: Final[AbstractContextManager[None]] = nullcontext()
        self._itself: Final[AbstractContextManager[PassTrace]] = nullcontext(self)

    def open(self) -> None:
        return

    def close(self, *, timeout: timedelta) -> None:
        return

    def current(self) -> str:
        return ""

    def passing(self) -> AbstractContextManager[PassTrace]:
        return self._itself

    def of(self, operation: str) -> None:
        return

    def step(self, name: str, **facts: Fact) -> AbstractContextManager[None]:
        return self._nothing

    def ended(self, passed: Passed) -> None:
        return

    def delivering(self, consignment: Consignment) -> AbstractContextManager[None]:
        return self._nothing

    def here(self) -> str:
        return ""

    def origin(self, operation: str) -> str:
        return ""


UNTRACED: Final = _Untraced()
