"""Commits, good and bad, as the shop's people push them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bot.sandbox.demo import cast, story
from bot.sandbox.demo.mischief.stage import BadCommit, Group, Impossible, Mischief, Stage
from bot.sandbox.demo.repository import NewCommit
from bot.sandbox.slack.values import User

MISSING_IMAGE: Final = "registry.shop.example/catalog:3.8.0"  # committed before it was pushed to the registry
_WEB: Final = f"{story.PRODUCTION}/web"
_RELEASES: Final = (
    "ask for the card's name only once",
    "refund in the currency of the order",
    "try a declined card again after a minute",
    "name the shop on the card statement",
    "forget a saved card when its owner asks",
)
_TAG: Final = r"(image: \S+:\d+\.\d+\.)(\d+)\S*"


def _commit(stage: Stage, who: User, message: str, files: Mapping[str, str | None]) -> str:
    return stage.repo().commit(_new(who, message, files))


def _new(who: User, message: str, files: Mapping[str, str | None]) -> NewCommit:
    return NewCommit(author=cast.author(who), at=datetime.now(UTC), message=message, files=files)


def _edited(stage: Stage, path: str, pattern: str, change: Callable[[re.Match[str]], str]) -> dict[str, str | None]:
    """Return the file with the first match changed, or nothing when it reads so already."""
    before = stage.repo().read(path)
    text, count = re.subn(pattern, change, before, count=1)
    if not count:
        raise Impossible(f"{path} is not as it was: somebody has edited it.")
    return {path: text} if text != before else {}


def _next_patch(found: re.Match[str]) -> str:
    return f"{found[1]}{int(found[2]) + 1}"


def _next_image(stage: Stage, app: str) -> dict[str, str | None]:
    return _edited(stage, f"{story.PRODUCTION}/{app}/deployment.yaml", _TAG, _next_patch)


def _good_commit(stage: Stage) -> str:
    match next(stage.turns) % 4:
        case 0:
            files, who, what = _next_image(stage, "web"), cast.BOB, "web: the checkout button fits on small phones"
        case 1:
            files = _edited(
                stage, f"{_WEB}/config.yaml", r'BANNER: ".*"', lambda _: 'BANNER: "Free delivery this week"'
            )
            who, what = cast.EVE, "Say that delivery is free this week"
        case 2:
            path = f"{story.PRODUCTION}/cart/deployment.yaml"
            files = _edited(stage, path, r"replicas: (\d+)", lambda found: f"replicas: {int(found[1]) % 5 + 1}")
            who, what = cast.ANA, "Scale cart for the weekend"
        case _:
            files, who, what = _next_image(stage, "web"), cast.BOB, "web: faster product pages"
    commit = _commit(stage, who, what, files or _next_image(stage, "web"))
    return f"{who.real_name} pushed {commit[:7]}: {what}."


def _release(stage: Stage) -> str:
    files = _next_image(stage, "payments")
    commit = _commit(stage, cast.CHLOE, f"payments: {_RELEASES[next(stage.releases) % len(_RELEASES)]}", files)
    return f"Chloé Martin pushed {commit[:7]}. It waits in #{cast.PAYMENTS.name} for a person's yes."


@dataclass(frozen=True, slots=True, kw_only=True)
class _BadEdit:
    """A bad line in a file, as long as it is in main: a force-push may drop it, and may drop its revert."""

    id: str
    who: User
    message: str
    path: str
    pattern: str
    text: str

    def do(self, stage: Stage) -> str:
        before: Mapping[str, str | None] = {self.path: stage.repo().read(self.path)}
        files = _edited(stage, self.path, self.pattern, lambda _: self.text)
        if not files:
            raise Impossible("That is in Git already: revert it first.")
        commit = _commit(stage, self.who, self.message, files)
        stage.bad_commits[self.id] = BadCommit(id=commit, before=before)
        return f"{self.who.real_name} pushed {commit[:7]}: {self.message}."

    def undo(self, stage: Stage) -> str:
        if not self.is_on(stage):
            raise Impossible("There is no bad commit to revert.")
        bad = stage.bad_commits[self.id]
        made = _commit(stage, cast.ANA, f"Revert {bad.id[:7]}", bad.before)
        return f"Ana Lima pushed {made[:7]}, which reverts {bad.id[:7]}."

    def is_on(self, stage: Stage) -> bool:
        return self.id in stage.bad_commits and self.text in stage.repo().read(self.path)


def _force_push(stage: Stage) -> str:
    repo = stage.repo()
    left = repo.head()
    path = f"{_WEB}/deployment.yaml"
    # What the dropped commit did goes with it: the new one stands on the one before. Its image is one that no commit
    # had, so that there is something to deploy when the dropped one was about web too.
    image = re.search(_TAG, repo.read(path, ref=left))
    if image is None:
        raise Impossible(f"{path} is not as it was: somebody has edited it.")
    text, _ = re.subn(_TAG, _next_patch(image), repo.read(path, ref=f"{left}~1"), count=1)
    made = repo.replace_last(_new(cast.BOB, "web: rewritten, and pushed with --force", {path: text}))
    return f"Bob Reis dropped {left[:7]} from main and put {made[:7]} in its place."


def _ours(stage: Stage) -> object:
    return stage.repository


_BROKEN_IMAGE: Final = _BadEdit(
    id="broken-image",
    who=cast.BOB,
    message="catalog 3.8.0: product videos",
    path=f"{story.PRODUCTION}/catalog/deployment.yaml",
    pattern=r"image: \S+",
    text=f"image: {MISSING_IMAGE}",
)
_INVALID_MANIFEST: Final = _BadEdit(
    id="invalid-manifest",
    who=cast.DEV,
    message="More orders for the sale",
    path=f"{story.PRODUCTION}/orders/deployment.yaml",
    pattern=r"replicas: \S+",
    text="replicas: three",
)

ALL: Final = (
    Mischief(
        id="good-commit",
        group=Group.GIT,
        title="Push a good commit",
        text="A small, sane change lands on main.",
        do=_good_commit,
        needs=_ours,
    ),
    Mischief(
        id="release",
        group=Group.GIT,
        title="Push a payments release",
        text="payments moves money: its commits wait for a person's yes.",
        do=_release,
        needs=_ours,
    ),
    Mischief(
        id=_BROKEN_IMAGE.id,
        group=Group.GIT,
        title="Push a broken image",
        text="catalog gets an image tag that no registry has.",
        do=_BROKEN_IMAGE.do,
        undo_title="Revert the broken image",
        undo=_BROKEN_IMAGE.undo,
        is_on=_BROKEN_IMAGE.is_on,
        needs=_ours,
    ),
    Mischief(
        id=_INVALID_MANIFEST.id,
        group=Group.GIT,
        title="Push an invalid manifest",
        text="orders wants “three” replicas. The API server will not have it.",
        do=_INVALID_MANIFEST.do,
        undo_title="Revert the invalid manifest",
        undo=_INVALID_MANIFEST.undo,
        is_on=_INVALID_MANIFEST.is_on,
        needs=_ours,
    ),
    Mischief(
        id="force-push",
        group=Group.GIT,
        title="Force-push main",
        text="The last commit disappears and another one takes its place.",
        do=_force_push,
        needs=_ours,
    ),
)
