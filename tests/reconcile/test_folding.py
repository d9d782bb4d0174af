"""Who is told and woken when apps fail together: passes in, messages and pages out, on plain values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Problem
from bot.model.announcement import MOVED, Announcement, News, Page, PageAct
from bot.model.app import AppSpec
from bot.model.control import Trigger, Via
from bot.model.incident import Incident
from bot.model.outcome import Failure, PassKind, Result, SyncReport
from bot.model.plan import Plan
from bot.model.record import AppMemory
from bot.model.source import Revision
from bot.oncall.escalation import PagePolicy, escalate
from bot.reconcile.incidents import shared
from bot.reconcile.incidents.folding import MOMENT, Folded, covered, dropped, fold
from bot.reconcile.incidents.own import TROUBLES, OwnNews
from bot.reconcile.notify import news
from bot.reconcile.notify.telling import Waits
from tests.plan.world import REVISION, app

NOON = datetime(2026, 3, 6, 12, 0, tzinfo=UTC)
POLICY = PagePolicy(failures=3, duration=timedelta(minutes=15))
DOWN = Failure(message="cluster prod: the API server answers 503", transient=True, neighbour="cluster prod")
TOKEN = Failure(message="cluster prod: 401", neighbour="cluster prod: credentials")

WORDS = re.findall(  # of which no part is volatile
    r"\w+",
    "acorn badge cabin daisy eagle fable gable haven igloo jetty koala ladle mango noble oasis "
    "panda quilt raven salad table udder vault wagon xenon yield zonal amber birch cedar delta",
)


def broken(text: str) -> Failure:
    return Failure(message="cannot be applied", problems=(Problem(message=text),))


@dataclass
class World:
    """The memory of apps and the incidents between passes, as the store keeps them."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    memories: dict[str, AppMemory] = field(default_factory=dict)
    pages: list[Page] = field(default_factory=list)
    now: datetime = NOON
    commit: str = "a" * 40
    cause: Revision | None = None

    def ends(self, spec: AppSpec, failure: Failure | None, *, waits: bool = False) -> Folded:
        """End a pass of an app: None is a good one, unless its plan waits for a yes."""
        revision = Revision(commit=self.commit, subject="Raise the limit", author="Ana Lima", cause=self.cause)
        self.now += timedelta(seconds=1)
        before = self.memories.get(spec.key, AppMemory(app=spec.key))
        operation = before.operation or f"op_{len(self.memories)}_{self.now:%H%M%S}"
        report = SyncReport(
            operation=operation,
            app=spec.key,
            kind=PassKind.SYNC,
            trigger=Trigger(via=Via.SCHEDULE),
            started_at=self.now,
            finished_at=self.now,
            result=Result.FAILED if failure else Result.WAITING_APPROVAL if waits else Result.CONVERGED,
            revision=revision,
            target=revision,
            previous=before.revision,
            failure=failure,
            plan=Plan(app=spec.name, cluster=spec.cluster, revision=REVISION, ref="main", changes=(), hash="sha256:a1")
            if waits
            else None,
        )
        base = Announcement(
            id=operation,
            operation=operation,
            news=News.DIFF,
            app=spec.name,
            cluster=spec.cluster,
            env=spec.env,
            channel=spec.channel,
            at=self.now,
            revision_url=f"https://git.example.com/{revision.short}",
        )
        before = covered(before, list(self.incidents.values()))
        told = news.ended(spec, report, before, base=base, targets=(), waits=Waits())
        memory, pages = escalate(before, told.memory, app=spec, report=report, policy=POLICY)
        trouble = next((one for one in told.announcements if one.news in TROUBLES), None)
        own = OwnNews(
            app=spec,
            report=report,
            before=before,
            memory=memory,
            said=told.announcements,
            pages=pages,
            heard={spec.channel: trouble.root_key} if trouble is not None else {},
            owns=not before.operation,
        )
        folded = fold(list(self.incidents.values()), own, policy=POLICY)
        self.memories[spec.key] = folded.memory if folded.memory.said else replace(folded.memory, operation="")
        self.enter(folded)
        return folded

    def enter(self, folded: Folded) -> None:
        self.pages += folded.pages
        for one in folded.incidents:
            self.incidents.pop(one.id, None)
            if one.failing:
                self.incidents[one.id] = one

    def later(self, span: timedelta) -> None:
        self.now += span

    def acts(self) -> list[tuple[PageAct, str]]:
        return [(one.act, one.alias) for one in self.pages]

    def opened(self) -> set[str]:
        """Return the aliases that are open over there."""
        found: set[str] = set()
        for one in self.pages:
            if one.act is PageAct.OPEN:
                assert one.alias not in found, "paged again"
                found.add(one.alias)
            elif one.act is PageAct.CLOSE:
                found.discard(one.alias)
        return found


