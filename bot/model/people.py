"""People as the bot knows them: by the id of the door they came through, and by the name that door told. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

SLACK_ID: Final = re.compile(r"(?<![A-Za-z0-9@^])([UW](?=[A-Z]*\d)[A-Z0-9]{4,15})(?![A-Za-z0-9-])")


def named(text: str, names: Mapping[str, str]) -> str:
    """Return a text with each Slack id behind the name it has, `ana@example.com (U0ANA)`, else with its door.

    One in parentheses stands behind a name already.
    """

    def shown(found: re.Match[str]) -> str:
        who = found[1]
        if text[: found.start()].endswith("("):
            return who
        return f"{names[who]} ({who})" if who in names else f"{who} (Slack)"

    return SLACK_ID.sub(shown, text)
