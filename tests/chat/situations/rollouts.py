"""One commit of many apps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from bot.model.announcement import ROLLOUT, Announcement, AppLine, News
from tests.chat.situations.base import BASE, NOW

_ROLLOUT: Final = replace(
    BASE,
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
ROLLOUTS: Final[dict[str, Announcement]] = {
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
}
