"""A look at one app that follows an image: what was found, what was done, and how people read it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec
from bot.model.control import Via
from bot.model.image import Follow
from bot.model.record import AuditEntry, Decision, Followed
from bot.reconcile.notify.fingerprint import fingerprint
from bot.reconcile.orders import commands
from bot.render.images import Place

_SUBJECT: Final = 72  # characters, as people write the first line of a commit
_DIGITS: Final = 8  # of the digest in a branch's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An app that follows the image, and what a look at it has found or done.

    `before` is what was known of it, `after` what is now. `places` have an older tag and are to be written.
    """

    app: AppSpec
    follow: Follow
    before: Followed
    after: Followed
    places: tuple[Place, ...] = ()
    trouble: str = ""
    next_step: str = ""
    done: str = ""  # for the audit
    proposal: str = ""

    @property
    def wants(self) -> str:
        """How people read which tags are meant: `1.x`."""
        return self.follow.what.removeprefix(f"{self.follow.image} ")

    def troubled(self, why: str, next_step: str = "") -> Look:
        return replace(self, places=(), trouble=why, next_step=next_step)

    def changes(self, wanted: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(f"{one.path}: {one.tag or 'no tag'} -> {wanted}" for one in self.places))


def told(look: Look, *, channel: str, operation: str, at: datetime) -> tuple[Followed, tuple[Announcement, ...]]:
    """Return what is remembered of a look, and what people hear: a trouble when it is new, and when it is over.

    `channel` is the one the app lives in, `operation` a fresh name.
    """
    before, image = look.before, look.follow.image
    news: list[Announcement] = []
    after = replace(look.after, said="", since=None, operation="")
    if look.trouble:
        said = fingerprint(look.trouble)
        after = replace(look.after, said=said, since=before.since or at, operation=before.operation or operation)
        if said != before.said:
            text = f"{image} is not followed: {look.trouble}."
            news.append(_notice(look, after.operation, text, channel, at, next_step=look.next_step))
    elif before.said:
        news.append(_notice(look, before.operation, f"{image} is followed again.", channel, at))
    if look.proposal:
        news.append(replace(_notice(look, operation, look.proposal, channel, at), news=News.PROPOSED))
    return after, tuple(news)


def _notice(look: Look, operation: str, text: str, channel: str, at: datetime, *, next_step: str = "") -> Announcement:
    clock = commands.Person(who="", via=Via.SCHEDULE, at=at, order=operation)
    said = commands.announcement(look.app, clock, News.NOTICE)
    return replace(said, id=f"{operation}:{at.timestamp():.3f}", channel=channel, message=text, next_step=next_step)


def nowhere(app: AppSpec, follow: Follow) -> tuple[str, str]:
    """Return what to say of an image that no file of the app gives a tag, and what to do."""
    return (
        f"no file of {app.path or app.repo} gives {follow.image} a tag",
        f"Name it there: image: {follow.image}:TAG, newTag in images of the app's own kustomization, or tag beside"
        " repository in a values file of the app",
    )


def branch_of(one: Look, tag: str) -> str:
    """Return the branch on which an app is proposed a tag: the same one each time."""
    facts = hashlib.sha256(f"{one.app.key} {one.follow.image} {tag}".encode()).hexdigest()[:_DIGITS]
    return f"gitops-bot/image/{one.app.name}-{tag}-{facts}"


def message(looks: Sequence[Look], wanted: str) -> tuple[str, str]:
    """Return the subject and the body of a commit: which apps, which image, the old tags and the new one."""
    image = looks[0].follow.image
    olds = ", ".join(sorted({place.tag or "no tag" for one in looks for place in one.places}))
    names = ", ".join(dict.fromkeys(one.app.name for one in looks))
    short = image.path.rpartition("/")[2]
    titles = [f"{who}: {what} {olds} -> {wanted}" for who in (names, f"{len(looks)} apps") for what in (image, short)]
    title = next((one for one in titles if len(one) <= _SUBJECT), f"{titles[-1][: _SUBJECT - 1]}…")
    lines = [f"{one.app.title} follows {one.follow.what}: {wanted} is its newest tag." for one in looks]
    changes = dict.fromkeys(f"- {line}" for one in looks for line in one.changes(wanted))
    return title, "\n".join([*lines, "", *changes])


def audit(look: Look, commit: str, at: datetime, via: Via) -> AuditEntry:
    """Return the line of a tag that was written or proposed."""
    return AuditEntry(
        at=at,
        who="gitops-bot",
        via=via,
        verb="follow",
        app=look.app.key,
        arguments=look.follow.what,
        decision=Decision.DONE,
        why=f"{look.done}{f' in {commit}' if commit else ''}",
    )
