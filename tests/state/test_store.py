"""What survives a restart, on real files: order, exactly once, locks that die with their holder."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.errors import StateError
from bot.model.announcement import Announcement, News
from bot.model.control import Control, Pause, Pin, Trigger, Via
from bot.model.outcome import PassKind, Result
from bot.model.plan import Summary
from bot.model.record import (
    AppMemory,
    AuditEntry,
    Decision,
    Dispatch,
    Followed,
    HistoryEntry,
    Pruned,
    SinkName,
    SyncState,
    Turn,
)
from bot.ports.state import MessageRef
from bot.state.store import SqlStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
APP = "prod/shop"
AUDIT = AuditEntry(
    at=NOW, who="U0ANA", via=Via.SLACK, verb="pause", app=APP, arguments="for 2h", decision=Decision.DONE
)


def row(id: str, *, lane: str = "C1", collapse: str = "", turn: Turn = Turn.NEXT) -> Dispatch:
    news = Announcement(
        id=id, operation="op", news=News.SYNCING, app="shop", cluster="prod", env="", channel=lane, at=NOW
    )
    return Dispatch(sink=SinkName.SLACK, lane=lane, parcel=news, collapse=collapse, turn=turn)


def waiting(store: SqlStore, lane: str = "C1") -> list[str]:
    """Deliver everything of a lane and return the ids in order."""
    ids = []
    while (found := store.claim(SinkName.SLACK, lane, now=NOW)) is not None:
        ids.append(found.parcel.id)
        store.delivered(found.id)
    return ids


def test_image_is_followed_over_a_restart_and_forgotten_with_its_app(store: SqlStore, state_url: str) -> None:
    known = Followed(reached="1.4.2", proposed="1.4.3", said="x", since=NOW, operation="op")
    audit = replace(AUDIT, verb="follow")
    store.save_followed(APP, "quay.io/acme/shop", known, audits=[audit], dispatches=[row("a")])
    store.save_followed("", "quay.io in fleet", Followed(said="RegistryRefused"))
    store.close()
    again = SqlStore(state_url)
    assert again.followed(APP, "quay.io/acme/shop") == known
    assert again.followed(APP, "quay.io/acme/cart") == Followed()
    assert ([one.verb for one in again.audit(app=APP, limit=5)], waiting(again)) == (["follow"], ["a"])
    again.forget(APP, audit=AUDIT)
    assert again.followed(APP, "quay.io/acme/shop") == Followed()
    assert again.followed("", "quay.io in fleet").said == "RegistryRefused"
    again.close()


def executed(url: str, statement: str) -> None:
    """Run a statement past the store."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def test_control_memory_and_history_come_back_as_they_were(store: SqlStore, state_url: str) -> None:
    control = Control(
        pause=Pause(by="U0ANA", reason="x", since=NOW, until=NOW), pin=Pin(commit="a", by="b", reason="", since=NOW)
    )
    memory = AppMemory(app=APP, sync=SyncState.FAILED, failing_since=NOW, consecutive_failures=2)
    entry = HistoryEntry(
        operation="op",
        app=APP,
        revision="a" * 40,
        ref="main",
        kind=PassKind.SYNC,
        by="",
        via=Via.SCHEDULE,
        started_at=NOW,
        finished_at=NOW,
        result=Result.CONVERGED,
        summary=Summary(create=2),
    )
    store.save_control(APP, control, audit=AUDIT)
    store.save_pass(memory, history=entry, audits=[AUDIT])
    again = SqlStore(state_url)
    assert again.standing(APP) == (again.memory(APP), again.control(APP)) == (memory, control)
    assert again.history(APP, limit=5) == (replace(entry, id=1),)
    assert again.deployed(APP) == {"a" * 40}
    assert again.audit(app=APP, limit=5) == (AUDIT, AUDIT)
    assert again.key() == store.key()
    again.close()