def apps(count: int, **more: str) -> list[AppSpec]:
    named = [app(path="", channel="C1", oncall_priority="P3") for _ in range(count)]
    return [replace(one, name=f"app-{number}", **more) for number, one in enumerate(named)]  # type: ignore[arg-type]


def all_end(world: World, some: Sequence[AppSpec], failure: Failure | None, *, times: int = 1) -> Folded:
    for _ in range(times):
        for one in some:
            last = world.ends(one, failure)
    return last


def test_second_app_with_the_same_reason_makes_one_message_of_both() -> None:
    world, (first, second) = World(), apps(2)
    own = world.ends(first, TOKEN)
    assert (own.folds, own.hushed) == ((), frozenset())
    both = world.ends(second, TOKEN)
    (told,) = both.folds
    assert both.hushed == {"C1"}
    assert told.inherits == own.said[0].root_key
    assert [one.key for one in told.apps] == [first.key, second.key]


def test_message_of_many_apps_names_the_commit_that_broke_all_of_them_and_the_way_back() -> None:
    world, some = World(), apps(2)
    (told,) = all_end(world, some, broken("quota exceeded")).folds
    assert told.revision is not None
    assert told.revision.commit == "a" * 40
    assert told.next_step.startswith("Push a fix")
    (outage,) = all_end(World(), some, TOKEN).folds
    assert outage.revision is None  # a neighbour is to blame, and no commit


def test_reason_that_is_in_a_file_names_the_file() -> None:
    """Of thirty apps with one broken file people read what was wrong in it, and not where it was."""
    world, some = World(), apps(2)
    unread = Problem(message="did not find expected ','", where="apps/shared/a.yaml:3")
    failure = Failure(message="the commit cannot be read", problems=(unread,))
    (told,) = all_end(world, some, failure).folds
    assert told.troubles[0].message == "apps/shared/a.yaml:3: did not find expected ','"
    all_end(world, some, failure, times=3)
    assert world.pages[0].message == "2 apps / prod (production): apps/shared/a.yaml:3: did not find expected ','"


def test_page_of_many_apps_names_the_commit_and_what_each_can_go_back_to() -> None:
    world, some = World(), apps(2)
    all_end(world, some, None)
    world.commit = "b" * 40
    all_end(world, some, broken("quota exceeded"), times=4)
    (page,) = world.pages
    assert page.message == "2 apps / prod (production): quota exceeded"
    assert "Commit: bbbbbbb Raise the limit, by Ana Lima\nhttps://git.example.com/bbbbbbb" in page.description
    assert all(f"- {one.title}: since 2026-03-06 12:00:0" in page.description for one in some)
    assert page.description.count("last good: aaaaaaa") == 2
    assert "/gitops rollback app-0 aaaaaaa" in page.description
    outage = World()
    all_end(outage, some, None)
    all_end(outage, some, TOKEN, times=4)
    assert "No commit is to blame" in outage.pages[0].description
    assert "rollback" not in outage.pages[0].description


def test_commit_that_leaves_the_app_alone_is_no_note_on_its_page() -> None:
    """Each commit of the repository was a note: whoever had the page heard of everybody's work."""
    world, some = World(cause=Revision(commit="c" * 40)), apps(1)
    all_end(world, some, broken("quota exceeded"), times=3)
    world.commit = "b" * 40
    all_end(world, some, broken("quota exceeded"))
    assert [one.act for one in world.pages] == [PageAct.OPEN]
    world.cause = Revision(commit="d" * 40)
    all_end(world, some, broken("quota exceeded"))
    assert [one.act for one in world.pages] == [PageAct.OPEN, PageAct.NOTE]
    assert "now at ddddddd" in world.pages[-1].message


def test_same_mistake_in_two_commits_is_two_reasons() -> None:
    """The second author's mistake was an edit of the first one's message, and nobody was told."""
    world, (first, second, third) = World(), apps(3)
    world.ends(first, broken("did not find expected ','"))
    world.commit = "b" * 40
    own = world.ends(second, broken("did not find expected ','"))
    assert (own.hushed, own.said[0].news) == (frozenset(), News.FAILED)
    assert world.ends(third, broken("did not find expected ','")).hushed == {"C1"}


