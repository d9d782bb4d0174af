"""Plans that wait for people, and what they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from bot.model.announcement import Announcement, News
from tests.chat.situations.base import BASE, DIFF, NOW

DECISIONS: Final[dict[str, Announcement]] = {
    "refused-many-deletes": replace(
        DIFF,
        news=News.REFUSED,
        message="14 of 16 objects would be deleted, more than max_delete allows.",
        needed=1,
        until=NOW + timedelta(minutes=30),
        next_step="Approve or reject here, or: gitops-bot approve payments sha256:111111111111",
        plan_hash="sha256:" + "1" * 64,
    ),
    "refused-one-of-two-approvals": replace(
        DIFF,
        news=News.REFUSED,
        message="14 of 16 objects would be deleted, more than max_delete allows.",
        needed=2,
        given=("U0BOB",),
        until=NOW + timedelta(minutes=30),
        plan_hash="sha256:" + "1" * 64,
    ),
    "approval-needed": replace(
        DIFF,
        news=News.APPROVAL,
        message="1 to create, 2 to update, 1 to delete at main.",
        needed=2,
        until=NOW + timedelta(minutes=30),
        next_step="Approve or reject here, or: gitops-bot approve payments sha256:111111111111",
        plan_hash="sha256:" + "1" * 64,
        by="U0ANA",
        via="slack",
    ),
    "approved-in-the-thread": replace(
        BASE,
        news=News.APPROVED,
        in_thread=True,
        by="U0BOB",
        via="slack",
        message="A person approved this plan (1 of 2): sha256:111111111111.",
    ),
    "rejected": replace(
        DIFF,
        news=News.REJECTED,
        by="U0BOB",
        reason="too risky today",
        message="Nothing is applied.",
        next_step="Push a change, or ask again: /gitops sync payments",
    ),
    "expired": replace(
        BASE,
        news=News.EXPIRED,
        revision=None,
        summary=None,
        message="Nobody decided on the plan in time; nothing is applied.",
        next_step="/gitops sync payments asks again",
    ),
}
