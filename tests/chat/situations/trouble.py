"""Failures, of one app and of many, and their end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from bot.model.announcement import Announcement, AppLine, News, TroubleLine
from bot.model.outcome import Cause
from tests.chat.situations.base import BASE, COMMIT, NOW

_FAILED: Final = replace(
    BASE,
    news=News.FAILED,
    done=3,
    total=4,
    message="Deployment payments/api could not be applied.",
    troubles=(
        TroubleLine(
            subject="Deployment payments/api",
            where="apps/payments/api.yaml:1",
            message='admission webhook "quota" denied: limits.memory 3Gi exceeds remaining 2Gi',
        ),
    ),
    failures=1,
    since=NOW,
    next_step="Push a fix, or roll back: /gitops rollback payments 9f8e7d6. It is tried again by itself.",
    next_at=NOW + timedelta(seconds=10),
)
_MANY: Final = replace(
    BASE,
    news=News.FAILED,
    app="30 apps",
    cluster="2 clusters",
    revision=None,
    previous="",
    summary=None,
    by="",
    via="schedule",
    since=NOW - timedelta(minutes=14),
    message="30 apps fail for one reason.",
    troubles=(TroubleLine(subject="", message="cluster prod: the API server answers 503"),),
    apps=tuple(
        AppLine(key=f"{cluster}/app-{number:02}", name=f"app-{number:02}", cluster=cluster)
        for number in range(1, 31)
        for cluster in ("prod" if number % 3 else "prod-eu",)
    ),
    page="sre, P2",
    alias="gitops-bot:_shared:0123456789ab",
    next_step="Each app is tried again by itself, and this message follows them.",
)
TROUBLE: Final[dict[str, Announcement]] = {
    "failed-rejected-by-quota": _FAILED,
    "failed-third-time-paged": replace(
        _FAILED, failures=3, since=NOW - timedelta(minutes=14), page="sre, P2", by="U0BOB", via="slack"
    ),
    "failed-image-cannot-be-pulled": replace(
        _FAILED,
        message="Deployment payments/api did not become healthy.",
        troubles=(
            TroubleLine(
                subject="Deployment payments/api",
                where="apps/payments/api.yaml:1",
                message="degraded: ImagePullBackOff",
                cause=Cause(
                    pod="api-7d4b9c-x2x",
                    reason="ImagePullBackOff",
                    message='Back-off pulling image "registry/api:1.6"',
                    event="Failed: manifest unknown",
                    log=("starting", "no such file"),
                ),
            ),
        ),
    ),
    "failed-before-anything-was-read": replace(
        BASE,
        news=News.FAILED,
        revision=None,
        previous="",
        summary=None,
        message="repository fleet: the host git.example.com cannot be reached.",
        since=NOW - timedelta(minutes=2),
        next_step="It is tried again by itself.",
        next_at=NOW + timedelta(seconds=20),
    ),
    "degraded": replace(
        BASE,
        news=News.DEGRADED,
        message="No commit and no sync came before it.",
        since=NOW - timedelta(minutes=3),
        summary=None,
        troubles=(
            TroubleLine(
                subject="Deployment payments/api",
                message="CrashLoopBackOff",
                cause=Cause(pod="api-7d4b9c-x2x", reason="CrashLoopBackOff", log=("panic: no config",)),
            ),
        ),
    ),
    "recovered": replace(
        BASE,
        news=News.RECOVERED,
        message="The cluster is equal to a1b2c3d and healthy again.",
        since=NOW - timedelta(minutes=3),
        ready=12,
        objects=12,
        summary=None,
    ),
    "failed-thirty-apps-for-one-reason": _MANY,
    "failed-three-apps-for-reasons-of-their-own": replace(
        _MANY,
        app="3 apps",
        message="3 apps fail within moments of each other, each for a reason of its own.",
        troubles=(),
        apps=tuple(
            replace(one, reason=reason)
            for one, reason in zip(
                _MANY.apps,
                ("unknown field <spec.x>", "quota exceeded: cpu", 'image "api:2" cannot be pulled'),
                strict=False,
            )
        ),
        next_step="Choose an app below for its error and its buttons. Each app is tried again by itself.",
    ),
    "failed-thirty-apps-two-are-over-it": replace(
        _MANY,
        app="28 of 30 apps",
        message="28 of 30 apps still fail for one reason.",
        apps=tuple(
            replace(one, how="converged at a1b2c3d") if one.name in {"app-04", "app-17"} else one for one in _MANY.apps
        ),
        acknowledged_by="U0BOB",
    ),
    "recovered-thirty-apps": replace(
        _MANY,
        news=News.RECOVERED,
        message="All 30 apps are over it. They had one reason: cluster prod: the API server answers 503.",
        troubles=(),
        next_step="",
        page="",
        alias="",
        apps=tuple(replace(one, how="converged at a1b2c3d") for one in _MANY.apps),
    ),
    "failed-to-undo-a-hand-edit": replace(_FAILED, previous=COMMIT),
    "hostile-texts": replace(
        _FAILED,
        message='quote " backtick ` <!channel> & </html> \x00\u202e $(rm -rf /)',
        troubles=(TroubleLine(subject="Job a/<!here>", message="```\n<!everyone>\n" + "x" * 20_000),),
        reason="<@U0ANA> said & so",
    ),
}
