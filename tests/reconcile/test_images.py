"""When registries are asked, what is written where several look or push at once, and what is said of a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from bot.model.announcement import Announcement
from bot.model.app import AppSpec
from bot.model.control import Control, Pause, Via
from bot.model.image import Follow, ImageName, Write
from bot.model.record import AuditEntry, Decision, SinkName
from bot.model.source import SourceTree
from bot.ports.source import ProposalHosts
from bot.reconcile.images.following import Following
from bot.reconcile.images.tagging import Tagging
from bot.reconcile.notify.post import Post
from bot.reconcile.notify.routing import Routing
from bot.reconcile.planning.world import World
from bot.registry.wire import Registries
from bot.source.repository import GitRepository
from bot.source.spec import RepoSpec
from bot.state.store import SqlStore
from tests.plan.world import APP
from tests.registry.wire_registry import WireRegistry
from tests.render.worlds import renderer
from tests.source.upstream import Upstream

SHOP: Final = "acme/shop"
FIVE: Final = timedelta(minutes=5)
GONE: Final[tuple[int, dict[str, str], str]] = (503, {}, "")


class Clock:
    """Stands still but for a moment at each look."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now


class CountedRepository(GitRepository):
    """Counts how often folders are read."""

    trees = 0

    def tree(self, commit: str, path: str) -> SourceTree:
        self.trees += 1
        return super().tree(commit, path)


@dataclass
class Room:
    """A registry, a repository, and what looks after both; `look` does what is due."""

    clock: Clock
    registry: WireRegistry
    upstream: Upstream
    repo: CountedRepository
    store: SqlStore
    following: Following
    pushed: list[str]
    apps: dict[str, AppSpec]  # those of app sets come and go

    def look(self) -> int:
        """Run the errands that are due, and return how many."""
        errands = list(self.following.due())
        for _, work in errands:
            work()
        return len(errands)

    def heard(self) -> list[str]:
        """Return what channels hear, oldest first."""
        found = []
        for lane in self.store.due_lanes(SinkName.SLACK, now=self.clock()):
            while (one := self.store.claim(SinkName.SLACK, lane, now=self.clock())) is not None:
                assert isinstance(one.parcel, Announcement)
                found.append(f"{lane} {one.parcel.app}: {one.parcel.message}")
                self.store.delivered(one.id)
        return found

    def tags(self) -> list[str]:
        """Return the tag of each app at the branch's tip."""
        return [line.rpartition(":")[2] for line in self.file().splitlines() if "image" in line]

    def file(self) -> str:
        return self.upstream.git("show", "main:shop/a.yaml")

    def proposals(self) -> list[str]:
        """Return the branches that are proposed."""
        return self.upstream.git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/gitops-bot").split()

    def commits(self) -> int:
        return int(self.upstream.git("rev-list", "--count", "main"))


Rooms = Callable[..., Room]


@pytest.fixture
def rooms(tmp_path: Path, state_url: str) -> Iterator[Rooms]:
    with ExitStack() as stack:

        def build(*apps: dict[str, Any], follow: str = "1.x", write: Write = Write.COMMIT) -> Room:
            clock, registry = Clock(), stack.enter_context(WireRegistry())
            upstream = Upstream(tmp_path / "fleet.git")
            store = SqlStore(state_url)
            stack.callback(store.close)
            spec = RepoSpec(name="fleet", url=str(upstream.path))
            repo = CountedRepository(spec, directory=tmp_path / "cache", clock=clock)
            stack.callback(repo.close)
            image = Follow(image=ImageName(registry.host, SHOP), range=follow, write=write)
            specs = [replace(APP, images=(image,), channel="C1", **{"path": "shop", **one}) for one in apps or ({},)]
            world = World(
                repos={"fleet": repo},
                clusters={},
                renderer=renderer(tmp_path, tools=()),
                labels=lambda app: {},
                siblings=lambda app: (),
                key=store.key(),
                clock=clock,
            )
            pushed: list[str] = []
            registries, post = Registries([]), Post(store, routing=Routing())
            by_key = {app.key: app for app in specs}
            following = Following(
                by_key,
                registry=registries,
                tagging=Tagging(
                    world=world,
                    store=store,
                    post=post,
                    hosts=ProposalHosts(apis={}, link=_no_link),
                    registry=registries,
                    pushed=lambda repo, tips: pushed.extend(tips.values()),
                ),
                store=store,
                post=post,
                intervals={registry.host: FIVE},
                clock=clock,
            )
            room = Room(clock, registry, upstream, repo, store, following, pushed, by_key)
            registry.push(SHOP, "1.4.1")
            upstream.commit({"shop/a.yaml": manifest(room, "1.4.1")})
            return room

        yield build


