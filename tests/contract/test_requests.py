"""What the engine asks of the API server, counted by the API server itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from bot.model.control import Trigger, Via
from bot.model.outcome import Result, SyncReport
from bot.model.record import SyncState
from bot.reconcile.schedule.loop import Loop
from tests.contract.engine import PATIENCE, EngineWorld, now
from tests.contract.manifests import config, deployment
from tests.contract.servers import REAL_ONLY, Server
from tests.controlplane.plane import COUNTED_TOKEN, ControlPlane, Served
from tests.waiting import until

pytestmark = REAL_ONLY  # its audit log counts

Counting = Callable[..., EngineWorld]
OBJECTS = 40


@pytest.fixture
def counted(tmp_path: Path, control_plane: ControlPlane, worlds: Callable[..., EngineWorld]) -> Counting:
    """Make a world whose requests the API server writes down."""
    file = tmp_path / "counted.kubeconfig"
    file.write_text(control_plane.kubeconfig_for(COUNTED_TOKEN), encoding="utf-8")
    return lambda **settings: worlds(server=str(file), **settings)


class Tally:
    """The requests of the counted user since it was made."""

    def __init__(self, plane: Server) -> None:
        assert isinstance(plane, ControlPlane)
        self._plane = plane
        self._before = len(plane.served())

    def all(self) -> tuple[Served, ...]:
        return self._plane.served()[self._before :]

    def work(self) -> tuple[Served, ...]:
        """Return what was asked for the sake of apps: the lease is renewed by the clock."""
        return tuple(one for one in self.all() if "/leases/" not in one.path)

    def verbs(self) -> Counter[str]:
        return Counter(one.verb for one in self.all())

    def of(self, name: str) -> list[str]:
        return [one.verb for one in self.all() if f"/{name}" in one.path]


@contextmanager
def resting(world: EngineWorld) -> Iterator[Loop]:
    """Run the loop until the app is synced and at rest."""
    with world.running() as loop:
        until(lambda: world.memory().sync is SyncState.SYNCED, "the app is synced")
        spec = world.spec()
        until(lambda: world.engine.passes.resting.is_settled(spec, None), "the app is at rest")
        yield loop


def many(level: str = "info") -> dict[str, str | bytes | None]:
    return {f"{number}.yaml": config(f"c{number}", level) for number in range(OBJECTS)}


def scheduled(world: EngineWorld) -> SyncReport:
    """Run the pass of the loop's schedule, which trusts the watches."""
    report = world.engine.passes.perform(
        world.spec(), Trigger(via=Via.SCHEDULE), stop=lambda _: False, patience=PATIENCE, since=now()
    )
    assert report is not None
    return report


def test_first_apply_asks_and_writes_each_object_once(counted: Counting) -> None:
    world = counted()
    world.commit(many())
    tally = Tally(world.plane)
    assert world.sync().result is Result.CONVERGED
    verbs = tally.verbs()
    assert verbs["patch"] == 2 * OBJECTS  # a dry-run and a write
    # Discovery two, objects and parents in one namespace a LIST and a WATCH, the lease two, the parent one; and one for
    # the namespace when it is so new that it looks as if it were missing.
    assert verbs["get"] + verbs["list"] + verbs["watch"] + verbs["create"] <= 8, tally.all()


def test_verify_of_a_fresh_process_is_one_read_per_kind_and_writes_nothing(counted: Counting) -> None:
    world = counted()
    world.commit({**many(), **{f"d{number}.yaml": deployment(f"api{number}") for number in range(5)}})
    assert world.sync().result is Result.CONVERGED
    world.restart()
    tally = Tally(world.plane)
    found = world.engine.desk.verify("prod/shop", "")
    assert found.differences == (), found
    assert set(tally.verbs()) <= {"get", "list", "watch"}, tally.all()
    for kind in ("configmaps", "deployments"):
        assert [verb for verb in tally.of(kind) if verb != "watch"] == ["list"], tally.all()


