"""All that survives a restart, in one relational database: SQLite by default, PostgreSQL by URL.

Every method is one transaction. What a pass did and what the world hears of it are saved together, so that nothing is
said that was not saved and nothing saved that is not said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import sqlalchemy as sa

from bot.errors import StateError
from bot.model.control import Control, Trigger
from bot.model.digests import keyed
from bot.model.incident import Incident
from bot.model.outcome import Result
from bot.model.record import (
    AppMemory,
    Approval,
    AuditEntry,
    Dispatch,
    Followed,
    HistoryEntry,
    Mute,
    Pruned,
)
from bot.ports.state import PassRequest
from bot.state import codec, tables
from bot.state.database import moment
from bot.state.ledger import Ledger
from bot.state.locks import file_lock
from bot.state.outbox import Outbox

_KEPT_FOR: Final = timedelta(days=30)  # what was pruned can be restored for so long
_READ_KEPT: Final = (
    4096  # texts that were read already, some 2 KiB each: rounds read those of all apps every few seconds
)


class SqlStore(Ledger, Outbox):
    """A `bot.ports.state.Store`. Safe to use from several threads and processes."""

    # --- control and memory -----------------------------------------------------------------------------------

    def control(self, app: str) -> Control:
        return _control(*self._values(app, tables.controls))

    def controls(self) -> Mapping[str, Control]:
        with self._reading() as connection:
            rows = connection.execute(sa.select(tables.controls.c.app, tables.controls.c.value)).all()
        return {app: _control(text) for app, text in rows}

    def save_control(
        self, app: str, control: Control, *, audit: AuditEntry, dispatches: Sequence[Dispatch] = ()
    ) -> None:
        with self._transaction() as connection:
            self._put(connection, tables.controls, app=app, value=codec.dump(control))
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
                at=moment(approval.at),
                value=codec.dump(approval),
            )
            self._append_audit(connection, audit)
            self._send(connection, dispatches)

    def approvals(self, app: str, plan_hash: str) -> tuple[Approval, ...]:
        table = tables.approvals
        query = sa.select(table.c.value).where(table.c.app == app, table.c.plan_hash == plan_hash)
        with self._reading() as connection:
            return tuple(
                codec.load(Approval, text) for text in connection.execute(query.order_by(table.c.at)).scalars()
            )

    def forget(self, app: str, *, audit: AuditEntry) -> None:
        with self._transaction() as connection:
            for table in (tables.controls, tables.memories, tables.approvals, tables.requests, tables.followed):
                connection.execute(table.delete().where(table.c.app == app))
            self._append_audit(connection, audit)

    def save_pruned(self, pruned: Sequence[Pruned]) -> None:
        table = tables.pruned
        with self._transaction() as connection:
            connection.execute(table.delete().where(table.c.at < moment(datetime.now(tz=UTC) - _KEPT_FOR)))
            for one in pruned:
                row = {"app": one.app, "at": moment(one.at), "value": codec.dump(one)}
                connection.execute(table.insert().values(row))

    def pruned(self, app: str) -> tuple[Pruned, ...]:
        table = tables.pruned
        oldest = moment(datetime.now(tz=UTC) - _KEPT_FOR)
        query = sa.select(table.c.value).where(table.c.app == app, table.c.at >= oldest).order_by(table.c.id.desc())
        with self._reading() as connection:
            return tuple(codec.load(Pruned, text) for text in connection.execute(query).scalars())

    def folders(self, app_set: str) -> tuple[str, ...]:
        query = sa.select(tables.folders.c.value).where(tables.folders.c.app_set == app_set)
        with self._reading() as connection:
            return tuple((connection.execute(query).scalar() or "").splitlines())

    def save_folders(self, app_set: str, folders: Sequence[str]) -> None:
        with self._transaction() as connection:
            self._put(connection, tables.folders, app_set=app_set, value="\n".join(folders))

    def followed(self, app: str, image: str) -> Followed:
        table = tables.followed
        query = sa.select(table.c.value).where(table.c.app == app, table.c.image == image)
        with self._reading() as connection:
            text = connection.execute(query).scalar()
        return codec.load(Followed, text) if text is not None else Followed()

    def save_followed(
        self,
        app: str,
        image: str,
        followed: Followed,
        *,
        audits: Sequence[AuditEntry] = (),
        dispatches: Sequence[Dispatch] = (),
    ) -> None:
        with self._transaction() as connection:
            self._put(connection, tables.followed, app=app, image=image, value=codec.dump(followed))
            for entry in audits:
                self._append_audit(connection, entry)
            self._send(connection, dispatches)

    def mutes(self) -> Mapping[str, Mute]:
        with self._reading() as connection:
            rows = connection.execute(sa.select(tables.mutes.c.app, tables.mutes.c.value)).all()
        return {app: codec.load(Mute, text) for app, text in rows}

    def save_orders(
        self,
        audits: Sequence[AuditEntry],
        *,
        at: datetime,
        controls: Mapping[str, Control] | None = None,
        mutes: Mapping[str, Mute | None] | None = None,
        requests: Mapping[str, Trigger] | None = None,
        dispatches: Sequence[Dispatch] = (),
    ) -> None:
        with self._transaction() as connection:
            for app, control in (controls or {}).items():
                self._put(connection, tables.controls, app=app, value=codec.dump(control))
            for app, mute in (mutes or {}).items():
                self._put_mute(connection, app, mute)
            for audit in audits:
                self._append_audit(connection, audit)
            for app, trigger in (requests or {}).items():
                row = {"app": app, "at": moment(at), "expects": "", "value": codec.dump(trigger)}
                connection.execute(tables.requests.insert().values(row))
            self._send(connection, dispatches)

    def save_mute(self, app: str, mute: Mute | None, *, audit: AuditEntry, dispatches: Sequence[Dispatch] = ()) -> None:
        with self._transaction() as connection:
            self._put_mute(connection, app, mute)
            self._append_audit(connection, audit)
            self._send(connection, dispatches)

    def _put_mute(self, connection: sa.Connection, app: str, mute: Mute | None) -> None:
        if mute is None:
            connection.execute(tables.mutes.delete().where(tables.mutes.c.app == app))
        else:
            self._put(connection, tables.mutes, app=app, value=codec.dump(mute))

    def memory(self, app: str) -> AppMemory:
        return _memory(app, *self._values(app, tables.memories), self._key)

    def standing(self, app: str) -> tuple[AppMemory, Control]:
        memory, control = self._values(app, tables.memories, tables.controls)
        return _memory(app, memory, self._key), _control(control)

    def memories(self) -> Mapping[str, AppMemory]:
        with self._reading() as connection:
            rows = connection.execute(sa.select(tables.memories.c.app, tables.memories.c.value)).all()
        return {app: _memory(app, text, self._key) for app, text in rows}

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
            self._put(connection, tables.memories, app=memory.app, value=codec.dump(memory))
            if history is not None:
                connection.execute(
                    tables.history.insert().values(
                        app=history.app,
                        operation=history.operation,
                        revision=history.revision,
                        converged=history.result is Result.CONVERGED,
                        value=codec.dump(history),
                    )
                )
            for entry in audits:
                self._append_audit(connection, entry)
            self._send(connection, dispatches)

    def incidents(self) -> tuple[Incident, ...]:
        with self._reading() as connection:
            rows = connection.execute(sa.select(tables.incidents.c.value).order_by(tables.incidents.c.id)).scalars()
            return tuple(codec.load(Incident, text) for text in rows)

    def save_incidents(self, incidents: Sequence[Incident], *, dispatches: Sequence[Dispatch] = ()) -> None:
        with self._transaction() as connection:
            self._enter(connection, incidents)
            self._send(connection, dispatches)

    def _enter(self, connection: sa.Connection, incidents: Sequence[Incident]) -> None:
        for one in incidents:
            if one.failing:
                self._put(connection, tables.incidents, id=one.id, value=codec.dump(one))
            else:
                connection.execute(tables.incidents.delete().where(tables.incidents.c.id == one.id))

    # --- requests ---------------------------------------------------------------------------------------------

    def request(self, *apps: str, trigger: Trigger, at: datetime, expects: str = "") -> None:
        row = {"at": moment(at), "expects": expects, "value": codec.dump(trigger)}
        with self._transaction() as connection:
            connection.execute(tables.requests.insert(), [{"app": app, **row} for app in apps])

    def requests(self) -> tuple[PassRequest, ...]:
        with self._reading() as connection:
            rows = connection.execute(sa.select(tables.requests).order_by(tables.requests.c.id)).all()
        return tuple(
            PassRequest(
                id=row.id,
                app=row.app,
                trigger=codec.load(Trigger, row.value),
                at=datetime.fromisoformat(row.at),
                expects=row.expects,
            )
            for row in rows
        )

    def finish_requests(self, ids: Collection[int]) -> None:
        if ids:
            with self._transaction() as connection:
                connection.execute(tables.requests.delete().where(tables.requests.c.id.in_(list(ids))))

    # --- the rest ---------------------------------------------------------------------------------------------

    def lock(self, app: str, *, timeout: timedelta) -> AbstractContextManager[bool]:
        if self._folder is not None:
            return file_lock(self._folder, app, timeout)
        return self._locks.hold(app, timeout)

    def key(self) -> bytes:
        return self._key

    def verdicts(self, app: str) -> bytes:
        query = sa.select(tables.verdicts.c.value).where(tables.verdicts.c.app == app)
        with self._reading() as connection:
            return bytes(connection.execute(query).scalar() or b"")

    def save_verdicts(self, app: str, value: bytes) -> None:
        with self._transaction() as connection:
            self._put(connection, tables.verdicts, app=app, value=value)

    def began_at(self) -> datetime | None:
        query = sa.select(tables.about.c.value).where(tables.about.c.name == "began_at")
        with self._reading() as connection:
            text = connection.execute(query).scalar()
        return datetime.fromisoformat(text) if text else None

    def check(self) -> None:
        with self._transaction() as connection:
            self._put(connection, tables.about, name="checked_at", value=moment(datetime.now(tz=UTC)))
        if self._on_disk() != self._opened:  # SQLite writes on into a file that has no name
            raise StateError(f"state: {self._shown} was removed or replaced while it was in use; start the bot again")


@lru_cache(maxsize=_READ_KEPT)
def _memory(app: str, text: str, key: bytes) -> AppMemory:
    """Return a memory, its digests with the key in them: those stored by early versions have none."""
    if not text:
        return AppMemory(app=app)
    memory = codec.load(AppMemory, text)
    return replace(memory, digest=keyed(memory.digest, key), begun=keyed(memory.begun, key))


@lru_cache(maxsize=_READ_KEPT)
def _control(text: str) -> Control:
    return codec.load(Control, text) if text else Control()
