"""Syncs that change something, from the plan to the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from bot.model.announcement import Announcement, ChangeLine, News, Progress
from bot.model.plan import Summary
from bot.model.source import Revision
from tests.chat.situations.base import BASE, BEFORE, CHANGES, COMMIT, DIFF, NOW

_SECRET: Final = ChangeLine(
    action="update", object="Secret payments/db", fields=("data.password: (hidden) -> (hidden, changed)",)
)
SYNCS: Final[dict[str, Announcement]] = {
    "diff": DIFF,
    "diff-of-an-older-commit": replace(
        DIFF,
        revision=Revision(
            commit=COMMIT,
            author="Ben Okafor",
            email="ben@example.com",
            subject="Scale the shop",
            cause=Revision(
                commit="0f1e2d3" + "c" * 33, author="Ana Lima", email="ana@example.com", subject="Raise the limit"
            ),
        ),
    ),
    "diff-in-thread": replace(DIFF, in_thread=True),
    "diff-of-a-secret": replace(DIFF, changes=(_SECRET,), summary=Summary(update=1), prune=False),
    "diff-of-forty-objects": replace(
        DIFF,
        changes=tuple(ChangeLine(action="create", object=f"ConfigMap payments/part-{n:02}") for n in range(40)),
        summary=Summary(create=40),
    ),
    "syncing": replace(
        BASE,
        news=News.SYNCING,
        done=7,
        total=12,
        by="U0ANA",
        via="slack",
        progress=Progress(
            done="Namespace, ConfigMap x3, Service x2, ServiceAccount",
            now="Deployment payments/api: waiting for 2 of 3 replicas",
            left="Deployment x3, CronJob, Ingress",
        ),
    ),
    "converged": replace(
        BASE,
        news=News.CONVERGED,
        at=NOW + timedelta(seconds=100),
        message="The cluster is equal to a1b2c3d.",
        ready=12,
        objects=12,
        every=timedelta(minutes=4),
    ),
    "converged-after-failures": replace(
        BASE,
        news=News.CONVERGED,
        at=NOW + timedelta(seconds=100),
        message="The cluster is equal to a1b2c3d. It recovered after 3 failures.",
        ready=12,
        objects=12,
        failures=3,
        since=NOW - timedelta(minutes=20),
    ),
    "rolled-back": replace(
        BASE,
        news=News.ROLLED_BACK,
        revision=Revision(commit=BEFORE, author="Bob Reis", subject="Say less"),
        previous=COMMIT,
        by="U0ANA",
        via="slack",
        reason="memory regression",
        message="The cluster is equal to 9f8e7d6.",
        next_step="/gitops resume payments returns to main",
        ready=12,
        objects=12,
        behind=1,
    ),
    "commit-waits": replace(
        BASE,
        news=News.WAITING,
        message="a1b2c3d waiting (paused). 2 commits wait.",
        behind=2,
        next_step="/gitops resume payments applies it",
        changes=CHANGES[:1],
    ),
    "deleted": replace(
        BASE, news=News.DELETED, revision=None, by="os:ana", message="3 objects were deleted. The app is forgotten."
    ),
}