def test_lease_in_our_hand_is_renewed_by_one_request(counted: Counting) -> None:
    late = timedelta()
    world = counted(clock=lambda: now() + late)
    world.commit(many())
    world.sync()
    late = timedelta(seconds=15)
    tally = Tally(world.plane)
    for _ in range(2):
        world.engine.world.clusters["prod"].hold(world.engine.world.holder)
    assert list(tally.verbs().elements()) == ["patch"], tally.all()


def test_rounds_over_an_app_at_rest_ask_nothing(counted: Counting) -> None:
    world = counted()
    world.commit({**many(), "d.yaml": deployment("api")})
    with resting(world) as loop:
        tally = Tally(world.plane)
        rounds = loop.completed_at
        assert rounds is not None
        until(lambda: loop.completed_at and loop.completed_at > rounds + timedelta(seconds=3), "three rounds")
        assert tally.work() == ()


def test_hand_edit_costs_a_question_and_a_write(counted: Counting) -> None:
    world = counted(interval="1h")
    world.commit(many())
    with resting(world):
        tally = Tally(world.plane)
        world.patch("configmaps", "c7", {"data": {"level": "mine"}})
        until(lambda: world.found("configmaps", "c7")["data"] == {"level": "info"}, "the edit is undone")
        until(lambda: world.engine.passes.resting.is_settled(world.spec(), None), "the app is at rest again")
        until(lambda: tally.of("c7") == ["patch", "patch"], "both are in the audit log")
        assert len(tally.work()) == 2


def test_deleted_object_is_back_without_a_round(counted: Counting) -> None:
    world = counted(interval="1h")
    world.commit(many())
    with resting(world):
        tally = Tally(world.plane)
        world.delete(world.path("configmaps", "c3"))
        until(lambda: world.get("configmaps", "c3"), "it is back")
        until(lambda: world.engine.passes.resting.is_settled(world.spec(), None), "the app is at rest again")
        until(lambda: tally.of("c3") == ["patch", "patch"], "both are in the audit log")


def test_commit_that_changes_few_objects_asks_about_those_only(counted: Counting) -> None:
    world = counted(interval="1h")
    world.commit(many())
    with resting(world):
        tally = Tally(world.plane)
        world.commit({f"{number}.yaml": config(f"c{number}", "debug") for number in range(5)})
        world.engine.desk.pushed("fleet", {"refs/heads/main": ""})
        until(lambda: world.found("configmaps", "c4")["data"] == {"level": "debug"}, "the commit is applied")
        until(lambda: world.engine.passes.resting.is_settled(world.spec(), None), "the app is at rest again")
        assert len(tally.work()) <= 3 * 5 + 10, tally.all()
        assert not tally.of("c9")


def test_few_objects_of_many_are_read_one_by_one(counted: Counting) -> None:
    """A LIST of the namespace was sent for them, with all the others in it."""
    world = counted()
    world.commit({f"{number}.yaml": config(f"c{number}") for number in range(100)})
    world.sync()
    tally = Tally(world.plane)
    world.commit({f"{number}.yaml": config(f"c{number}", "debug") for number in range(4)})
    assert scheduled(world).result is Result.CONVERGED
    about = Counter(one.verb for one in tally.all() if "/configmaps" in one.path)
    assert about == {"get": 4, "patch": 8}, tally.all()


def test_fresh_process_trusts_the_verdicts_of_the_one_before(counted: Counting) -> None:
    world = counted()
    world.commit({**many(), "d.yaml": deployment("api")})
    assert world.sync().result is Result.CONVERGED
    world.restart()
    tally = Tally(world.plane)
    assert world.planned().writes == ()
    assert "patch" not in tally.verbs(), tally.all()
    assert len([one for one in tally.all() if one.verb == "list" and "/configmaps" in one.path]) <= 1


def test_unchanged_pass_of_a_process_that_watches_asks_nothing(counted: Counting) -> None:
    world = counted()
    world.commit(many())
    world.sync()
    tally = Tally(world.plane)
    assert scheduled(world).result is Result.CONVERGED
    assert tally.work() == ()
