"""The steps of one pass, timed while they are taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bot.errors import BotError
from bot.ports.tracing import Fact, Passed
from bot.tracing.telling import Step


class Recorded:
    """A `bot.ports.tracing.PassTrace`, of one thread; `name` learns the operation, `tell` what is worth it."""

    def __init__(self, *, name: ContextVar[str], tell: Callable[[Recorded, Passed], None]) -> None:
        self._name, self._tell = name, tell
        self._open: list[int] = []
        self.operation = ""
        self.began = time.time_ns()
        self.steps: list[Step] = []

    def of(self, operation: str) -> None:
        self.operation = operation
        self._name.set(operation)

    @contextmanager
    def step(self, name: str, **facts: Fact) -> Iterator[None]:
        one = Step(name, facts, self._open[-1] if self._open else -1, time.time_ns())
        self._open.append(len(self.steps))
        self.steps.append(one)
        try:
            yield
        except BaseException as error:
            # What is ours is fit for people; of a bug only its name, for its text may hold anything.
            one.trouble = str(error) if isinstance(error, BotError) else type(error).__name__
            raise
        finally:
            one.ended = time.time_ns()
            self._open.pop()

    def ended(self, passed: Passed) -> None:
        self._tell(self, passed)
