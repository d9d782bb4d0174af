"""The configuration while the bot runs: looked at again on SIGHUP and whenever its file changes.

A new configuration is used only if it is wholly valid, its state store opens and its port is free; until then the old
one goes on, and `trouble` says what is wrong with the new one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bot.errors import BotError, ConfigError

log = logging.getLogger(__name__)

T = TypeVar("T")


class Reloading:
    """The file at `path`, and what was wrong with it when it was looked at last, "" for nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._content()
        self.trouble = ""

    def successor(self, build: Callable[[], T], *, asked: bool) -> T | None:
        """Return what is built of a changed file; None when it has not changed (unless `asked`) or cannot be used."""
        content = self._content()
        if content == self._seen and not asked:
            return None
        self._seen = content
        try:
            built = build()
        except BotError as error:
            problems = [str(one) for one in error.problems] if isinstance(error, ConfigError) else [str(error)]
            self.trouble = f"{len(problems)} problems in the new configuration: {problems[0]}"
            for problem in problems:
                log.error("the new configuration is not used: %s", problem)
            return None
        self.trouble = ""
        return built

    def _content(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError:
            return b""  # an editor is replacing it, or it is gone: what it was before goes on
