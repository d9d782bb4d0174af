"""One image and the apps of a repository that follow it: what becomes of its newest tag.

In go the tags that the registry has, out comes at most one commit for all apps of a branch, which changes the tags in
their own files and nothing else, or a proposal for each, or a trouble that people hear of. Git is asked each time what
it has, so that doing all this twice, or after a crash in the middle, does it once. What is newer than the tag that is
followed, cannot be compared with it, or was taken back to an older one stays: whoever wrote that knows why. An app that
is paused or pinned is left alone.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from bot.errors import DeliveryFailed, ImageNotFound, PassError, PushRefused, RegistryRefused, RegistryUnreachable
from bot.model.app import AppSpec
from bot.model.control import Control, ControlState, Via
from bot.model.image import Follow, Write
from bot.model.record import Followed
from bot.ports.registry import Registry
from bot.ports.source import ProposalHosts
from bot.ports.state import Store
from bot.reconcile.images.looks import Look, audit, branch_of, message, nowhere, told
from bot.reconcile.notify.news import operation_at
from bot.reconcile.notify.post import Post
from bot.reconcile.planning.world import World
from bot.render import CommitFiles
from bot.render.images import Place, PlaceRefused, with_tag

log = logging.getLogger(__name__)

_TRIES: Final = 3  # somebody may push at the same moment; more than that at the next look
_FLOATING: Final = frozenset({"", "latest"})  # says nothing of which version is meant
_PATIENCE: Final = timedelta(seconds=1)  # another process looks at the same image: it does what there is to do

Follower = tuple[AppSpec, Follow]
Pushed = Callable[[str, Mapping[str, str]], object]


class Tagging:
    """Writes tags for the apps of one configuration. `pushed` hears of our own commits, as of anybody's.

    Safe to use from several threads.
    """

    def __init__(
        self, *, world: World, store: Store, post: Post, hosts: ProposalHosts, registry: Registry, pushed: Pushed
    ) -> None:
        self._world, self._store, self._post, self._hosts = world, store, post, hosts
        self._registry, self._pushed = registry, pushed
        self._lock = threading.Lock()
        self._left: set[str] = set()  # apps (keys) that were left alone at their last look; guarded by _lock
        self._settled: dict[tuple[str, Follow], tuple[str, ...]] = {}  # what was looked at last, where all was well

    def follow(self, followers: Sequence[Follower], tags: Sequence[str], *, asked_at: datetime, via: Via) -> None:
        """Write the newest tag where an older one is. All follow one image, in one repository.

        Raises `StateError`, and `RegistryUnreachable` when all that could be done is done.
        """
        away: RegistryUnreachable | None = None
        repo, image = followers[0][0].repo, followers[0][1].image
        commits: dict[str, str] = {}
        with self._store.lock(f"image {image} in {repo}", timeout=_PATIENCE) as held:
            groups: dict[tuple[str, str, str], list[Look]] = {}
            for one in self._running(followers) if held else ():
                alone = one.app.key if one.follow.write is Write.PULL_REQUEST else ""
                groups.setdefault((one.app.ref.name, one.follow.newest(tags), alone), []).append(one)
            for (branch, wanted, _), group in groups.items():
                try:
                    looks, commit = self._written(group, wanted, asked_at)
                except RegistryUnreachable as error:
                    away = error
                    continue
                except PassError as error:  # an outage, or what the apps' own passes tell people of
                    log.warning("%s in %s: %s; looked at again by itself", image, repo, error)
                    continue
                for look in looks:
                    self._save(look, commit, via)
                if commit:
                    commits[f"refs/heads/{branch}"] = commit
        if commits:
            self._pushed(repo, commits)
        if away is not None:
            raise away

    def resumed(self) -> frozenset[str]:
        """Return the apps (keys) that were left alone and run again, each once. Raises `StateError`."""
        with self._lock:
            left = frozenset(self._left)
        if not left:
            return left
        now, controls = self._world.clock(), self._store.controls()
        found = {key for key in left if controls.get(key, Control()).at(now).state is ControlState.RUNNING}
        with self._lock:
            self._left -= found
        return frozenset(found)

    def _running(self, followers: Sequence[Follower]) -> Iterator[Look]:
        now, controls = self._world.clock(), self._store.controls()
        for app, follow in followers:
            runs = controls.get(app.key, Control()).at(now).state is ControlState.RUNNING
            with self._lock:
                (self._left.discard if runs else self._left.add)(app.key)
            if runs:
                before = self._store.followed(app.key, str(follow.image))
                yield Look(app=app, follow=follow, before=before, after=before)

    # --- looking ----------------------------------------------------------------------------------------------

    def _written(self, group: Sequence[Look], wanted: str, asked_at: datetime) -> tuple[list[Look], str]:
        """Return what became of the apps of one branch, and the commit that was pushed to it, "" without one."""
        if not wanted:
            way_out = "Push one, or change what is followed in the configuration"
            return [one.troubled(f"{one.follow.image} has no tag that is {one.wants}", way_out) for one in group], ""
        app = group[0].app
        repo = self._world.repos[app.repo]
        for _ in range(_TRIES):
            head = repo.head(app.ref, newer_than=asked_at)
            states = self._states(group, head, wanted)
            found = [look for one in group if (look := self._look(one, head, wanted, states[one.app.key])) is not None]
            looks, files = self._edited(found, head, wanted)
            if not files:
                return looks, ""
            title, body = message([one for one in looks if one.places], wanted)
            if group[0].follow.write is Write.PULL_REQUEST:
                return [self._propose(one, wanted, head, files, title, body) for one in looks], ""
            try:
                commit = repo.write(head, files, message=f"{title}\n\n{body}")
                repo.advance(app.ref.name, commit, expects=head)
            except PushRefused as error:
                asked_at = self._world.clock()
                if repo.head(app.ref, newer_than=asked_at) == head:
                    way_out = f"Let the bot push to {app.ref.name}, or set write: pull-request"
                    return [one.troubled(str(error), way_out) if one.places else one for one in looks], ""
            else:
                return [self._done(one, wanted) if one.places else one for one in looks], commit
        log.info("%s in %s: others push at the same moment; looked at again by itself", group[0].follow.image, app.repo)
        return [], ""

    def _states(self, group: Sequence[Look], head: str, wanted: str) -> dict[str, tuple[str, ...]]:
        """Return what decides about each app (key): the tag and the hashes of what it is rendered of. Reads no file."""
        roots = {one.app.key: self._world.renderer.roots(one.app) for one in group}
        paths = sorted({path for some in roots.values() for path in some})
        hashes = dict(zip(paths, self._world.repos[group[0].app.repo].hashes(head, paths), strict=True))
        return {key: (wanted, *(hashes[path] for path in some)) for key, some in roots.items()}

    def _look(self, one: Look, head: str, wanted: str, state: tuple[str, ...]) -> Look | None:
        """Return where an app has an older tag, or why nothing is written; None where its files cannot be read."""
        follow, app, before = one.follow, one.app, one.before
        if self._settled.get((app.key, follow)) == state and not before.said:
            return one
        try:
            files = CommitFiles(self._world.repos[app.repo], head)
            places = self._world.renderer.images(app, files, follow.image)
        except PassError as error:  # its own passes tell people
            log.warning("%s of %s: %s", follow.image, app.key, error)
            return None
        if not places:
            return one.troubled(*nowhere(app, follow))
        top = follow.rank(wanted)
        ranks = [(place, follow.rank(place.tag)) for place in places]
        older = tuple(
            place
            for place, rank in ranks
            if (rank is not None and rank < top) or (place.tag in _FLOATING and (place.tag or not place.digest))
        )
        there = any(place.tag == wanted for place in places)
        strange = next((place for place, rank in ranks if rank is None and place not in older), None)
        taken_back = [
            place for place in older if before.reached == wanted and (not there or place.path in before.files)
        ]
        older = tuple(place for place in older if place not in taken_back)
        if taken_back and not older:
            place = taken_back[0]
            return one.troubled(
                f"{place.path} has {place.tag or 'no tag'}: {wanted} was in Git before, and was taken back",
                f"A newer tag is written again; for {wanted} write it into {place.path}",
            )
        if older:
            asked = follow.write is Write.PULL_REQUEST and before.proposed == wanted
            return one if asked else replace(one, places=older)
        if strange is not None:
            return one.troubled(
                f"{strange.path} has {strange.tag or 'a digest alone'}, which cannot be compared with {wanted}",
                f"Write a tag there that is {one.wants}",
            )
        self._settled[app.key, follow] = state
        return replace(one, after=_reached(before, wanted, places)) if there else one

    # --- writing ----------------------------------------------------------------------------------------------

    def _edited(self, looks: Sequence[Look], head: str, wanted: str) -> tuple[list[Look], dict[str, bytes]]:
        """Return the files with the new tag, and the looks, those with a trouble whose files cannot be written."""
        files: dict[str, bytes] = {}
        written: dict[str, list[Place]] = {}
        after: list[Look] = []
        pinned = [one for one in looks if any(place.digest for place in one.places)]
        try:
            digest = self._registry.digest(pinned[0].follow.image, wanted) if pinned else ""
        except (RegistryRefused, ImageNotFound) as error:
            return [one.troubled(str(error)) if one.places else one for one in looks], {}
        for one in looks:
            try:
                files |= self._files(one, head, wanted, digest, written)
            except PlaceRefused as error:
                after.append(one.troubled(str(error)))
            else:
                after.append(one)
        return after, files

    def _files(
        self, one: Look, head: str, wanted: str, digest: str, written: dict[str, list[Place]]
    ) -> dict[str, bytes]:
        """Return the files of an app with the new tag, there and at the places that others have `written`.

        Places are lines of the file as it is at `head`: what is already changed may have others.
        """
        files: dict[str, bytes] = {}
        all_places: dict[str, list[Place]] = {}
        for path in sorted({place.path for place in one.places}):
            file = self._world.repos[one.app.repo].file(head, path)
            if file.is_link:
                raise PlaceRefused(f"{path} is a symbolic link: change what it leads to by hand")
            before = written.get(path, [])
            mine = [place for place in one.places if place.path == path and place not in before]
            all_places[path] = [*before, *mine]
            files[path] = with_tag(file.data, all_places[path], wanted, digest)
        written |= all_places
        return files

    def _done(self, one: Look, wanted: str) -> Look:
        return replace(one, after=_reached(one.before, wanted, one.places), done="; ".join(one.changes(wanted)))

    def _propose(self, one: Look, wanted: str, head: str, files: Mapping[str, bytes], title: str, body: str) -> Look:
        """Push a branch and open a pull request where a token is configured; asked again it is the same one."""
        app, image = one.app, one.follow.image
        branch, repo, whole = branch_of(one, wanted), self._world.repos[app.repo], f"{title}\n\n{body}"
        try:
            tip = repo.write(head, files, message=whole)
            try:
                repo.advance(branch, tip, expects="")
            except PushRefused:  # it is there already, and may have what people pushed: it is never withdrawn
                repo.propose(head, files, branch=branch, message=whole)
                tip = ""
        except PushRefused as error:
            return one.troubled(str(error))
        url = self._hosts.link(app, app.ref.name, branch)
        if (host := self._hosts.apis.get(app.repo)) is not None:
            try:
                url = host.open(branch=branch, into=app.ref.name, title=title, body=body)
            except DeliveryFailed as error:
                return one.troubled(f"{error}; the branch {branch} is pushed", "Open it by hand, or it is tried again")
        where = f"{url} (branch {branch})" if url else f"branch {branch}"
        changes = "; ".join(one.changes(wanted))
        return replace(
            one,
            after=replace(one.before, proposed=wanted, proposed_tip=tip),
            done=f"{changes} on {branch}",
            proposal=f"{image}: {changes}. Review and merge it: {where}.{self._withdrawn(one)}",
        )

    def _withdrawn(self, one: Look) -> str:
        """Delete the branch of the proposal before, which closes its pull request; return what to say of that."""
        before = one.before
        if not before.proposed_tip or before.reached == before.proposed:
            return ""
        branch = branch_of(one, before.proposed)
        try:
            gone = self._world.repos[one.app.repo].withdraw(branch, expects=before.proposed_tip)
        except PassError as error:
            log.warning("%s: %s", branch, error)
            return ""
        return f" It takes the place of the one for {before.proposed}." if gone else ""

    def _save(self, look: Look, commit: str, via: Via) -> None:
        """Save how far an image is followed, with what people hear of it."""
        now, app, image = self._world.clock(), look.app, look.follow.image
        operation, channel = operation_at(now, secrets.token_hex(3)), self._post.placed(app).channel
        after, news = told(look, channel=channel, operation=operation, at=now)
        if look.done:
            log.info("%s of %s: %s", image, app.key, look.done)
        elif after.said != look.before.said and look.trouble:
            log.warning("%s of %s is not followed: %s", image, app.key, look.trouble)
        if after != look.before or news:
            audits = [audit(look, commit, now, via)] if look.done else []
            self._store.save_followed(app.key, str(image), after, audits=audits, dispatches=self._post.rows(news))


def _reached(before: Followed, wanted: str, places: Sequence[Place]) -> Followed:
    """Return what is known once Git has a tag at these places too: whoever takes it back there knows why."""
    files = before.files if before.reached == wanted else ()
    return replace(before, reached=wanted, files=tuple(sorted({*files, *(place.path for place in places)})))
