"""What is heard of each kind of message by who has nothing but its sentence: a lock screen, a screen reader."""

from __future__ import annotations

from typing import Final

import pytest

from bot.chat.sentence import WORDS, sentence
from bot.model.announcement import News
from tests.chat.situations import SITUATIONS

_COMMIT: Final = '"Raise payments memory limit" by Ana Lima'
_EDIT: Final = "ConfigMap payments/app data.LOG_LEVEL: info -&gt; debug"
HEARD: Final[dict[str, tuple[str, ...]]] = {  # beside state, app and cluster: what happened, why, who, what next
    "diff": ("1 to create, 2 to update, 1 to delete", _COMMIT, _EDIT, "Next: It is applied now"),
    "diff-of-an-older-commit": ('Commit 0f1e2d3: "Raise the limit" by Ana Lima',),
    "syncing": ("7 of 12 objects applied", "By <@U0ANA>"),
    "converged": ("equal to a1b2c3d", "in 1 min 40 s", _COMMIT),
    "converged-hand-edit-undone": (
        "Undone: update Deployment payments/api spec.replicas: 6 -&gt; 3 (changed by kubectl",
    ),
    "failed-rejected-by-quota": ("at a1b2c3d", "exceeds remaining 2Gi", _COMMIT, "Next: Push a fix, or roll back"),
    "failed-third-time-paged": ("Failure 3 in a row since <!date", "Paged: sre, P2"),
    "failed-before-anything-was-read": ("the host git.example.com cannot be reached", "Next: It is tried again"),
    "refused-many-deletes": ("14 of 16 objects would be deleted", "0 of 1 approvals until <!date", _COMMIT, "approve"),
    "approval-needed": ("0 of 2 approvals until <!date", _COMMIT, _EDIT, "By <@U0ANA>", "Next: Approve or reject"),
    "approved-in-the-thread": ("approved this plan (1 of 2)", "By <@U0BOB>"),
    "rejected": ("Nothing is applied", "By <@U0BOB>", "Reason: too risky today", "Next: Push a change, or ask again"),
    "expired": ("Nobody decided", "Next: /gitops sync payments asks again"),
    "muted": ("No messages and no pages until <!date", "By <@U0ANA>", "Reason: load test", "Next: /gitops unmute"),
    "unmuted": ("The mute has run out", "now converged at a1b2c3d"),
    "reminder-of-a-pause": (
        "still paused",
        "It began at <!date",
        "By <@U0ANA>",
        "Reason: db migration",
        "Next: /gitops",
    ),
    "digest": ("3 syncs converged, 1 failed", "payments / eu-1: 3 converged"),
    "paused": ("until <!date", "By <@U0ANA>", "Reason: db migration", "Next: /gitops resume payments ends it"),
    "resumed": ("follows main again", "By <@U0ANA>"),
    "rolled-back": (
        "at 9f8e7d6",
        '"Say less" by Bob Reis',
        "By <@U0ANA>",
        "Reason: memory regression",
        "Next: /gitops",
    ),
    "commit-waits": ("waiting (paused). 2 commits wait", _COMMIT, "Next: /gitops resume payments applies it"),
    "drift-of-one-field": (
        f"From what the cluster has to what Git has: update {_EDIT} (changed by kubectl-edit at <!date",
        "paused by <@U0ANA>",
        "Next: /gitops resume payments undoes it, /gitops keep payments proposes it",
    ),
    "fight-over-a-field": ("scaler keeps changing Deployment payments/api spec.replicas", "12 times", "Next: Stop who"),
    "change-proposed": ("To keep: ConfigMap payments/app data.LOG_LEVEL", "Review and merge it", "By <@U0ANA>"),
    "degraded": ("CrashLoopBackOff", "It began at <!date"),
    "recovered": ("healthy again", "It began at <!date"),
    "settled-kept-in-git": ("is in Git now, with a1b2c3d by Ana Lima",),
    "deleted": ("3 objects were deleted", "By os:ana"),
    "paged": ("Paged: sre, P2", "Deployment payments/api could not be applied"),
    "page-late": ("it answers 503", "no Pod runs", "Next: It is tried again"),
    "page-closed": ("Converged at a1b2c3d",),
    "acknowledged": ("Acknowledged by <@U0BOB1>",),
    "undeliverable": ("401", "Next: Call the on-call person"),
    "notice-opsgenie-ends": ("switched off on 2027-04-05", "Next: Let alerts go to both"),
}


def test_every_kind_of_message_is_in_the_table() -> None:
    assert {SITUATIONS[situation].news for situation in HEARD} == set(News)


@pytest.mark.parametrize("situation", HEARD)
def test_sentence_alone_says_what_where_why_who_and_what_next(situation: str) -> None:
    """With icons, colours and blocks away: a drift said neither what differs, nor who did it, nor what to do."""
    news = SITUATIONS[situation]
    heard = sentence(news)
    assert heard.startswith(f"{WORDS[news.news][1]}: {news.app} / {news.cluster}")
    assert heard.count(f"{news.app} / {news.cluster}") == (2 if situation in {"page-late", "unmuted"} else 1)
    assert [words for words in HEARD[situation] if words not in heard] == [], heard


def test_commit_that_was_well_before_is_not_said_to_fail() -> None:
    """What failed is that a hand edit could not be undone: nobody pushed anything."""
    heard = sentence(SITUATIONS["failed-to-undo-a-hand-edit"])
    assert heard.startswith("Sync failed: payments / eu-1. Deployment payments/api could not be applied")
    assert "Ana Lima" not in heard