def _no_link(app: AppSpec, branch: str, proposed: str) -> str:
    return ""


def manifest(room: Room, *tags: str) -> str:
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
    return head + "".join(
        f"  {n}: {{image: '{room.registry.host}/{SHOP}:{tag}'}}\n" for n, tag in zip("abc", tags, strict=False)
    )


def audit(room: Room) -> Sequence[AuditEntry]:
    return room.store.audit(app=None, limit=20)


# --- when -------------------------------------------------------------------------------------------------------------


def test_registry_is_asked_at_the_start_on_time_and_when_it_tells_of_a_push(rooms: Rooms) -> None:
    room = rooms()
    assert [room.look(), room.look()] == [1, 0]
    room.clock.now += FIVE
    assert [room.look(), room.look()] == [1, 0]
    host = room.registry.host
    assert room.following.pushed(host, {"acme/cart": frozenset()}) == ()
    assert room.following.pushed("quay.io", {SHOP: frozenset()}) == ()
    assert room.look() == 0
    assert room.following.pushed(host, {SHOP: frozenset()}) == (ImageName(host, SHOP),)
    assert [room.look(), room.look()] == [1, 0]
    assert room.following.pushed(host, {}) == (ImageName(host, SHOP),)
    assert [room.look(), room.look()] == [1, 0]


def test_tag_that_the_registry_lists_late_is_looked_for_again(rooms: Rooms) -> None:
    room = rooms()
    room.look()
    room.following.pushed(room.registry.host, {SHOP: frozenset({"1.4.2"})})
    assert [room.look(), room.look()] == [1, 0]
    room.clock.now += timedelta(seconds=3)
    room.registry.push(SHOP, "1.4.2")
    assert [room.look(), room.look()] == [1, 0]
    assert "1.4.2" in room.file()
    room.following.pushed(room.registry.host, {SHOP: frozenset({"9.9.9"})})
    for _ in range(60):
        room.look()
        room.clock.now += timedelta(seconds=3)
    assert room.look() == 0  # it never came: on time again
    (line,) = audit(room)
    assert (line.verb, line.via, line.decision) == ("follow", Via.WEBHOOK, Decision.DONE)


def test_registry_that_is_away_for_a_moment_is_asked_again_after_its_event(rooms: Rooms) -> None:
    """What it had told of was looked at five minutes later."""
    room = rooms()
    room.look()
    room.registry.push(SHOP, "1.4.2")
    room.registry.faults.append(GONE)
    room.following.pushed(room.registry.host, {SHOP: frozenset({"1.4.2"})})
    assert [room.look(), room.look()] == [1, 0]
    room.clock.now += timedelta(seconds=3)
    assert room.look() == 1
    assert "1.4.2" in room.file()
    (line,) = audit(room)
    assert line.via is Via.WEBHOOK


def test_look_that_outlasts_its_configuration_writes_nothing(rooms: Rooms) -> None:
    """A registry hung while somebody changed what is followed: its answer was a commit by what had been."""
    room = rooms()
    room.registry.push(SHOP, "1.4.2")
    ((_, look),) = room.following.due()
    room.following.stop()
    look()
    assert room.registry.asked("/tags/list") == 1
    assert (room.tags(), room.pushed) == (["1.4.1'}"], [])


