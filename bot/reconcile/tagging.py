"""One image of one app: what becomes of its newest tag. A commit, a proposal, nothing, or a trouble that is told.

In go the tags that the registry has, out comes at most one commit, which changes the tags in the app's own files and
nothing else. Git is asked each time what it has, so that doing all this twice, or after a crash in the middle, does it
once. What is newer than the tag that is followed, cannot be compared with it, or was taken back to an older one stays:
whoever wrote that knows why. A paused or pinned app is left alone.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.errors import DeliveryFailed, ImageNotFound, PassError, PushRefused, RegistryError, RegistryRefused
from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec
from bot.model.control import ControlState, Via
from bot.model.image import Follow, Write
from bot.model.record import AuditEntry, Decision, Dispatch, Followed
from bot.ports.registry import Registry
from bot.ports.state import Store
from bot.reconcile.fingerprint import fingerprint
from bot.reconcile.keeping import Door
from bot.reconcile.news import operation_at
from bot.reconcile.post import Post
from bot.reconcile.world import World
from bot.render import CommitFiles
from bot.render.images import Place, PlaceRefused, with_tag

log = logging.getLogger(__name__)

_TRIES: Final = 3  # somebody may push at the same moment; more than that at the next look
_FLOATING: Final = frozenset({"", "latest"})  # says nothing of which version is meant
_SUBJECT: Final = 72  # characters, as people write the first line of a commit
_DIGITS: Final = 8  # of the digest in a branch's name
_PATIENCE: Final = timedelta(seconds=1)  # another process looks at the same image: it does what there is to do

Pushed = Callable[[str, Mapping[str, str]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What is known after a look, and what people should hear of it."""

    followed: Followed
    trouble: str = ""
    next_step: str = ""
    done: str = ""  # for the audit
    proposal: str = ""
    commit: str = ""


class _Stays(Exception):
    """Nothing is written; the message says why and `next_step` what people can do."""

    def __init__(self, message: str, next_step: str) -> None:
        self.next_step = next_step
        super().__init__(message)


