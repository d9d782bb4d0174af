"""The way in from Slack and the flavour of on-call that a test plays; with GITOPS_BOT_OTHER_DOORS set, the other ones.

So that every fact is shown in Socket Mode and by HTTP, on Opsgenie and on Jira Service Management, `make test-doors`
plays all of this folder once more through the other door. What is about one door itself is marked `door`.
"""

from __future__ import annotations

import os
from typing import Final

_OTHERS: Final = {"socket": "http", "http": "socket", "opsgenie": "jsm", "jsm": "opsgenie"}
_SWAPPED: Final = bool(os.environ.get("GITOPS_BOT_OTHER_DOORS"))


def door(named: str) -> str:
    """Return the way in or the flavour that is played where a test names this one."""
    return _OTHERS.get(named, named) if _SWAPPED else named
