"""What is set back again and again: said once, counted, slowed down, and over after an hour of peace."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.model.announcement import Announcement, News, Page, PageAct
from bot.model.control import Trigger, Via
from bot.model.incident import Incident
from bot.model.outcome import Deed, Outcome, PassKind, Result, SyncReport
from bot.model.plan import Action, Change, FieldChange, Plan
from bot.model.record import AppMemory
from bot.model.resource import ResourceId, ResourceRef
from bot.oncall.escalation import PagePolicy
from bot.reconcile.incidents import fight_pages
from bot.reconcile.incidents.folding import dropped
from bot.reconcile.notify import fights
from tests.plan.world import APP as SPEC
from tests.plan.world import REVISION

NOON = datetime(2026, 3, 6, 12, 0, tzinfo=UTC)
ID = ResourceId("apps", "Deployment", "shop", "api")


def plan(*paths: str) -> Plan:
    """Return a plan that sets fields back; without any, the whole object."""
    fields = tuple(FieldChange(path=path, before=2, after=1) for path in paths)
    change = Change(
        action=Action.UPDATE if paths else Action.CREATE,
        ref=ResourceRef(ID, "v1"),
        why="it differs from Git",
        fields=fields,
        hands=("scaler at 2026-03-06 11:59 UTC",) if paths else (),
    )
    return Plan(app="shop", cluster="prod", revision=REVISION, ref="main", changes=(change,), hash="sha256:a1")


class App:
    def __init__(self) -> None:
        self.memory, self.now = AppMemory(app="prod/shop"), NOON

    def base(self) -> Announcement:
        return Announcement(
            id="",
            operation=f"op_{self.now:%H%M%S}",
            news=News.DIFF,
            app="shop",
            cluster="prod",
            env="",
            channel="C0DEPLOYS",
            at=self.now,
        )

    def undoes(self, *paths: str, after: timedelta = timedelta(seconds=1)) -> tuple[Announcement, ...]:
        self.now += after
        report = SyncReport(
            operation="op_1",
            app="prod/shop",
            kind=PassKind.DRIFT,
            trigger=Trigger(via=Via.SCHEDULE),
            started_at=self.now,
            finished_at=self.now,
            result=Result.CONVERGED,
            plan=plan(*paths),
            outcomes=(Outcome(id=ID, deed=Deed.UPDATED),),
        )
        self.memory, said = fights.entered(report, self.memory, base=self.base())
        return said

    def over(self, after: timedelta) -> Announcement | None:
        return fights.ended(self.memory, self.now + after, base=self.base())


def test_fifth_time_within_an_hour_is_said_and_the_next_ones_are_counted_there() -> None:
    app = App()
    assert [app.undoes("spec.replicas") for _ in range(4)] == [()] * 4
    assert not fights.is_known(app.memory, plan("spec.replicas"), app.now)
    (said,) = app.undoes("spec.replicas")
    assert said.message.startswith("scaler keeps changing Deployment shop/api spec.replicas. It was set back 5 times")
    assert (said.since, said.edits_only) == (NOON + timedelta(seconds=1), False)
    (counted,) = app.undoes("spec.replicas")
    assert (counted.operation, counted.edits_only) == (said.operation, True)
    assert "6 times" in counted.message
    assert fights.is_known(app.memory, plan("spec.replicas"), app.now)
    assert not fights.is_known(app.memory, plan("spec.replicas", "spec.paused"), app.now)


def test_undoing_slows_down_but_never_much() -> None:
    app = App()
    rests = []
    for _ in range(12):
        app.undoes("spec.replicas")
        rests.append(fights.rest(app.memory).total_seconds())
    assert rests == [0, 0, 0, 0, 1, 2, 4, 8, 15, 15, 15, 15]


def test_what_happens_less_often_than_each_hour_is_no_fight() -> None:
    app = App()
    assert [app.undoes("spec.replicas", after=timedelta(hours=1)) for _ in range(9)] == [()] * 9
    assert [one.count for one in app.memory.undone] == [1]


def test_an_hour_of_peace_ends_it_and_the_next_one_is_said_anew() -> None:
    app = App()
    for _ in range(5):
        said = app.undoes("spec.replicas")
    assert app.over(timedelta(minutes=59)) is None
    over = app.over(timedelta(hours=1))
    assert over is not None
    assert (over.news, over.operation) == (News.RECOVERED, said[0].operation)
    assert "Nobody has changed Deployment shop/api spec.replicas for an hour" in over.message
    app.undoes("spec.replicas", after=timedelta(hours=2))
    for _ in range(4):
        again = app.undoes("spec.replicas")
    assert again[0].operation != said[0].operation
    assert not again[0].edits_only


def test_object_that_is_deleted_again_and_again_is_named() -> None:
    app = App()
    for _ in range(5):
        said = app.undoes()
    assert "somebody keeps changing Deployment shop/api. It was set back 5 times" in said[0].message


def test_one_who_changes_many_fields_is_told_of_a_few() -> None:
    app = App()
    paths = [f"data.k{number}" for number in range(80)]
    for _ in range(5):
        said = app.undoes(*paths)
    assert "and 45 more" in said[0].message
    assert len(app.memory.undone) == 50


def test_fight_pages_by_time_alone_and_its_page_closes_with_it() -> None:
    app, policy = App(), PagePolicy(failures=1, duration=timedelta(minutes=15))
    spec = replace(SPEC, name="shop", oncall_priority="P2")
    incidents: list[Incident] = []

    def pages(after: timedelta) -> list[Page]:
        app.undoes("spec.replicas", after=after)
        (said,) = app.undoes("spec.replicas")
        incident, _, due = fight_pages.entered(incidents, spec, said, heard={"C1": said.operation}, policy=policy)
        incidents[:] = [incident]
        return list(due)

    for _ in range(3):
        app.undoes("spec.replicas")
    assert pages(timedelta(seconds=1)) == []
    assert pages(timedelta(minutes=14)) == []
    (opened,) = pages(timedelta(minutes=1))
    assert (opened.act, opened.alias, opened.priority) == (PageAct.OPEN, "gitops-bot:prod:shop:fight", "P2")
    assert pages(timedelta(minutes=30)) == []
    (page,) = incidents[0].pages
    incidents[:] = [replace(incidents[0], pages=(replace(page, closed_by="ana", closed_at=app.now),))]
    assert pages(timedelta(minutes=14)) == []
    (again,) = pages(timedelta(minutes=2))
    assert again.act is PageAct.OPEN
    over = dropped(incidents, spec.key, how="is left alone again", at=app.now)
    assert over is not None
    assert [(one.act, one.alias) for one in over.pages] == [(PageAct.CLOSE, opened.alias)]