def test_parcels_leave_in_order_and_each_once(store: SqlStore) -> None:
    store.dispatch([row("1"), row("2"), row("2"), row("3", lane="C2")])
    store.dispatch([row("1"), row("4")])
    assert waiting(store) == ["1", "2", "4"]
    assert waiting(store, "C2") == ["3"]


def test_parcels_leave_by_turn_and_then_in_order(store: SqlStore) -> None:
    store.dispatch([row("1"), row("2"), row("3"), row("4", turn=Turn.FIRST), row("5", lane="C2")])
    store.dispatch([row("6", turn=Turn.FIRST), row("7", lane="C3", turn=Turn.FIRST)])
    assert store.due_lanes(SinkName.SLACK, now=NOW) == ("C1", "C3", "C2")
    assert waiting(store) == ["4", "6", "1", "2", "3"]


def test_what_cannot_wait_waits_as_long_as_its_lane_rests(store: SqlStore) -> None:
    """Slack has asked to wait: for the channel, whatever is to be said there."""
    store.dispatch([row("1")])
    first = store.claim(SinkName.SLACK, "C1", now=NOW)
    assert first is not None
    store.postpone(first.id, until=NOW + timedelta(seconds=7), why="429")
    store.dispatch([row("2", turn=Turn.FIRST)])
    assert store.due_lanes(SinkName.SLACK, now=NOW + timedelta(seconds=6)) == ()
    assert store.claim(SinkName.SLACK, "C1", now=NOW + timedelta(seconds=6)) is None
    later = store.claim(SinkName.SLACK, "C1", now=NOW + timedelta(seconds=7))
    assert later is not None
    assert later.parcel.id == "2"


def test_outbox_of_before_there_were_turns_is_carried_on(store: SqlStore, state_url: str) -> None:
    store.dispatch([row("1")])
    store.close()
    executed(state_url, "DROP INDEX outbox_turns")
    executed(state_url, "ALTER TABLE outbox DROP COLUMN turn")
    executed(state_url, "ALTER TABLE outbox DROP COLUMN rollout")
    executed(state_url, "DROP TABLE rollouts")
    again = SqlStore(state_url)
    again.dispatch([row("2", turn=Turn.FIRST), row("3")])
    assert waiting(again) == ["2", "1", "3"]
    again.close()


def test_progress_collapses_to_the_last_that_nobody_tried(store: SqlStore) -> None:
    store.dispatch([row("1", collapse="op"), row("2", collapse="op"), row("3", collapse="op")])
    assert waiting(store) == ["3"]


def test_claimed_row_is_not_collapsed_away(store: SqlStore) -> None:
    store.dispatch([row("1", collapse="op")])
    claimed = store.claim(SinkName.SLACK, "C1", now=NOW)
    store.dispatch([row("2", collapse="op")])
    assert claimed is not None
    store.delivered(claimed.id)
    assert waiting(store) == ["2"]


def test_row_that_clears_its_lane_takes_the_place_of_what_was_tried_in_vain(store: SqlStore) -> None:
    store.dispatch([row("1"), row("2"), row("3", lane="C2")])
    tried = store.claim(SinkName.SLACK, "C1", now=NOW)
    assert tried is not None
    store.postpone(tried.id, until=NOW + timedelta(minutes=1), why="down")
    store.dispatch([replace(row("4"), clears=True)])
    assert waiting(store) == ["4"]
    assert waiting(store, "C2") == ["3"]


def test_what_is_said_of_a_delivery_is_saved_with_it(store: SqlStore) -> None:
    store.dispatch([row("1")])
    claimed = store.claim(SinkName.SLACK, "C1", now=NOW)
    assert claimed is not None
    store.delivered(claimed.id, dispatches=[row("2", lane="C2")])
    assert waiting(store, "C2") == ["2"]