def test_app_that_fails_for_another_reason_is_not_over_it() -> None:
    world, (first, second, third) = World(), apps(3)
    all_end(world, [first, second, third], broken("quota exceeded"))
    world.ends(first, broken("no such kind"))
    world.ends(second, None)
    (told,) = world.ends(third, broken("no such field")).folds
    assert (told.news, told.app) == (News.RECOVERED, "1 of 3 apps")
    assert told.message.startswith("2 of 3 apps fail for another reason now.")
    assert [one.how == MOVED for one in told.apps] == [True, False, True]


def test_one_page_for_all_with_the_most_urgent_priority() -> None:
    world, some = World(), apps(30)
    some[7] = replace(some[7], oncall_priority="P1")
    all_end(world, some, TOKEN, times=6)
    ((act, alias),) = world.acts()
    assert (act, alias.startswith("gitops-bot:_shared:")) == (PageAct.OPEN, True)
    assert world.pages[0].priority == "P1"
    assert all(one.title in world.pages[0].description for one in some)
    all_end(world, some[1:], None)
    assert world.opened() == {alias}
    all_end(world, some[:1], None)
    assert (world.opened(), world.incidents) == (set(), {})


def test_each_team_has_its_own_page() -> None:
    world = World()
    some = [*apps(3), *(replace(one, name=f"x-{one.name}", oncall_team="sre") for one in apps(3))]
    all_end(world, some, TOKEN, times=4)
    assert {(page.team, page.alias.count(":sre")) for page in world.pages} == {("", 0), ("sre", 1)}
    assert len(world.pages) == 2


def test_app_that_was_paged_alone_speaks_for_those_that_join_and_is_not_paged_again() -> None:
    world, (first, second) = World(), apps(2)
    second = replace(second, oncall_priority="P1")
    all_end(world, [first], TOKEN, times=3)
    alias = f"gitops-bot:{first.cluster}:{first.name}"
    assert world.acts() == [(PageAct.OPEN, alias)]
    all_end(world, [second], TOKEN, times=4)
    assert world.acts()[1:] == [(PageAct.NOTE, alias), (PageAct.RAISE, alias)]
    world.ends(first, None)
    assert world.opened() == {alias}
    world.ends(second, None)
    assert world.opened() == set()


def test_app_whose_reason_differs_stays_with_the_open_page_and_pages_when_that_closes() -> None:
    world, some = World(), apps(3)
    all_end(world, some, TOKEN, times=4)
    (shared,) = world.opened()
    differs = world.ends(some[0], broken("quota exceeded"))
    assert differs.hushed == frozenset()
    assert differs.said[0].news is News.FAILED
    assert world.opened() == {shared}
    all_end(world, some[1:], None)
    assert world.opened() == set()
    world.ends(some[0], broken("quota exceeded"))
    assert world.opened() == {f"gitops-bot:{some[0].cluster}:{some[0].name}"}


def test_same_words_on_two_days_are_two_reasons() -> None:
    world, (first, second) = World(), apps(2)
    all_end(world, [first], broken("image not found"), times=3)
    world.later(timedelta(hours=2))
    all_end(world, [second], broken("image not found"), times=3)
    assert world.opened() == {f"gitops-bot:{one.cluster}:{one.name}" for one in (first, second)}


def test_outage_of_a_neighbour_is_one_reason_for_as_long_as_it_lasts() -> None:
    world, (first, second) = World(), apps(2)
    all_end(world, [first], TOKEN, times=3)
    world.later(timedelta(hours=2))
    assert world.ends(second, TOKEN).hushed == {"C1"}


def test_alert_closed_over_there_pages_again_after_the_duration_alone() -> None:
    world, (first, *_) = World(), apps(1)
    all_end(world, [first], TOKEN, times=3)
    (incident,) = world.incidents.values()
    (page,) = incident.pages
    world.enter(
        Folded(
            memory=AppMemory(app=""),
            said=(),
            incidents=(replace(incident, pages=(replace(page, closed_by="ana", closed_at=world.now),)),),
        )
    )
    all_end(world, [first], TOKEN, times=30)
    assert [one.act for one in world.pages] == [PageAct.OPEN]
    world.later(POLICY.duration)
    all_end(world, [first], TOKEN, times=3)
    assert [one.act for one in world.pages] == [PageAct.OPEN, PageAct.OPEN]
    world.ends(first, None)
    assert world.pages[-1].act is PageAct.CLOSE