# --- what is written --------------------------------------------------------------------------------------------------


def test_apps_that_follow_an_image_are_one_commit(rooms: Rooms) -> None:
    """A fleet of fifty would be fifty commits, each of which wakes all fifty; two of these share a file."""
    room = rooms({"name": "one"}, {"name": "two"}, {"name": "east", "path": "east"}, {"name": "gone", "path": "gone"})
    room.upstream.commit({"east/b.yaml": manifest(room, "1.4.0")})
    room.registry.push(SHOP, "1.4.2")
    room.look()
    commit = room.upstream.git("rev-parse", "main")
    assert (room.tags(), room.commits(), room.pushed) == (["1.4.2'}"], 3, [commit])
    assert "1.4.2" in room.upstream.git("show", "main:east/b.yaml")
    subject, _, *lines = room.upstream.git("log", "-1", "--format=%B", "main").splitlines()
    assert subject == f"one, two, east: {room.registry.host}/{SHOP} 1.4.0, 1.4.1 -> 1.4.2"
    assert lines[-2:] == ["- shop/a.yaml: 1.4.1 -> 1.4.2", "- east/b.yaml: 1.4.0 -> 1.4.2"]
    assert sorted(line.app for line in audit(room)) == ["prod/east", "prod/one", "prod/two"]
    assert room.heard() == []


def test_commit_elsewhere_has_no_file_of_an_app_read_again(rooms: Rooms) -> None:
    room = rooms()
    room.look()
    read = room.repo.trees
    assert read
    room.upstream.commit({"docs/a.md": "x"})
    room.clock.now += FIVE
    room.look()
    assert room.repo.trees == read
    room.upstream.commit({"shop/b.yaml": manifest(room, "1.4.0")})
    room.clock.now += FIVE
    room.look()
    assert room.repo.trees > read
    assert "1.4.1" in room.upstream.git("show", "main:shop/b.yaml")


def test_apps_that_share_a_file_write_it_once(rooms: Rooms) -> None:
    """The second wrote by the lines of before, and so into an object that had come to stand there."""
    room = rooms({"name": "one"}, {"name": "two"})
    shop = f"{room.registry.host}/{SHOP}"
    head = "apiVersion: v1, kind: ConfigMap"
    folded = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\ndata:\n  image: >-\n    {}:1.4.1\n---\n"
    room.upstream.commit(
        {
            "shop/a.yaml": folded.format("a", shop)
            + folded.format("b", shop)
            + f"{{{head}, metadata: {{name: c}}, data: {{image: '{shop}:1.4.1'}}}}\n---\n"
            + f"{{{head}, metadata: {{name: d}}, data: {{image: 'quay.io/acme/proxy:7'}}}}\n"
        }
    )
    room.registry.push(SHOP, "1.4.2")
    room.look()
    assert room.file().count(f"{shop}:1.4.2") == 3
    assert "quay.io/acme/proxy:7" in room.file()


def test_file_that_is_not_edited_by_machine_holds_no_other_app(rooms: Rooms) -> None:
    room = rooms({"name": "one"}, {"name": "east", "path": "east"})
    shared = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    image = f"image: '{room.registry.host}/{SHOP}:1.4.1'"
    room.upstream.commit({"east/b.yaml": f"{shared}data: {{a: &a {{{image}}}, b: *a}}\n"})
    room.registry.push(SHOP, "1.4.2")
    room.look()
    assert room.tags() == ["1.4.2'}"]
    (said,) = room.heard()
    assert "C1 east: " in said
    assert "east/b.yaml is not edited by machine" in said


