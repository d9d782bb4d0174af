"""A Git host on loopback, of which the bot asks pull requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.receiver import Got, Receiver

TOKEN = "canary-token"  # of the environment variable GIT_TOKEN


class PullRequests(Receiver):
    """Speaks GitHub's `/pulls`; every other request succeeds."""

    def __init__(self) -> None:
        self.opened: list[Mapping[str, Any]] = []
        super().__init__(reply=self._reply)

    @property
    def writeback(self) -> str:
        """The setting that makes the bot ask this host for the repository `fleet`."""
        return f'{{type: commit-status, repo: fleet, host: github, api_url: "{self.url}", token_env: GIT_TOKEN}}'

    def _reply(self, got: Got) -> tuple[int, Mapping[str, str], str]:
        if not got.path.partition("?")[0].endswith("/pulls"):
            return 201, {}, "{}"
        if got.method == "POST":
            self.opened.append(got.json())
        found = [{"html_url": f"https://git.example.com/pull/{number + 1}"} for number, _ in enumerate(self.opened)]
        return 200, {}, json.dumps(found[0] if got.method == "POST" else found)
