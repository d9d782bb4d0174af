"""The configuration while the bot runs: looked at again on SIGHUP and whenever its file changes.

A new configuration is used only if it is wholly valid and its state store opens; until then the old one goes on, and
`trouble` says what is wrong with the new one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from bot.errors import BotError, ConfigError
from bot.settings import Configuration
from bot.wiring import Engine

log = logging.getLogger(__name__)


class Reloading:
    """`load` reads the file, `build` makes an engine of it; neither contacts anybody."""

    def __init__(
        self, first: Configuration, *, load: Callable[[], Configuration], build: Callable[[Configuration], Engine]
    ) -> None:
        self._path, self._load, self._build = first.path, load, build
        self._seen = self._content()
        self.trouble = ""

    def successor(self, *, asked: bool) -> Engine | None:
        """Return the engine of a changed file; None when it has not changed (unless `asked`) or cannot be used."""
        content = self._content()
        if content == self._seen and not asked:
            return None
        self._seen = content
        try:
            engine = self._build(self._load())
        except BotError as error:
            problems = [str(one) for one in error.problems] if isinstance(error, ConfigError) else [str(error)]
            self.trouble = f"{len(problems)} problems in the new configuration: {problems[0]}"
            for problem in problems:
                log.error("the new configuration is not used: %s", problem)
            return None
        self.trouble = ""
        return engine

    def _content(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError:
            return b""  # an editor is replacing it, or it is gone: what it was before goes on