def test_app_that_waits_for_a_yes_after_an_outage_fails_no_more() -> None:
    """It was said to be failing for ever, and its page stayed open until somebody decided."""
    world, (first, second) = World(), apps(2)
    all_end(world, [first, second], TOKEN, times=4)
    world.ends(first, None, waits=True)
    assert world.memories[first.key].failing_since is None
    assert len(world.opened()) == 1
    world.ends(second, None)
    assert (world.opened(), world.incidents) == (set(), {})


def test_app_that_is_deleted_holds_no_page_open() -> None:
    world, some = World(), apps(2)
    all_end(world, some, TOKEN, times=4)
    world.ends(some[0], None)
    gone = dropped(list(world.incidents.values()), some[1].key, how="was deleted", at=world.now)
    assert gone is not None
    world.enter(gone)
    assert (world.opened(), world.incidents) == (set(), {})


def test_app_that_comes_back_to_a_reason_it_has_left_takes_nothing_from_those_that_kept_it() -> None:
    """Its new incident had the name of the old one and took its place: the other app was forgotten."""
    world, (first, second) = World(), apps(2)
    all_end(world, [first, second], broken("no such kind"))
    world.later(timedelta(minutes=6))
    world.ends(first, broken("quota exceeded"))
    world.ends(first, broken("no such kind"))
    assert {one.app for incident in world.incidents.values() for one in incident.failing} == {first.key, second.key}


def test_app_whose_page_speaks_for_another_wakes_people_under_a_name_of_its_own() -> None:
    """The service took the second alert for the first, which was still open: nobody was woken."""
    world, (first, second) = World(), apps(2)
    all_end(world, [first], TOKEN, times=3)
    world.ends(first, broken("quota exceeded"))
    world.ends(second, broken("quota exceeded"))
    world.ends(first, None)
    all_end(world, [first], TOKEN, times=3)
    assert len(world.opened()) == 2
    all_end(world, [first, second], None)
    assert (world.opened(), world.incidents) == (set(), {})


_OWN = [broken(f"no such {word}") for word in WORDS[:4]]
_REASONS = st.sampled_from([None, TOKEN, DOWN, broken("quota exceeded"), broken("no such kind"), *_OWN])


@given(st.lists(st.tuples(st.integers(0, 4), _REASONS, st.integers(0, 1200)), max_size=60))
def test_whatever_happens_nobody_is_paged_twice_and_all_pages_close_at_the_end(
    passes: list[tuple[int, Failure | None, int]],
) -> None:
    world, some = World(), apps(5)
    for number, failure, pause in passes:
        world.later(timedelta(seconds=pause))
        world.ends(some[number], failure)
        world.opened()
        failing = {key for key, memory in world.memories.items() if memory.incident}
        assert failing == {one.app for incident in world.incidents.values() for one in incident.failing}
    all_end(world, some, None)
    assert (world.opened(), world.incidents) == (set(), {})


def test_page_is_raised_to_the_priority_of_the_kind_of_trouble() -> None:
    """An outage that reaches an app for which outages are urgent is urgent from then on."""
    world = World()
    calm, urgent = (replace(one, oncall_outage=priority) for one, priority in zip(apps(2), ("P4", "P1"), strict=True))
    world.ends(calm, DOWN)
    world.later(POLICY.duration)
    world.ends(calm, DOWN)
    assert [page.priority for page in world.pages if page.act is PageAct.OPEN] == ["P4"]
    world.ends(urgent, DOWN)
    world.later(timedelta(minutes=2))
    world.ends(urgent, DOWN)
    assert [page.priority for page in world.pages if page.act is PageAct.RAISE] == ["P1"]


def test_apps_that_fail_at_once_for_reasons_of_their_own_are_one_crowd() -> None:
    """Thirty messages in a minute, and thirty pages: each was true, and nobody could read them."""
    world, some = World(), apps(30)
    folds = [world.ends(one, broken(f"no such {word}")).folds for one, word in zip(some, WORDS, strict=True)]
    assert [len(one) for one in folds[:2]] == [0, 0]  # the first two speak for themselves
    crowd, *spoken_for = folds[2]
    assert (crowd.inherits, crowd.app) == ("", "3 apps")
    assert [(one.app, one.edits_only) for one in spoken_for] == [("app-0", True), ("app-1", True)]
    (last,) = folds[-1]
    assert last.root_key == crowd.root_key
    assert [(one.name, one.reason) for one in last.apps] == [
        (one.name, f"no such {word}") for one, word in zip(some, WORDS, strict=True)
    ]
    for _ in range(3):
        for one, word in zip(some, WORDS, strict=True):
            assert world.ends(one, broken(f"no such {word}")).said == ()
    (page,) = world.pages
    assert page.message == "30 apps / prod (production) fail, each for a reason of its own"
    assert all(f"no such {word}" in page.description for word in WORDS)
    (told,) = world.ends(some[0], None).folds
    assert told.message.startswith("29 of 30 apps still fail")
    assert len(world.opened()) == 1
    all_end(world, some, None)
    assert (world.opened(), world.incidents) == (set(), {})


