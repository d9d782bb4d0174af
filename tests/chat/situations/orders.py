"""Orders of people, and what the clock says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from bot.model.announcement import Announcement, News
from tests.chat.situations.base import BASE, NOW

ORDERS: Final[dict[str, Announcement]] = {
    "paused": replace(
        BASE,
        news=News.PAUSED,
        revision=None,
        previous="",
        summary=None,
        by="U0ANA",
        via="slack",
        reason="db migration",
        until=NOW + timedelta(hours=2),
        message="Nothing is applied until 2026-11-23 06:35 UTC. New commits wait.",
        next_step="/gitops resume payments ends it",
    ),
    "muted": replace(
        BASE,
        news=News.MUTED,
        revision=None,
        summary=None,
        by="U0ANA",
        via="slack",
        reason="load test",
        until=NOW + timedelta(hours=2),
        message="No messages and no pages until 2026-11-23 06:35 UTC; syncs go on.",
        next_step="/gitops unmute payments ends it",
    ),
    "unmuted": replace(
        BASE,
        news=News.UNMUTED,
        revision=None,
        summary=None,
        since=NOW - timedelta(hours=2),
        message="The mute has run out. 1 sync converged, 1 failed, in 1 app.",
        impact=("payments / eu-1: 1 converged, 1 failed, now converged at a1b2c3d",),
    ),
    "reminder-of-a-pause": replace(
        BASE,
        news=News.REMINDER,
        revision=None,
        summary=None,
        in_thread=True,
        by="U0ANA",
        reason="db migration",
        since=NOW - timedelta(hours=4),
        message="It is still paused; new commits wait.",
        next_step="/gitops resume payments ends it",
    ),
    "digest": replace(
        BASE,
        news=News.DIGEST,
        revision=None,
        summary=None,
        app="all apps",
        cluster="this channel",
        since=NOW - timedelta(days=1),
        message="Since the last digest: 3 syncs converged, 1 failed, in 2 apps.",
        impact=("payments / eu-1: 3 converged, 1 failed, now converged at a1b2c3d",),
    ),
    "resumed": replace(
        BASE, news=News.RESUMED, revision=None, summary=None, by="U0ANA", message="It follows main again."
    ),
}