def test_commit_that_somebody_else_pushed_meanwhile_is_kept(rooms: Rooms) -> None:
    room = rooms()
    other = room.upstream.commit({"docs/a.md": "x"}, branch="other", parents=(room.upstream.git("rev-parse", "main"),))
    hook = room.upstream.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\n[ -e raced ] && exit 0\ntouch raced\n"
        f"env -u GIT_QUARANTINE_PATH git update-ref refs/heads/main {other}\nexit 1\n"
    )
    hook.chmod(0o755)
    room.registry.push(SHOP, "1.4.2")
    room.look()
    assert room.upstream.git("rev-parse", "main^") == other
    assert room.tags() == ["1.4.2'}"]
    assert room.heard() == []


def test_newer_tag_of_git_and_of_another_place_stay(rooms: Rooms) -> None:
    room = rooms()
    room.upstream.commit({"shop/a.yaml": manifest(room, "1.4.0", "1.5.0", "latest")})
    room.registry.push(SHOP, "1.4.2")
    room.look()
    assert room.tags() == ["1.4.2'}", "1.5.0'}", "1.4.2'}"]
    newer = room.upstream.commit({"shop/a.yaml": manifest(room, "2.0.0")})
    room.clock.now += FIVE
    room.look()
    assert room.upstream.git("rev-parse", "main") == newer
    assert room.heard() == []


def test_proposal_of_a_newer_tag_takes_the_place_of_the_one_before(rooms: Rooms) -> None:
    """One that people have pushed to stays, as does one that was merged."""
    room = rooms(write=Write.PULL_REQUEST)
    for tag in ("1.4.2", "1.4.3"):
        room.registry.push(SHOP, tag)
        room.look()
        room.clock.now += FIVE
    assert [one.rpartition("-")[0] for one in room.proposals()] == ["gitops-bot/image/shop-1.4.3"]
    first, second = room.heard()
    assert "takes the place" not in first
    assert second.endswith("It takes the place of the one for 1.4.2.")
    (branch,) = room.proposals()
    room.upstream.commit({"shop/a.yaml": "x"}, branch=branch)
    room.registry.push(SHOP, "1.4.4")
    room.look()
    assert len(room.proposals()) == 2
    assert "takes the place" not in room.heard()[0]
    assert room.commits() == 1


def test_lost_state_makes_no_second_commit(rooms: Rooms) -> None:
    """As does a crash after the push: what Git has is asked, not what we remember."""
    room = rooms()
    room.registry.push(SHOP, "1.4.2")
    room.look()
    image = f"{room.registry.host}/{SHOP}"
    room.store.forget(APP.key, audit=replace(audit(room)[0], verb="delete"))
    assert room.store.followed(APP.key, image).reached == ""
    room.clock.now += FIVE
    room.look()
    assert room.commits() == 2
    assert room.store.followed(APP.key, image).reached == "1.4.2"


def test_paused_app_is_left_alone_until_its_pause_has_run_out(rooms: Rooms) -> None:
    room = rooms()
    pause = Pause(by="U0ANA", reason="", since=room.clock(), until=room.clock() + timedelta(seconds=9))
    line = AuditEntry(
        at=room.clock(), who="U0ANA", via=Via.SLACK, verb="pause", app=APP.key, arguments="", decision=Decision.DONE
    )
    room.store.save_control(APP.key, Control(pause=pause), audit=line)
    room.registry.push(SHOP, "1.4.2")
    assert [room.look(), room.look()] == [1, 0]
    assert room.commits() == 1
    room.clock.now += timedelta(seconds=10)
    assert [room.look(), room.look()] == [1, 0]
    assert (room.commits(), room.tags()) == (2, ["1.4.2'}"])


