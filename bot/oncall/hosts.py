"""Where the on-call services answer. Apart from their SDK, which takes a tenth of a second to import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

HOSTS: Final[Mapping[str, str]] = {
    "opsgenie": "https://api.opsgenie.com",
    "opsgenie-eu": "https://api.eu.opsgenie.com",
    "jsm": "https://api.atlassian.com/jsm/ops/integration",
}