class Tagging:
    """Writes tags for the apps of one configuration. `pushed` hears of our own commits, as of anybody's.

    Safe to use from several threads.
    """

    def __init__(
        self, *, world: World, store: Store, post: Post, door: Door, registry: Registry, pushed: Pushed
    ) -> None:
        self._world, self._store, self._post, self._door = world, store, post, door
        self._registry, self._pushed = registry, pushed
        self._settled: dict[tuple[str, Follow], tuple[str, str]] = {}  # head and tag of the last look that ended well

    def follow(self, app: AppSpec, follow: Follow, tags: Sequence[str], *, asked_at: datetime, via: Via) -> None:
        """Write the newest tag where an older one is, if there is one. Raises `StateError`."""
        image = str(follow.image)
        with self._store.lock(f"image {image} of {app.key}", timeout=_PATIENCE) as held:
            now = self._world.clock()
            if not held or self._store.control(app.key).at(now).state is not ControlState.RUNNING:
                return
            before = self._store.followed(app.key, image)
            try:
                looked = self._look(app, follow, tags, before, asked_at)
            except _Stays as why:
                looked = _Looked(followed=before, trouble=str(why), next_step=why.next_step)
            except (PushRefused, PlaceRefused, RegistryRefused, ImageNotFound) as error:
                looked = _Looked(followed=before, trouble=str(error))
            except (PassError, RegistryError) as error:  # an outage, or what the app's own passes tell people of
                log.warning("%s of %s: %s; looked at again by itself", image, app.key, error)
                return
            self._save(app, follow, before, looked, via)
        if looked.commit:
            self._pushed(app.repo, {f"refs/heads/{app.ref.name}": looked.commit})

    # --- looking ----------------------------------------------------------------------------------------------

    def _look(self, app: AppSpec, follow: Follow, tags: Sequence[str], before: Followed, asked_at: datetime) -> _Looked:
        wanted = follow.newest(tags)
        if not wanted:
            what = f"{follow.image} has no tag that is {follow.what.removeprefix(f'{follow.image} ')}"
            raise _Stays(what, "Push one, or change what is followed in the configuration")
        repo = self._world.repos[app.repo]
        for _ in range(_TRIES):
            head = repo.head(app.ref, newer_than=asked_at)
            if self._settled.get((app.key, follow)) == (head, wanted) and not before.said:
                return _Looked(followed=before)
            older, there = self._places(app, follow, head, wanted)
            if not older:
                self._settled[app.key, follow] = (head, wanted)
                return _Looked(followed=replace(before, reached=wanted) if there else before)
            if before.reached == wanted and not there:
                raise _Stays(
                    f"{older[0].path} has {older[0].tag or 'no tag'}: {wanted} was in Git before, and was taken back",
                    f"A newer tag is written again; for {wanted} write it into {older[0].path}",
                )
            if follow.write is Write.PULL_REQUEST and before.proposed == wanted:
                return _Looked(followed=before)
            made = self._made(app, follow, head, wanted, older)
            if follow.write is Write.PULL_REQUEST:
                return self._propose(app, follow, before, made)
            commit = repo.write(head, made.files, message=made.message)
            try:
                repo.advance(app.ref.name, commit, expects=head)
            except PushRefused as error:
                asked_at = self._world.clock()
                if repo.head(app.ref, newer_than=asked_at) == head:
                    raise _Stays(
                        str(error),
                        f"Let the bot push to {app.ref.name}, or set write: pull-request for {follow.image}",
                    ) from error
            else:
                return _Looked(followed=replace(before, reached=wanted), done=made.changes, commit=commit)
        log.info("%s of %s: others push at the same moment; looked at again by itself", follow.image, app.key)
        return _Looked(followed=before)

    def _places(self, app: AppSpec, follow: Follow, head: str, wanted: str) -> tuple[tuple[Place, ...], bool]:
        """Return where an older tag is, and whether the wanted one is anywhere. Raises `_Stays`."""
        files = CommitFiles(self._world.repos[app.repo], head)
        places = self._world.renderer.images(app, files, follow.image)
        if not places:
            raise _Stays(
                f"no file of {app.path or app.repo} gives {follow.image} a tag",
                f"Name it there: image: {follow.image}:TAG, newTag in images of the app's own kustomization, or tag"
                " beside repository in a values file of the app",
            )
        top = follow.rank(wanted)
        ranks = [(place, follow.rank(place.tag)) for place in places]
        older = tuple(
            place
            for place, rank in ranks
            if (rank is not None and rank < top) or (place.tag in _FLOATING and (place.tag or not place.digest))
        )
        strange = [place for place, rank in ranks if rank is None and place not in older]
        if strange and not older:
            one = strange[0]
            raise _Stays(
                f"{one.path} has {one.tag or 'a digest alone'}, which cannot be compared with {wanted}",
                f"Write a tag there that is {follow.what.removeprefix(f'{follow.image} ')}",
            )
        return older, any(place.tag == wanted for place in places)

    # --- writing ----------------------------------------------------------------------------------------------

    def _made(self, app: AppSpec, follow: Follow, head: str, wanted: str, places: Sequence[Place]) -> _Made:
        """Return the files with the new tag. Raises `PlaceRefused`, `RegistryError`."""
        repo = self._world.repos[app.repo]
        digest = self._registry.digest(follow.image, wanted) if any(place.digest for place in places) else ""
        files: dict[str, bytes] = {}
        for path in sorted({place.path for place in places}):
            file = repo.file(head, path)
            if file.is_link:
                raise PlaceRefused(f"{path} is a symbolic link: change what it leads to by hand")
            files[path] = with_tag(file.data, [one for one in places if one.path == path], wanted, digest)
        olds = sorted({place.tag or "no tag" for place in places})
        lines = dict.fromkeys(f"{place.path}: {place.tag or 'no tag'} -> {wanted}" for place in places)
        title = f"{app.name}: {follow.image} {', '.join(olds)} -> {wanted}"
        if len(title) > _SUBJECT:
            title = f"{app.name}: {follow.image.path.rpartition('/')[2]} {', '.join(olds)} -> {wanted}"
        body = (
            f"{app.title} follows {follow.what}: {wanted} is its newest tag.",
            "",
            *(f"- {line}" for line in lines),
            *([f"- digest: {digest}"] if digest else []),
        )
        title = title if len(title) <= _SUBJECT else f"{title[: _SUBJECT - 1]}…"
        return _Made(tag=wanted, head=head, files=files, title=title, body="\n".join(body), changes="; ".join(lines))

    def _propose(self, app: AppSpec, follow: Follow, before: Followed, made: _Made) -> _Looked:
        """Push a branch and open a pull request where a token is configured; asked again it is the same one."""
        facts = hashlib.sha256(f"{app.key} {follow.image} {made.tag}".encode()).hexdigest()[:_DIGITS]
        branch = f"gitops-bot/image/{app.name}-{made.tag}-{facts}"
        self._world.repos[app.repo].propose(made.head, made.files, branch=branch, message=made.message)
        url = self._door.link(app, app.ref.name, branch)
        if (host := self._door.proposals.get(app.repo)) is not None:
            try:
                url = host.open(branch=branch, into=app.ref.name, title=made.title, body=made.body)
            except DeliveryFailed as error:
                raise _Stays(f"{error}; the branch {branch} is pushed", "Open it by hand: it is tried again") from error
        where = f"{url} (branch {branch})" if url else f"branch {branch}"
        text = f"{follow.image}: {made.changes}. Review and merge it: {where}."
        return _Looked(followed=replace(before, proposed=made.tag), done=f"{made.changes} on {branch}", proposal=text)

    # --- telling ----------------------------------------------------------------------------------------------

    def _save(self, app: AppSpec, follow: Follow, before: Followed, looked: _Looked, via: Via) -> None:
        """Save how far it is followed, with what people hear: a trouble when it is new, and when it is over."""
        now = self._world.clock()
        after = replace(looked.followed, said="", since=None, operation="")
        news: list[Announcement] = []
        if looked.trouble:
            said = fingerprint(looked.trouble)
            after = replace(looked.followed, said=said, since=before.since or now, operation=before.operation)
            if said != before.said:
                log.warning("%s of %s is not followed: %s", follow.image, app.key, looked.trouble)
                after = replace(after, operation=before.operation or operation_at(now, secrets.token_hex(3)))
                text = f"{follow.image} is not followed: {looked.trouble}."
                news.append(self._news(app, after.operation, said[:12], text, looked.next_step, now))
        elif before.said:
            text = f"{follow.image} is followed again."
            news.append(self._news(app, before.operation, f"over:{now.timestamp():.0f}", text, "", now))
        if looked.proposal:
            one = self._news(app, operation_at(now, secrets.token_hex(3)), "image", looked.proposal, "", now)
            news.append(replace(one, news=News.PROPOSED))
        audits = [self._audit(app, follow, looked, now, via)] if looked.done else []
        if audits:
            log.info("%s of %s: %s", follow.image, app.key, looked.done)
        if after != before or news:
            rows: tuple[Dispatch, ...] = self._post.rows(news)
            self._store.save_followed(app.key, str(follow.image), after, audits=audits, dispatches=rows)

    def _news(
        self, app: AppSpec, operation: str, unique: str, text: str, next_step: str, now: datetime
    ) -> Announcement:
        placed = self._post.placed(app)
        return Announcement(
            id=f"{operation}:{unique}",
            operation=operation,
            news=News.NOTICE,
            app=app.name,
            cluster=app.cluster,
            env=app.env,
            channel=placed.channel,
            at=now,
            via=Via.SCHEDULE.value,
            ref=str(app.ref),
            message=text,
            next_step=next_step,
        )

    def _audit(self, app: AppSpec, follow: Follow, looked: _Looked, now: datetime, via: Via) -> AuditEntry:
        return AuditEntry(
            at=now,
            who="gitops-bot",
            via=via,
            verb="follow",
            app=app.key,
            arguments=follow.what,
            decision=Decision.DONE,
            why=f"{looked.done}{f' in {looked.commit}' if looked.commit else ''}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """The files with a new tag, as they are committed on top of `head`."""

    tag: str
    head: str
    files: Mapping[str, bytes]
    title: str
    body: str
    changes: str

    @property
    def message(self) -> str:
        return f"{self.title}\n\n{self.body}"
