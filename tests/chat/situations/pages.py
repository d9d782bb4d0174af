"""On-call: pages, who has them, and what keeps them from arriving."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.model.announcement import Announcement, News
from tests.chat.situations.base import BASE

PAGES: Final[dict[str, Announcement]] = {
    "notice-opsgenie-ends": replace(
        BASE,
        news=News.NOTICE,
        app="on-call",
        cluster="all clusters",
        env="",
        revision=None,
        previous="",
        summary=None,
        message="Opsgenie is switched off on 2027-04-05, in 63 days.",
        next_step="Let alerts go to both: oncall.also: [{provider: jsm, key_env: JSM_API_KEY}].",
    ),
    "paged": replace(
        BASE,
        news=News.PAGED,
        revision=None,
        summary=None,
        in_thread=True,
        page="sre, P2",
        message="payments / eu-1 (production): Deployment payments/api could not be applied",
    ),
    "page-late": replace(
        BASE,
        news=News.PAGE_LATE,
        revision=None,
        summary=None,
        message="On-call could not be paged yet: it answers 503. The page: payments / eu-1 (production): no Pod runs",
        next_step="It is tried again by itself. Call the on-call person if it cannot wait.",
    ),
    "page-closed": replace(
        BASE, news=News.PAGE_CLOSED, revision=None, summary=None, in_thread=True, message="Converged at a1b2c3d."
    ),
    "acknowledged": replace(
        BASE, news=News.ACKNOWLEDGED, revision=None, summary=None, in_thread=True, message="Acknowledged by U0BOB1."
    ),
    "undeliverable": replace(
        BASE,
        news=News.UNDELIVERABLE,
        revision=None,
        summary=None,
        message="On-call could not be paged: 401, the key is refused.",
        next_step="Call the on-call person, and correct the on-call settings.",
    ),
}