def test_tag_that_was_taken_back_at_one_of_several_places_stays_there(rooms: Rooms) -> None:
    """It was written again at once: whoever had one of two deployments go back to 1.4.1 fought the bot."""
    room = rooms()
    room.upstream.commit({"shop/a.yaml": manifest(room, "1.4.1", "1.4.1")})
    room.registry.push(SHOP, "1.4.2")
    room.look()
    assert room.tags() == ["1.4.2'}", "1.4.2'}"]
    room.upstream.commit({"shop/a.yaml": manifest(room, "1.4.1", "1.4.2")}, message="Take one back")
    room.clock.now += FIVE
    room.look()
    assert room.tags() == ["1.4.1'}", "1.4.2'}"]
    (said,) = room.heard()
    assert "shop/a.yaml has 1.4.1: 1.4.2 was in Git before, and was taken back" in said
    room.upstream.commit({"shop/b.yaml": manifest(room, "1.4.0")}, message="Add one, copied from elsewhere")
    room.clock.now += FIVE
    room.look()
    assert room.tags() == ["1.4.1'}", "1.4.2'}"]
    assert "1.4.2" in room.upstream.git("show", "main:shop/b.yaml")
    room.registry.push(SHOP, "1.4.3")
    room.clock.now += FIVE
    room.look()
    assert room.tags() == ["1.4.3'}", "1.4.3'}"]


# --- what is said -----------------------------------------------------------------------------------------------------


def test_outage_is_said_once_when_it_lasts_and_when_it_is_over(rooms: Rooms) -> None:
    room = rooms({"name": "one"}, {"name": "two"})
    room.registry.faults += [GONE] * 5
    for _ in range(2):
        room.look()
        room.clock.now += FIVE
    assert room.heard() == []
    host = room.registry.host
    assert room.following.standing() == {host: f"registry {host}: it answers 503"}
    for _ in range(3):
        room.look()
        room.clock.now += FIVE
    name = f"registry {room.registry.host}"
    (said,) = room.heard()
    assert said.startswith(f"C1 {name}: {name}: it answers 503. New tags are not seen of {room.registry.host}/{SHOP}")
    room.look()
    assert room.heard() == [f"C1 {name}: {name} answers again: new tags are seen."]
    assert room.following.standing() == {host: ""}


def test_registry_is_not_wrong_for_a_repository_that_follows_it_no_more(rooms: Rooms) -> None:
    """It was looked at for that one no more, so /healthz was red until a restart."""
    room = rooms()
    room.registry.faults.append(GONE)
    room.look()
    host, ((key, app),) = room.registry.host, room.apps.items()
    assert "503" in room.following.standing()[host]
    room.apps["prod/elsewhere"] = replace(app, name="elsewhere", repo="elsewhere")
    assert "503" in room.following.standing()[host]
    room.apps[key] = replace(app, images=())
    assert room.following.standing() == {host: ""}


def test_registry_that_says_no_digest_is_an_outage_too(rooms: Rooms) -> None:
    """It was in the log alone, and the image was never followed."""
    room = rooms()
    pinned = f"{room.registry.host}/{SHOP}:1.4.1@sha256:{'a' * 64}"
    room.upstream.commit({"shop/a.yaml": f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nimage: {pinned}\n"})
    room.registry.push(SHOP, "1.4.2")
    room.registry.manifests = (500, {}, "")
    for _ in range(3):
        room.look()
        room.clock.now += FIVE
    (said,) = room.heard()
    assert "it answers 500. New tags are not seen of" in said
    room.registry.manifests = None
    room.look()
    assert f"image: {room.registry.host}/{SHOP}:1.4.2@{room.registry.digest(SHOP, '1.4.2')}" in room.file()
    assert "answers again" in room.heard()[0]


def test_short_outage_is_nobody_s_business(rooms: Rooms) -> None:
    room = rooms()
    room.registry.faults.append(GONE)
    for _ in range(3):
        room.look()
        room.clock.now += FIVE
    assert room.heard() == []


def test_range_without_a_tag_is_said(rooms: Rooms) -> None:
    room = rooms(follow="2.x")
    for _ in range(2):
        room.look()
        room.clock.now += FIVE
    (said,) = room.heard()
    assert "has no tag that is 2.x" in said
    room.registry.push(SHOP, "2.0.0")
    room.look()
    assert [one.rpartition(": ")[2] for one in room.heard()] == [f"{room.registry.host}/{SHOP} is followed again."]
    assert "2.0.0" in room.file()