def test_old_parcels_and_keys_are_forgotten_and_waiting_ones_are_not(store: SqlStore) -> None:
    store.dispatch([row("1"), row("2")])
    claimed = store.claim(SinkName.SLACK, "C1", now=NOW)
    assert claimed is not None
    store.delivered(claimed.id)
    store.first_time("click 1", at=NOW)
    store.tidy(before=datetime.now(tz=UTC) + timedelta(days=1))
    assert store.first_time("click 1", at=NOW)
    store.dispatch([row("1")])
    assert waiting(store) == ["2", "1"]


def test_pruned_objects_are_kept_for_thirty_days_newest_first(store: SqlStore) -> None:
    """Those of other apps are not touched; what is older is dropped when something is saved the next time."""
    now = datetime.now(tz=UTC)

    def pruned(name: str, *, days: float, app: str = APP) -> Pruned:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        return Pruned(app=app, at=now - timedelta(days=days), commit="a", body=body)

    old, kept, fresh = pruned("old", days=30.01), pruned("kept", days=29.99), pruned("fresh", days=0)
    store.save_pruned([old, kept, pruned("other", days=0, app="prod/other")])
    assert store.pruned(APP) == (kept,)
    store.save_pruned([fresh])
    assert store.pruned(APP) == (fresh, kept)


def test_postponed_row_holds_its_lane_and_no_other(store: SqlStore) -> None:
    store.dispatch([row("1"), row("2"), row("3", lane="C2")])
    first = store.claim(SinkName.SLACK, "C1", now=NOW)
    assert first is not None
    store.postpone(first.id, until=NOW + timedelta(seconds=7), why="429")
    assert store.due_lanes(SinkName.SLACK, now=NOW) == ("C2",)
    assert store.claim(SinkName.SLACK, "C1", now=NOW + timedelta(seconds=6)) is None
    later = store.claim(SinkName.SLACK, "C1", now=NOW + timedelta(seconds=7))
    assert later is not None
    assert (later.parcel.id, later.attempts) == ("1", 1)


def test_key_is_new_once_across_restarts(store: SqlStore, state_url: str) -> None:
    assert store.first_time("click 1", at=NOW)
    assert not store.first_time("click 1", at=NOW)
    again = SqlStore(state_url)
    assert not again.first_time("click 1", at=NOW)
    again.close()


def test_request_is_kept_until_its_pass_has_ended(store: SqlStore) -> None:
    trigger = Trigger(via=Via.CLI, by="os:ana", confirm="sha256:1")
    store.request(APP, "prod/other", trigger=trigger, at=NOW, expects="c")
    one, other = store.requests()
    assert (one.app, one.trigger.confirm, one.expects) == (APP, "sha256:1", "c")
    assert (other.app, other.trigger) == ("prod/other", one.trigger)
    store.finish_requests([one.id])
    assert store.requests() == (other,)


def test_message_of_an_operation_is_replaced(store: SqlStore) -> None:
    store.save_message("op", MessageRef(channel="C1", ts="1"), about=APP)
    store.save_message("op", MessageRef(channel="C1", ts="2"), about=APP)
    assert store.message("op") == MessageRef(channel="C1", ts="2")


def test_message_is_about_an_app_until_it_speaks_for_many(store: SqlStore) -> None:
    message = MessageRef(channel="C1", ts="1")
    assert store.subject(message) == ""
    store.save_message("op", message, about=APP)
    assert store.subject(message) == APP
    store.inherit("op", "op:many", about="")
    assert store.subject(message) == ""


def test_people_have_the_name_they_were_introduced_by_last(store: SqlStore) -> None:
    assert store.names() == {}
    for name in ("ana@old.example", "ana@example.com"):
        store.introduce("U0ANA", name)
    assert store.names() == {"U0ANA": "ana@example.com"}


