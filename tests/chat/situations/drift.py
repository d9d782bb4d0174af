"""What was changed by hand, and what became of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from bot.model.announcement import Announcement, ChangeLine, News
from bot.model.plan import Summary
from tests.chat.situations.base import BASE, CHANGES, COMMIT, DIFF, NOW

DRIFT: Final[dict[str, Announcement]] = {
    "converged-hand-edit-undone": replace(
        BASE,
        news=News.CONVERGED,
        at=NOW + timedelta(seconds=2),
        started_at=NOW,
        message="What was changed by hand is undone: the cluster is equal to a1b2c3d.",
        previous="a1b2c3d" + "0" * 33,
        summary=Summary(create=1, update=1),
        changes=(
            ChangeLine(
                action="update",
                object="Deployment payments/api",
                fields=("spec.replicas: 6 -> 3",),
                hands=("kubectl at 2026-11-23 04:34 UTC",),
            ),
            ChangeLine(action="restore", object="Service payments/api"),
        ),
        ready=12,
        objects=12,
        undone=True,
    ),
    "drift-left-alone": replace(
        DIFF,
        news=News.DRIFT,
        previous=COMMIT,
        message="The cluster differs from Git and is left so: self_heal is off.",
        next_step="/gitops sync payments undoes it, /gitops keep payments proposes it to Git",
    ),
    "drift-of-one-field": replace(
        DIFF,
        news=News.DRIFT,
        changes=(replace(CHANGES[1], hands=("kubectl-edit at 2026-11-23 04:34 UTC",)),),
        summary=Summary(update=1),
        message="The cluster differs from Git and is left so: paused by U0ANA.",
        next_step="/gitops resume payments undoes it, /gitops keep payments proposes it to Git",
    ),
    "fight-over-a-field": replace(
        BASE,
        news=News.FIGHT,
        revision=None,
        summary=None,
        previous="",
        started_at=None,
        since=NOW - timedelta(minutes=9),
        message="scaler keeps changing Deployment payments/api spec.replicas. It was set back 12 times, and goes on"
        " being set back.",
        next_step="Stop who changes it, or leave it to them: take it out of Git and name it in the annotation"
        " gitops-bot/ignore. /gitops pause payments stops the undoing meanwhile",
    ),
    "change-proposed": replace(
        BASE,
        news=News.PROPOSED,
        in_thread=True,
        by="U0ANA",
        via="slack",
        message="To keep: ConfigMap payments/app data.LOG_LEVEL: info -> debug. Review and merge it: "
        "https://git.example.com/fleet/compare/main...gitops-bot/keep/payments-1a2b3c4d "
        "(branch gitops-bot/keep/payments-1a2b3c4d).",
    ),
    "change-proposed-of-one-field-of-two": replace(
        BASE,
        news=News.PROPOSED,
        summary=None,
        by="U0ANA",
        via="slack",
        message="To ignore: ConfigMap payments/app ignore data.LOG_LEVEL. Review and merge it: branch "
        "gitops-bot/ignore/payments-1a2b3c4d. Not decided yet:",
        changes=(
            ChangeLine(
                action="update",
                object="ConfigMap payments/app",
                fields=("data.COLOUR: red -> blue",),
                paths=("data.COLOUR",),
            ),
        ),
        impact=(),
        next_step="Merge it, or undo it after all: /gitops sync payments",
    ),
    "settled-kept-in-git": replace(
        BASE,
        news=News.SETTLED,
        message="What was changed by hand is in Git now, with a1b2c3d by Ana Lima: the cluster is equal to a1b2c3d.",
        ready=12,
        objects=12,
        summary=Summary(unchanged=12),
        every=timedelta(minutes=4),
    ),
}
