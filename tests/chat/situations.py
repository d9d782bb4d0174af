"""One announcement for each situation people meet; golden files show how it reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.model.announcement import ROLLOUT, Announcement, AppLine, ChangeLine, News, Progress, TroubleLine
from bot.model.outcome import Cause
from bot.model.plan import Summary
from bot.model.source import Revision

NOW: Final = datetime(2026, 11, 23, 4, 35, 55, tzinfo=UTC)
_COMMIT: Final = "a1b2c3d" + "0" * 33
_BEFORE: Final = "9f8e7d6" + "0" * 33
_HOST: Final = "https://git.example.com/p"

_BASE: Final = Announcement(
    id="op_20261123043555_01f9ze:x",
    operation="op_20261123043555_01f9ze",
    news=News.DIFF,
    app="payments",
    cluster="eu-1",
    env="production",
    channel="C0PAYMENTS",
    at=NOW,
    revision=Revision(
        commit=_COMMIT,
        author="Ana Lima",
        email="ana@example.com",
        subject="Raise payments memory limit",
        committed_at=NOW - timedelta(minutes=2),
    ),
    revision_url=f"{_HOST}/commit/a1b2c3d",
    compare_url=f"{_HOST}/compare/9f8e7d6...a1b2c3d",
    previous=_BEFORE,
    ref="main",
    via="schedule",
    summary=Summary(update=2, create=1, delete=1),
    started_at=NOW,
)
_CHANGES: Final = (
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
_DIFF: Final = replace(
    _BASE,
    changes=_CHANGES,
    impact=("Deployment payments/api restarts 3 pods",),
    message="1 to create, 2 to update, 1 to delete.",
    next_step="It is applied now.",
    every=timedelta(minutes=4),
)
_FAILED: Final = replace(
    _BASE,
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
_SECRET: Final = ChangeLine(
    action="update", object="Secret payments/db", fields=("data.password: (hidden) -> (hidden, changed)",)
)

_MANY: Final = replace(
    _BASE,
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
_ROLLOUT: Final = replace(
    _BASE,
    operation=f"{ROLLOUT}a1b2c3d00000@C0DEPLOYS",
    news=News.SYNCING,
    app="44 apps",
    cluster="2 clusters",
    env="",
    at=NOW + timedelta(seconds=22),
    since=NOW,
    compare_url="",
    previous="",
    summary=None,
    apps=tuple(
        AppLine(key=f"{cluster}/app-{number:02}", name=f"app-{number:02}", cluster=cluster, env="production", how=how)
        for number in range(1, 45)
        for cluster in ("prod" if number % 3 else "prod-eu",)
        for how in ("failed" if number in {4, 9} else "syncing" if number > 41 else "converged",)
    ),
)
SITUATIONS: Final[dict[str, Announcement]] = {
    "rollout-syncing": _ROLLOUT,
    "rollout-more-to-be-asked": replace(
        _ROLLOUT, app="44 to 246 apps", awaited=tuple(f"prod/late-{number:03}" for number in range(202))
    ),
    "rollout-nobody-knows-how-many": replace(_ROLLOUT, app="44 apps or more", awaited=None),
    "rollout-converged-two-failed": replace(
        _ROLLOUT,
        news=News.CONVERGED,
        since=None,
        apps=tuple(replace(one, how="converged") if one.how == "syncing" else one for one in _ROLLOUT.apps),
    ),
    "rollout-converged": replace(
        _ROLLOUT,
        news=News.CONVERGED,
        since=None,
        app="12 apps",
        cluster="prod",
        env="production",
        at=NOW + timedelta(minutes=4),
        apps=tuple(
            AppLine(
                key=f"prod/app-{number:02}", name=f"app-{number:02}", cluster="prod", env="production", how="converged"
            )
            for number in range(1, 13)
        ),
    ),
    "rollout-failed": replace(
        _ROLLOUT,
        news=News.FAILED,
        since=None,
        app="11 apps",
        cluster="prod",
        env="production",
        apps=tuple(
            AppLine(
                key=f"prod/app-{number:02}", name=f"app-{number:02}", cluster="prod", env="production", how="failed"
            )
            for number in range(1, 12)
        ),
    ),
    "diff": _DIFF,
    "diff-of-an-older-commit": replace(
        _DIFF,
        revision=Revision(
            commit=_COMMIT,
            author="Ben Okafor",
            email="ben@example.com",
            subject="Scale the shop",
            cause=Revision(
                commit="0f1e2d3" + "c" * 33, author="Ana Lima", email="ana@example.com", subject="Raise the limit"
            ),
        ),
    ),
    "diff-in-thread": replace(_DIFF, in_thread=True),
    "diff-of-a-secret": replace(_DIFF, changes=(_SECRET,), summary=Summary(update=1), prune=False),
    "diff-of-forty-objects": replace(
        _DIFF,
        changes=tuple(ChangeLine(action="create", object=f"ConfigMap payments/part-{n:02}") for n in range(40)),
        summary=Summary(create=40),
    ),
    "syncing": replace(
        _BASE,
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
        _BASE,
        news=News.CONVERGED,
        at=NOW + timedelta(seconds=100),
        message="The cluster is equal to a1b2c3d.",
        ready=12,
        objects=12,
        every=timedelta(minutes=4),
    ),
    "converged-hand-edit-undone": replace(
        _BASE,
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
    "converged-after-failures": replace(
        _BASE,
        news=News.CONVERGED,
        at=NOW + timedelta(seconds=100),
        message="The cluster is equal to a1b2c3d. It recovered after 3 failures.",
        ready=12,
        objects=12,
        failures=3,
        since=NOW - timedelta(minutes=20),
    ),
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
        _BASE,
        news=News.FAILED,
        revision=None,
        previous="",
        summary=None,
        message="repository fleet: the host git.example.com cannot be reached.",
        since=NOW - timedelta(minutes=2),
        next_step="It is tried again by itself.",
        next_at=NOW + timedelta(seconds=20),
    ),
    "refused-many-deletes": replace(
        _DIFF,
        news=News.REFUSED,
        message="14 of 16 objects would be deleted, more than max_delete allows.",
        needed=1,
        until=NOW + timedelta(minutes=30),
        next_step="Approve or reject here, or: gitops-bot approve payments sha256:111111111111",
        plan_hash="sha256:" + "1" * 64,
    ),
    "refused-one-of-two-approvals": replace(
        _DIFF,
        news=News.REFUSED,
        message="14 of 16 objects would be deleted, more than max_delete allows.",
        needed=2,
        given=("U0BOB",),
        until=NOW + timedelta(minutes=30),
        plan_hash="sha256:" + "1" * 64,
    ),
    "approval-needed": replace(
        _DIFF,
        news=News.APPROVAL,
        message="1 to create, 2 to update, 1 to delete at main.",
        needed=2,
        until=NOW + timedelta(minutes=30),
        next_step="Approve or reject here, or: gitops-bot approve payments sha256:111111111111",
        plan_hash="sha256:" + "1" * 64,
        by="U0ANA",
        via="slack",
    ),
    "paused": replace(
        _BASE,
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
    "rolled-back": replace(
        _BASE,
        news=News.ROLLED_BACK,
        revision=Revision(commit=_BEFORE, author="Bob Reis", subject="Say less"),
        previous=_COMMIT,
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
        _BASE,
        news=News.WAITING,
        message="a1b2c3d waiting (paused). 2 commits wait.",
        behind=2,
        next_step="/gitops resume payments applies it",
        changes=_CHANGES[:1],
    ),
    "drift-left-alone": replace(
        _DIFF,
        news=News.DRIFT,
        previous=_COMMIT,
        message="The cluster differs from Git and is left so: self_heal is off.",
        next_step="/gitops sync payments undoes it, /gitops keep payments proposes it to Git",
    ),
    "drift-of-one-field": replace(
        _DIFF,
        news=News.DRIFT,
        changes=(replace(_CHANGES[1], hands=("kubectl-edit at 2026-11-23 04:34 UTC",)),),
        summary=Summary(update=1),
        message="The cluster differs from Git and is left so: paused by U0ANA.",
        next_step="/gitops resume payments undoes it, /gitops keep payments proposes it to Git",
    ),
    "fight-over-a-field": replace(
        _BASE,
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
        _BASE,
        news=News.PROPOSED,
        in_thread=True,
        by="U0ANA",
        via="slack",
        message="To keep: ConfigMap payments/app data.LOG_LEVEL: info -> debug. Review and merge it: "
        "https://git.example.com/fleet/compare/main...gitops-bot/keep/payments-1a2b3c4d "
        "(branch gitops-bot/keep/payments-1a2b3c4d).",
    ),
    "change-proposed-of-one-field-of-two": replace(
        _BASE,
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
    "degraded": replace(
        _BASE,
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
        _BASE,
        news=News.RECOVERED,
        message="The cluster is equal to a1b2c3d and healthy again.",
        since=NOW - timedelta(minutes=3),
        ready=12,
        objects=12,
        summary=None,
    ),
    "settled-kept-in-git": replace(
        _BASE,
        news=News.SETTLED,
        message="What was changed by hand is in Git now, with a1b2c3d by Ana Lima: the cluster is equal to a1b2c3d.",
        ready=12,
        objects=12,
        summary=Summary(unchanged=12),
        every=timedelta(minutes=4),
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
    "notice-opsgenie-ends": replace(
        _BASE,
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
    "approved-in-the-thread": replace(
        _BASE,
        news=News.APPROVED,
        in_thread=True,
        by="U0BOB",
        via="slack",
        message="A person approved this plan (1 of 2): sha256:111111111111.",
    ),
    "rejected": replace(
        _DIFF,
        news=News.REJECTED,
        by="U0BOB",
        reason="too risky today",
        message="Nothing is applied.",
        next_step="Push a change, or ask again: /gitops sync payments",
    ),
    "expired": replace(
        _BASE,
        news=News.EXPIRED,
        revision=None,
        summary=None,
        message="Nobody decided on the plan in time; nothing is applied.",
        next_step="/gitops sync payments asks again",
    ),
    "muted": replace(
        _BASE,
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
        _BASE,
        news=News.UNMUTED,
        revision=None,
        summary=None,
        since=NOW - timedelta(hours=2),
        message="The mute has run out. 1 sync converged, 1 failed, in 1 app.",
        impact=("payments / eu-1: 1 converged, 1 failed, now converged at a1b2c3d",),
    ),
    "reminder-of-a-pause": replace(
        _BASE,
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
        _BASE,
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
        _BASE, news=News.RESUMED, revision=None, summary=None, by="U0ANA", message="It follows main again."
    ),
    "deleted": replace(
        _BASE, news=News.DELETED, revision=None, by="os:ana", message="3 objects were deleted. The app is forgotten."
    ),
    "paged": replace(
        _BASE,
        news=News.PAGED,
        revision=None,
        summary=None,
        in_thread=True,
        page="sre, P2",
        message="payments / eu-1 (production): Deployment payments/api could not be applied",
    ),
    "page-late": replace(
        _BASE,
        news=News.PAGE_LATE,
        revision=None,
        summary=None,
        message="On-call could not be paged yet: it answers 503. The page: payments / eu-1 (production): no Pod runs",
        next_step="It is tried again by itself. Call the on-call person if it cannot wait.",
    ),
    "page-closed": replace(
        _BASE, news=News.PAGE_CLOSED, revision=None, summary=None, in_thread=True, message="Converged at a1b2c3d."
    ),
    "acknowledged": replace(
        _BASE, news=News.ACKNOWLEDGED, revision=None, summary=None, in_thread=True, message="Acknowledged by U0BOB1."
    ),
    "undeliverable": replace(
        _BASE,
        news=News.UNDELIVERABLE,
        revision=None,
        summary=None,
        message="On-call could not be paged: 401, the key is refused.",
        next_step="Call the on-call person, and correct the on-call settings.",
    ),
    "failed-to-undo-a-hand-edit": replace(_FAILED, previous=_COMMIT),
    "hostile-texts": replace(
        _FAILED,
        message='quote " backtick ` <!channel> & </html> \x00\u202e $(rm -rf /)',
        troubles=(TroubleLine(subject="Job a/<!here>", message="```\n<!everyone>\n" + "x" * 20_000),),
        reason="<@U0ANA> said & so",
    ),
}