def test_audit_chain_shows_a_changed_line(store: SqlStore, state_url: str) -> None:
    store.add_audit(AUDIT)
    store.add_audit(AUDIT)
    assert [one.holds for one in store.audit_chain()] == [True, True]
    executed(state_url, "UPDATE audit SET value = replace(value, 'U0ANA', 'U0BOB') WHERE id = 1")
    assert [one.holds for one in store.audit_chain()] == [False, True]
    executed(state_url, "DELETE FROM audit WHERE id = 1")
    assert [one.holds for one in store.audit_chain()] == [False]


def test_lock_keeps_others_out_and_dies_with_its_holder(store: SqlStore, state_url: str) -> None:
    code = (
        "import sys, time; from datetime import timedelta; from bot.state.store import SqlStore\n"
        f"with SqlStore('{state_url}').lock('{APP}', timeout=timedelta(0)) as held:\n"
        "    print(held, flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        with store.lock(APP, timeout=timedelta(0)) as held:
            assert not held
        with store.lock("prod/other", timeout=timedelta(0)) as held:
            assert held
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with store.lock(APP, timeout=timedelta(seconds=60)) as held:
        assert held


def test_hundreds_of_locks_leave_room_for_questions(store: SqlStore) -> None:
    """PostgreSQL had a connection for each, so that hundreds of passes waited for each other's."""
    with ExitStack() as held:
        for number in range(300):
            assert held.enter_context(store.lock(f"prod/{number}", timeout=timedelta(0)))
        with store.lock("prod/0", timeout=timedelta(0)) as again:
            assert not again
        assert store.memories() == {}
    with store.lock("prod/0", timeout=timedelta(0)) as again:
        assert again


def test_state_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    SqlStore(f"sqlite:///{tmp_path}/state.db").close()
    assert (tmp_path / "state.db").stat().st_mode & 0o777 == 0o600


def test_second_store_of_a_process_leaves_the_file_to_the_first(store: SqlStore, state_url: str) -> None:
    """A reload opens one beside the first; what another process opens and closes then was the end of both."""
    store.request(APP, trigger=Trigger(via=Via.SLACK), at=NOW)
    second = SqlStore(state_url)

    def apps_that_another_process_reads() -> list[str]:
        code = (
            f"from bot.state.store import SqlStore; store = SqlStore({state_url!r})\n"
            "print(*[one.app for one in store.requests()]); store.close()"
        )
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        return done.stdout.split()

    assert apps_that_another_process_reads() == [APP]
    store.request("prod/first", trigger=Trigger(via=Via.SLACK), at=NOW)
    second.request("prod/second", trigger=Trigger(via=Via.SLACK), at=NOW)
    second.close()
    store.request("prod/last", trigger=Trigger(via=Via.SLACK), at=NOW)
    store.check()
    assert apps_that_another_process_reads() == [APP, "prod/first", "prod/second", "prod/last"]


def test_whoever_reads_waits_for_nobody_who_waits_to_write(tmp_path: Path) -> None:
    """Hundreds of passes save at once; they once held each connection that a health check needs to read."""
    audits = [replace(AUDIT, arguments=str(number)) for number in range(100)]
    with closing(SqlStore(f"sqlite:///{tmp_path}/state.db")) as store, ThreadPoolExecutor(len(audits)) as passes:
        with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            saved = [passes.submit(store.add_audit, one) for one in audits]
            assert [store.memories() for _ in range(100)] == [{}] * 100
            assert not any(one.done() for one in saved)
        for one in saved:
            one.result()
        assert {one.arguments for one in store.audit(app=APP, limit=1000)} == {one.arguments for one in audits}


def test_what_was_lost_is_sent_again_in_its_place_unless_something_arrived_since(store: SqlStore) -> None:
    store.dispatch([row("first"), row("second"), row("elsewhere", lane="C2"), row("after it", lane="C2")])
    for lane, lost in (("C1", 2), ("C2", 1)):
        for _ in range(lost):
            one = store.claim(SinkName.SLACK, lane, now=NOW)
            assert one is not None
            store.undeliverable(one.id, why="wrong key")
    arrived = store.claim(SinkName.SLACK, "C2", now=NOW)
    assert arrived is not None
    store.delivered(arrived.id)
    first, second = store.lost(SinkName.SLACK)
    assert (first.parcel.id, second.parcel.id, first.attempts) == ("first", "second", 1)
    store.dispatch([row("new")])
    store.send_again(second.id, row("second").parcel)
    store.send_again(arrived.id, row("after it").parcel)  # it was not lost
    again = store.claim(SinkName.SLACK, "C1", now=NOW)
    assert again is not None
    assert (again.parcel.id, again.attempts, store.waiting(SinkName.SLACK)) == ("second", 0, 2)


@pytest.mark.parametrize("lost", ["state.db", "state.db-wal"])
def test_file_that_is_taken_away_from_an_open_store_is_noticed(tmp_path: Path, lost: str) -> None:
    """SQLite itself goes on: into a file that nobody finds again."""
    with closing(SqlStore(f"sqlite:///{tmp_path}/state.db")) as store:
        store.check()
        (tmp_path / lost).rename(tmp_path / "elsewhere")
        with pytest.raises(StateError, match="removed or replaced"):
            store.check()
        (tmp_path / "elsewhere").rename(tmp_path / lost)
        store.check()


@pytest.mark.parametrize("url", ["nonsense", "mysql://u:canary@h/d", "sqlite:////proc/nowhere/state.db"])
def test_store_that_cannot_be_opened_says_so_without_secrets(url: str) -> None:
    with pytest.raises(StateError, match="state: ") as failed:
        SqlStore(url)
    assert "canary" not in str(failed.value)


def test_store_that_breaks_says_so_and_goes_on_when_it_is_mended(store: SqlStore, state_url: str) -> None:
    """A pass reads its app past SQLAlchemy, whose errors alone were once turned into ours."""
    store.save_control(APP, Control(pause=Pause(by="U0ANA", reason="x", since=NOW)), audit=AUDIT)
    executed(state_url, "ALTER TABLE controls RENAME TO elsewhere")
    with pytest.raises(StateError, match=r"state: .* cannot be used: .*controls"):
        store.standing(APP)
    executed(state_url, "ALTER TABLE elsewhere RENAME TO controls")
    _, control = store.standing(APP)
    assert control.pause is not None
    assert store.control(APP) == control


@pytest.mark.parametrize("state_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_connections_that_the_server_ended_are_made_anew(store: SqlStore, state_url: str) -> None:
    assert store.standing(APP)[1] == Control()
    with store.lock(APP, timeout=timedelta(0)) as held:
        assert held
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    executed(state_url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    assert store.standing(APP)[1] == Control()
    with store.lock(APP, timeout=timedelta(0)) as held:
        assert held


def test_orders_about_many_apps_are_saved_all_or_not_at_all(store: SqlStore) -> None:
    """A crash between two apps would leave a cluster half paused, and nobody told."""
    paused = Control(pause=Pause(by="U0ANA", reason="x", since=NOW))
    trigger = Trigger(via=Via.SLACK, by="U0ANA", follows=True)
    controls, requests = {"c1/a": paused, "c1/b": paused}, {"c1/a": trigger, "c1/b": trigger}
    unwritable = replace(AUDIT, arguments="\ud800")
    with pytest.raises(ValueError, match="surrogates"):
        store.save_orders([AUDIT, unwritable], at=NOW, dispatches=[row("one")], controls=controls, requests=requests)
    assert (store.controls(), store.requests(), store.audit(app=None, limit=9), waiting(store)) == ({}, (), (), [])
    store.save_orders([AUDIT, AUDIT], at=NOW, dispatches=[row("one")], controls=controls, requests=requests)
    assert store.controls() == controls
    assert [one.app for one in store.requests()] == ["c1/a", "c1/b"]
    assert len(store.audit(app=None, limit=9)) == 2
    assert waiting(store) == ["one"]