def test_app_of_a_crowd_that_fails_anew_later_speaks_for_itself() -> None:
    world, some = World(), apps(4)
    for one, word in zip(some, WORDS, strict=False):
        world.ends(one, broken(f"no such {word}"))
    within = world.ends(some[3], broken("no such zebra"))
    assert (sorted(within.hushed), within.folds[0].apps[3].reason) == (["C1"], "no such zebra")
    world.later(MOMENT)
    anew = world.ends(some[3], broken("no such yacht"))
    assert (anew.hushed, anew.said[0].news) == (frozenset(), News.FAILED)
    assert {one.mixed for one in world.incidents.values()} == {True, False}
    all_end(world, some, None)
    assert (world.opened(), world.incidents) == (set(), {})


def test_apps_of_other_people_are_no_part_of_a_crowd() -> None:
    world = World()
    some = [replace(one, oncall_team=one.name, channel=f"C-{one.name}") for one in apps(4)]
    folds = [world.ends(one, broken(f"no such {word}")).folds for one, word in zip(some, WORDS, strict=False)]
    assert folds == [(), (), (), ()]
    assert len(world.incidents) == 4


def test_crowd_takes_over_no_app_that_somebody_is_paged_for() -> None:
    world, (first, second, third, fourth) = World(), apps(4)
    all_end(world, [first], broken(f"no such {WORDS[0]}"), times=3)
    for one, word in zip((second, third, fourth), WORDS[1:], strict=False):
        world.ends(one, broken(f"no such {word}"))
    assert {one.mixed: len(one.failing) for one in world.incidents.values()} == {False: 1, True: 3}
    all_end(world, [first, second, third, fourth], None)
    assert (world.opened(), world.incidents) == (set(), {})


def test_app_that_goes_from_one_shared_message_to_another_is_told_in_both() -> None:
    """Both speak in one channel, and the second one took the place of the first among what is said."""
    world = World()
    first, second = apps(5)[:3], apps(5)[3:]
    for one in first:
        world.ends(one, broken("quota exceeded"))
    for one in second:
        world.ends(one, broken("no such kind"))
    folded = world.ends(first[0], broken("no such kind"))
    assert {one.operation for one in folded.folds} == {
        incident.fold(first[0].channel) for incident in world.incidents.values()
    }
    assert sorted(one.message for one in folded.folds) == [
        "2 of 3 apps still fail for one reason.",
        "3 apps fail for one reason.",
    ]


def test_outage_is_a_page_of_its_cause_in_each_team() -> None:
    """A team with one app on the cluster got a page named after that app."""
    world = World()
    some = [replace(one, oncall_team=team) for one, team in zip(apps(3), ("", "sre", "web"), strict=True)]
    all_end(world, some, DOWN)
    world.later(POLICY.duration)
    all_end(world, some, DOWN)
    assert {page.alias.rpartition(":")[0] for page in world.pages if page.team} == {world.pages[0].alias}
    assert {page.message for page in world.pages} == {f"1 app / prod (production): {DOWN.message}"}
    assert all("2 more of other teams" in page.description for page in world.pages)
    all_end(world, some, None)
    assert (world.opened(), world.incidents) == (set(), {})


def test_second_outage_begins_when_it_begins() -> None:
    """An app that is slow to try again keeps the first one open: the message was dated back to its start."""
    world, (quick, slow) = World(), apps(2)
    all_end(world, [quick, slow], DOWN)
    world.later(timedelta(minutes=2))
    all_end(world, [quick, slow], DOWN)
    world.ends(quick, None)
    world.later(timedelta(minutes=2))
    again = world.now
    world.ends(quick, DOWN)
    world.later(timedelta(minutes=2))
    world.ends(quick, DOWN)
    world.ends(slow, None)
    (incident,) = world.incidents.values()
    assert shared.told(incident, "C1", at=world.now).since == again + timedelta(seconds=1)
