"""All that survives a restart, in one relational database: SQLite by default, PostgreSQL by URL.

Every method is one transaction. What a pass did and what the world hears of it are saved together, so that nothing is
said that was not saved and nothing saved that is not said. The surprising part: a claim is an attempt that is counted
before it is made; a sink must tolerate that an attempt arrived although it seemed to fail.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from bot.errors import StateError
from bot.model.announcement import Announcement, News
from bot.model.control import Control, Trigger
from bot.model.incident import Incident
from bot.model.outcome import Result
from bot.model.record import (
    AppMemory,
    Approval,
    AuditEntry,
    AuditHead,
    AuditLink,
    Consignment,
    Dispatch,
    HistoryEntry,
    Mute,
    Pruned,
    SinkName,
)
from bot.ports import MessageRef, PassRequest
from bot.state import codec, tables
from bot.state.address import fault
from bot.state.locks import advisory_lock, file_lock

_BUSY_SECONDS: Final = 30  # another process may hold the write lock of SQLite for one transaction
_KEPT_FOR: Final = timedelta(days=30)  # what was pruned can be restored for so long
_ALWAYS: Final = ""  # before every time


class SqlStore:
    """A `bot.ports.Store`. Safe to use from several threads and processes."""

    def __init__(self, url: str, *, lock_folder: Path | None = None) -> None:
        if wrong := fault(url):
            raise StateError(f"state: {wrong}")
        parsed = sa.make_url(url)
        self._shown = parsed.render_as_string(hide_password=True)
        self._is_sqlite = parsed.get_backend_name() == "sqlite"
        self._folder = lock_folder
        if self._is_sqlite:
            path = Path(parsed.database or "gitops-bot.db")
            self._folder = lock_folder or path.with_name(f"{path.name}.locks")
            self._make_file(path)
        self._engine = self._connected(parsed)
        self._prepare()

    def _make_file(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StateError(f"state: {path} cannot be opened: {error.strerror}; make its folder writable") from error

    def _connected(self, url: sa.URL) -> sa.Engine:
        if not self._is_sqlite:
            return sa.create_engine(url, pool_pre_ping=True, pool_size=20, max_overflow=80)
        engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False})

        @sa.event.listens_for(engine, "connect")
        def configure(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}").close()

        @sa.event.listens_for(engine, "begin")
        def begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # a reader that turns writer would fail instead of wait

        return engine

    def _prepare(self) -> None:
        with self._transaction() as connection:
            if not self._is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(7_266_117)))  # two bots that start at once
            tables.metadata.create_all(connection)
            found = connection.execute(sa.select(tables.about.c.value).where(tables.about.c.name == "version")).scalar()
            if found is None:
                connection.execute(
                    tables.about.insert(),
                    [
                        {"name": "version", "value": str(tables.VERSION)},
                        {"name": "key", "value": secrets.token_hex(32)},
                    ],
                )
            elif int(found) > tables.VERSION:
                raise StateError(f"state: {self._shown} was written by a newer version of gitops-bot")

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
            raise StateError(f"state: {self._shown} cannot be used: {reason}") from error

    # --- control and memory -----------------------------------------------------------------------------------

    def control(self, app: str) -> Control:
        return _control(self._value(tables.controls, app))

    def controls(self) -> Mapping[str, Control]:
        with self._transaction() as connection:
            rows = connection.execute(sa.select(tables.controls.c.app, tables.controls.c.value)).all()
        return {app: codec.load(codec.CONTROL, text) for app, text in rows}

    def save_control(
        self, app: str, control: Control, *, audit: AuditEntry, dispatches: Sequence[Dispatch] = ()
    ) -> None:
        with self._transaction() as connection:
            self._put(connection, tables.controls, app=app, value=codec.dump(codec.CONTROL, control))
            self._append_audit(connection, audit)
            self._send(connection, dispatches)

    def save_approval(self, approval: Approval, *, audit: AuditEntry, dispatches: Sequence[Dispatch] = ()) -> None:
        with self._transaction() as connection:
            self._put(
                connection,
                tables.approvals,
                app=approval.app,
                plan_hash=approval.plan_hash,
                who=approval.by,
                at=_text(approval.at),
                value=codec.dump(codec.APPROVAL, approval),
            )
            self._append_audit(connection, audit)
            self._send(connection, dispatches)

    def approvals(self, app: str, plan_hash: str) -> tuple[Approval, ...]:
        table = tables.approvals
        query = sa.select(table.c.value).where(table.c.app == app, table.c.plan_hash == plan_hash)
        with self._transaction() as connection:
            return tuple(
                codec.load(codec.APPROVAL, text) for text in connection.execute(query.order_by(table.c.at)).scalars()
            )

    def forget(self, app: str, *, audit: AuditEntry) -> None:
        with self._transaction() as connection:
            for table in (tables.controls, tables.memories, tables.approvals, tables.requests):
                connection.execute(table.delete().where(table.c.app == app))
            self._append_audit(connection, audit)

    def save_pruned(self, pruned: Sequence[Pruned]) -> None:
        table = tables.pruned
        with self._transaction() as connection:
            connection.execute(table.delete().where(table.c.at < _text(datetime.now(tz=UTC) - _KEPT_FOR)))
            for one in pruned:
                row = {"app": one.app, "at": _text(one.at), "value": codec.dump(codec.PRUNED, one)}
                connection.execute(table.insert().values(row))

    def pruned(self, app: str) -> tuple[Pruned, ...]:
        table = tables.pruned
        oldest = _text(datetime.now(tz=UTC) - _KEPT_FOR)
        query = sa.select(table.c.value).where(table.c.app == app, table.c.at >= oldest).order_by(table.c.id.desc())
        with self._transaction() as connection:
            return tuple(codec.load(codec.PRUNED, text) for text in connection.execute(query).scalars())

    def folders(self, app_set: str) -> tuple[str, ...]:
        query = sa.select(tables.folders.c.value).where(tables.folders.c.app_set == app_set)
        with self._transaction() as connection:
            return tuple((connection.execute(query).scalar() or "").splitlines())

    def save_folders(self, app_set: str, folders: Sequence[str]) -> None:
        with self._transaction() as connection:
            self._put(connection, tables.folders, app_set=app_set, value="\n".join(folders))

    def mutes(self) -> Mapping[str, Mute]:
        with self._transaction() as connection:
            rows = connection.execute(sa.select(tables.mutes.c.app, tables.mutes.c.value)).all()
        return {app: codec.load(codec.MUTE, text) for app, text in rows}

    def save_mute(self, app: str, mute: Mute | None, *, audit: AuditEntry, dispatches: Sequence[Dispatch] = ()) -> None:
        with self._transaction() as connection:
            if mute is None:
                connection.execute(tables.mutes.delete().where(tables.mutes.c.app == app))
            else:
                self._put(connection, tables.mutes, app=app, value=codec.dump(codec.MUTE, mute))
            self._append_audit(connection, audit)
            self._send(connection, dispatches)

    def memory(self, app: str) -> AppMemory:
        return _memory(app, self._value(tables.memories, app))

    def standing(self, app: str) -> tuple[AppMemory, Control]:
        with self._transaction() as connection:
            memory, control = (_value_in(connection, one, app) for one in (tables.memories, tables.controls))
        return _memory(app, memory), _control(control)

    def memories(self) -> Mapping[str, AppMemory]:
        with self._transaction() as connection:
            rows = connection.execute(sa.select(tables.memories.c.app, tables.memories.c.value)).all()
        return {app: codec.load(codec.MEMORY, text) for app, text in rows}

    def save_pass(
        self,
        memory: AppMemory,
        *,
        history: HistoryEntry | None = None,
        audits: Sequence[AuditEntry] = (),
        dispatches: Sequence[Dispatch] = (),
        incidents: Sequence[Incident] = (),
    ) -> None:
        with self._transaction() as connection:
            self._enter(connection, incidents)
            self._put(connection, tables.memories, app=memory.app, value=codec.dump(codec.MEMORY, memory))
            if history is not None:
                connection.execute(
                    tables.history.insert().values(
                        app=history.app,
                        operation=history.operation,
                        revision=history.revision,
                        converged=history.result is Result.CONVERGED,
                        value=codec.dump(codec.HISTORY, history),
                    )
                )
            for entry in audits:
                self._append_audit(connection, entry)
            self._send(connection, dispatches)

    def incidents(self) -> tuple[Incident, ...]:
        with self._transaction() as connection:
            rows = connection.execute(sa.select(tables.incidents.c.value).order_by(tables.incidents.c.id)).scalars()
            return tuple(codec.load(codec.INCIDENT, text) for text in rows)

    def save_incidents(self, incidents: Sequence[Incident], *, dispatches: Sequence[Dispatch] = ()) -> None:
        with self._transaction() as connection:
            self._enter(connection, incidents)
            self._send(connection, dispatches)

    def _enter(self, connection: sa.Connection, incidents: Sequence[Incident]) -> None:
        for one in incidents:
            if one.failing:
                self._put(connection, tables.incidents, id=one.id, value=codec.dump(codec.INCIDENT, one))
            else:
                connection.execute(tables.incidents.delete().where(tables.incidents.c.id == one.id))

    def _value(self, table: sa.Table, app: str) -> str:
        with self._transaction() as connection:
            return _value_in(connection, table, app)

    # --- history and audit ------------------------------------------------------------------------------------

    def history(self, app: str, *, limit: int) -> tuple[HistoryEntry, ...]:
        query = sa.select(tables.history.c.id, tables.history.c.value).where(tables.history.c.app == app)
        with self._transaction() as connection:
            rows = connection.execute(query.order_by(tables.history.c.id.desc()).limit(limit)).all()
        return tuple(_numbered(codec.load(codec.HISTORY, text), id) for id, text in rows)

    def deployed(self, app: str) -> frozenset[str]:
        query = sa.select(tables.history.c.revision).where(tables.history.c.app == app, tables.history.c.converged)
        with self._transaction() as connection:
            return frozenset(connection.execute(query.distinct()).scalars())

    def add_audit(self, entry: AuditEntry) -> None:
        with self._transaction() as connection:
            self._append_audit(connection, entry)

    def audit(self, *, app: str | None, limit: int) -> tuple[AuditEntry, ...]:
        query = sa.select(tables.audit.c.value).order_by(tables.audit.c.id.desc()).limit(limit)
        if app is not None:
            query = query.where(tables.audit.c.app == app)
        with self._transaction() as connection:
            return tuple(codec.load(codec.AUDIT, text) for text in connection.execute(query).scalars())

    def audit_chain(self) -> tuple[AuditLink, ...]:
        before = ""
        found: list[AuditLink] = []
        with self._transaction() as connection:
            for row in connection.execute(sa.select(tables.audit).order_by(tables.audit.c.id)):
                holds = row.chain == _link(before, row.value)
                before = row.chain
                entry = codec.load(codec.AUDIT, row.value)
                found.append(AuditLink(id=int(row.id), entry=entry, text=row.value, chain=row.chain, holds=holds))
        return tuple(found)

    def audit_head(self) -> AuditHead:
        newest = sa.select(tables.audit.c.chain).order_by(tables.audit.c.id.desc()).limit(1)
        with self._transaction() as connection:
            lines = int(connection.execute(sa.select(sa.func.count()).select_from(tables.audit)).scalar_one())
            return AuditHead(lines=lines, chain=connection.execute(newest).scalar() or "")

    def _append_audit(self, connection: sa.Connection, entry: AuditEntry) -> None:
        if not self._is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(7_266_118)))  # one link after the other
        newest = sa.select(tables.audit.c.chain).order_by(tables.audit.c.id.desc()).limit(1)
        text = codec.dump(codec.AUDIT, entry)
        chain = _link(connection.execute(newest).scalar() or "", text)
        connection.execute(tables.audit.insert().values(app=entry.app, value=text, chain=chain))

    # --- requests ---------------------------------------------------------------------------------------------

    def request(self, *apps: str, trigger: Trigger, at: datetime, expects: str = "") -> None:
        row = {"at": _text(at), "expects": expects, "value": codec.dump(codec.TRIGGER, trigger)}
        with self._transaction() as connection:
            connection.execute(tables.requests.insert(), [{"app": app, **row} for app in apps])

    def requests(self) -> tuple[PassRequest, ...]:
        with self._transaction() as connection:
            rows = connection.execute(sa.select(tables.requests).order_by(tables.requests.c.id)).all()
        return tuple(
            PassRequest(
                id=row.id,
                app=row.app,
                trigger=codec.load(codec.TRIGGER, row.value),
                at=datetime.fromisoformat(row.at),
                expects=row.expects,
            )
            for row in rows
        )

    def finish_requests(self, ids: Collection[int]) -> None:
        if ids:
            with self._transaction() as connection:
                connection.execute(tables.requests.delete().where(tables.requests.c.id.in_(list(ids))))

    # --- outbox -----------------------------------------------------------------------------------------------

    def dispatch(self, dispatches: Sequence[Dispatch]) -> None:
        with self._transaction() as connection:
            self._send(connection, dispatches)

    def _send(self, connection: sa.Connection, dispatches: Sequence[Dispatch]) -> None:
        box = tables.outbox
        for one in dispatches:
            kind, value = codec.dump_parcel(one.parcel)
            if isinstance(one.parcel, Announcement) and not one.parcel.in_thread:
                self._keep_root(connection, one.parcel, value)
            if one.clears:
                waiting = (box.c.sink == one.sink.value, box.c.lane == one.lane, box.c.state == "waiting")
                connection.execute(box.delete().where(*waiting))
            place: dict[str, int] = {}
            if one.collapse:
                same = (
                    box.c.sink == one.sink.value,
                    box.c.lane == one.lane,
                    box.c.collapse == one.collapse,
                    box.c.state == "waiting",
                    box.c.attempts == 0,
                )
                first = connection.execute(sa.select(sa.func.min(box.c.id)).where(*same)).scalar()
                connection.execute(box.delete().where(*same))
                place = {"id": first} if one.keeps_place and first is not None else {}
            row = place | {
                "parcel_id": one.parcel.id,
                "sink": one.sink.value,
                "lane": one.lane,
                "collapse": one.collapse,
                "kind": kind,
                "value": value,
                "state": "waiting",
                "attempts": 0,
                "not_before": _ALWAYS,
                "created_at": _text(datetime.now(tz=UTC)),
                "why": "",
            }
            connection.execute(self._insert(box).values(row).on_conflict_do_nothing())

    def _keep_root(self, connection: sa.Connection, said: Announcement, value: str) -> None:
        if said.news in {News.FAILED, News.DEGRADED}:
            self._put(connection, tables.roots, operation=said.root_key, value=value)
        else:
            connection.execute(tables.roots.delete().where(tables.roots.c.operation == said.root_key))

    def root(self, operation: str) -> Announcement | None:
        query = sa.select(tables.roots.c.value).where(tables.roots.c.operation == operation)
        with self._transaction() as connection:
            text = connection.execute(query).scalar()
        found: Announcement | None = codec.load(codec.ANNOUNCEMENT, text) if text else None
        return found

    def due_lanes(self, sink: SinkName, *, now: datetime) -> tuple[str, ...]:
        box = tables.outbox
        firsts = (
            sa.select(sa.func.min(box.c.id))
            .where(box.c.sink == sink.value, box.c.state == "waiting")
            .group_by(box.c.lane)
        )
        query = sa.select(box.c.lane).where(box.c.id.in_(firsts), box.c.not_before <= _text(now)).order_by(box.c.id)
        with self._transaction() as connection:
            return tuple(connection.execute(query).scalars())

    def claim(self, sink: SinkName, lane: str, *, now: datetime) -> Consignment | None:
        box = tables.outbox
        query = (
            sa.select(box)
            .where(box.c.sink == sink.value, box.c.lane == lane, box.c.state == "waiting")
            .order_by(box.c.id)
            .limit(1)
        )
        with self._transaction() as connection:
            row = connection.execute(query.with_for_update()).first()
            if row is None or row.not_before > _text(now):
                return None
            connection.execute(box.update().where(box.c.id == row.id).values(attempts=row.attempts + 1))
        return Consignment(
            id=row.id,
            sink=sink,
            lane=lane,
            parcel=codec.load_parcel(row.kind, row.value),
            attempts=row.attempts,
            created_at=datetime.fromisoformat(row.created_at),
        )

    def delivered(self, id: int, *, dispatches: Sequence[Dispatch] = ()) -> None:
        self._settle(id, dispatches, state="delivered", why="")

    def postpone(self, id: int, *, until: datetime, why: str, dispatches: Sequence[Dispatch] = ()) -> None:
        self._settle(id, dispatches, not_before=_text(until), why=why[:2000])

    def undeliverable(self, id: int, *, why: str, dispatches: Sequence[Dispatch] = ()) -> None:
        self._settle(id, dispatches, state="lost", why=why[:2000])

    def tidy(self, *, before: datetime) -> None:
        box, seen = tables.outbox, tables.seen
        with self._transaction() as connection:
            connection.execute(box.delete().where(box.c.state != "waiting", box.c.created_at < _text(before)))
            connection.execute(seen.delete().where(seen.c.at < _text(before)))

    def waiting(self, sink: SinkName) -> int:
        box = tables.outbox
        query = sa.select(sa.func.count()).where(box.c.sink == sink.value, box.c.state == "waiting")
        with self._transaction() as connection:
            return int(connection.execute(query).scalar_one())

    def _settle(self, id: int, dispatches: Sequence[Dispatch], **values: str) -> None:
        with self._transaction() as connection:
            connection.execute(tables.outbox.update().where(tables.outbox.c.id == id).values(**values))
            self._send(connection, dispatches)

    # --- messages and deliveries ------------------------------------------------------------------------------

    def message(self, operation: str) -> MessageRef | None:
        with self._transaction() as connection:
            return self._message(connection, operation)

    def _message(self, connection: sa.Connection, operation: str) -> MessageRef | None:
        box, taken = tables.messages, tables.taken
        query = sa.select(box, taken.c.operation.is_not(None).label("taken")).where(box.c.operation == operation)
        row = connection.execute(query.join(taken, taken.c.operation == box.c.operation, isouter=True)).first()
        return MessageRef(channel=row.channel, ts=row.ts, taken=bool(row.taken)) if row is not None else None

    def inherit(self, operation: str, heir: str) -> MessageRef | None:
        with self._transaction() as connection:
            found = self._message(connection, operation)
            if found is None or found.taken:
                return None
            self._put(connection, tables.messages, operation=heir, channel=found.channel, ts=found.ts)
            connection.execute(tables.taken.insert().values(operation=operation))
            return found

    def save_message(self, operation: str, message: MessageRef) -> None:
        with self._transaction() as connection:
            self._put(connection, tables.messages, operation=operation, channel=message.channel, ts=message.ts)
            connection.execute(tables.taken.delete().where(tables.taken.c.operation == operation))

    def first_time(self, key: str, *, at: datetime) -> bool:
        row = {"name": hashlib.sha256(key.encode(errors="replace")).hexdigest(), "at": _text(at)}
        with self._transaction() as connection:
            new = self._insert(tables.seen).values(row).on_conflict_do_nothing().returning(tables.seen.c.name)
            return connection.execute(new).first() is not None  # psycopg counts no rows of such an insert

    # --- the rest ---------------------------------------------------------------------------------------------

    def lock(self, app: str, *, timeout: timedelta) -> AbstractContextManager[bool]:
        if self._folder is not None:
            return file_lock(self._folder, app, timeout)
        return advisory_lock(self._engine, app, timeout)

    def key(self) -> bytes:
        query = sa.select(tables.about.c.value).where(tables.about.c.name == "key")
        with self._transaction() as connection:
            return bytes.fromhex(connection.execute(query).scalar_one())

    def verdicts(self, app: str) -> bytes:
        query = sa.select(tables.verdicts.c.value).where(tables.verdicts.c.app == app)
        with self._transaction() as connection:
            return bytes(connection.execute(query).scalar() or b"")

    def save_verdicts(self, app: str, value: bytes) -> None:
        with self._transaction() as connection:
            self._put(connection, tables.verdicts, app=app, value=value)

    def check(self) -> None:
        with self._transaction() as connection:
            self._put(connection, tables.about, name="checked_at", value=_text(datetime.now(tz=UTC)))

    def close(self) -> None:
        self._engine.dispose()

    def _put(self, connection: sa.Connection, table: sa.Table, **values: str | bytes) -> None:
        """Insert a row, or replace the one with its key."""
        keys = [column.name for column in table.primary_key]
        rest = {name: value for name, value in values.items() if name not in keys}
        connection.execute(self._insert(table).values(values).on_conflict_do_update(index_elements=keys, set_=rest))

    def _insert(self, table: sa.Table) -> Any:
        if self._is_sqlite:
            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql  # imported late: it takes a third of a second

        return postgresql.insert(table)


def _value_in(connection: sa.Connection, table: sa.Table, app: str) -> str:
    """Return the value of an app's row, "" when it has none."""
    return str(connection.execute(_value_of(table), {"app": app}).scalar() or "")


@cache
def _value_of(table: sa.Table) -> sa.Select[tuple[Any]]:
    """Return the question for an app's row: built once, since building it costs as much as asking it."""
    return sa.select(table.c.value).where(table.c.app == sa.bindparam("app"))


def _memory(app: str, text: str) -> AppMemory:
    return codec.load(codec.MEMORY, text) if text else AppMemory(app=app)


def _control(text: str) -> Control:
    return codec.load(codec.CONTROL, text) if text else Control()


def _numbered(entry: HistoryEntry, id: int) -> HistoryEntry:
    return replace(entry, id=id)


def _link(before: str, value: str) -> str:
    return hashlib.sha256(f"{before}\n{value}".encode()).hexdigest()


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
