"""The announcement that most situations vary."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.model.announcement import Announcement, ChangeLine, News
from bot.model.plan import Summary
from bot.model.source import Revision

NOW: Final = datetime(2026, 11, 23, 4, 35, 55, tzinfo=UTC)
COMMIT: Final = "a1b2c3d" + "0" * 33
BEFORE: Final = "9f8e7d6" + "0" * 33
_HOST: Final = "https://git.example.com/p"

BASE: Final = Announcement(
    id="op_20261123043555_01f9ze:x",
    operation="op_20261123043555_01f9ze",
    news=News.DIFF,
    app="payments",
    cluster="eu-1",
    env="production",
    channel="C0PAYMENTS",
    at=NOW,
    revision=Revision(
        commit=COMMIT,
        author="Ana Lima",
        email="ana@example.com",
        subject="Raise payments memory limit",
        committed_at=NOW - timedelta(minutes=2),
    ),
    revision_url=f"{_HOST}/commit/a1b2c3d",
    compare_url=f"{_HOST}/compare/9f8e7d6...a1b2c3d",
    previous=BEFORE,
    ref="main",
    via="schedule",
    summary=Summary(update=2, create=1, delete=1),
    started_at=NOW,
)
CHANGES: Final = (
    ChangeLine(
        action="update",
        object="Deployment payments/api",
        fields=("spec.template.spec.containers[name=api].resources.limits.memory: 512Mi -> 1Gi",),
        paths=("spec.template.spec.containers[name=api].resources.limits.memory",),
    ),
    ChangeLine(
        action="update",
        object="ConfigMap payments/app",
        fields=("data.LOG_LEVEL: info -> debug",),
        paths=("data.LOG_LEVEL",),
    ),
    ChangeLine(action="create", object="Service payments/admin"),
    ChangeLine(action="delete", object="CronJob payments/old-report"),
)
DIFF: Final = replace(
    BASE,
    changes=CHANGES,
    impact=("Deployment payments/api restarts 3 pods",),
    message="1 to create, 2 to update, 1 to delete.",
    next_step="It is applied now.",
    every=timedelta(minutes=4),
)
