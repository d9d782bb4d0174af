"""What has happened: the history of each app, the audit as a hash chain that is only ever appended to, its people."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import sqlalchemy as sa

from bot.model.digests import keyed
from bot.model.record import AuditEntry, AuditHead, AuditLink, HistoryEntry
from bot.state import codec, tables
from bot.state.database import Database


class Ledger(Database):
    """The part of the store that only grows."""

    def history(self, app: str, *, limit: int) -> tuple[HistoryEntry, ...]:
        query = sa.select(tables.history.c.id, tables.history.c.value).where(tables.history.c.app == app)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(tables.history.c.id.desc()).limit(limit)).all()
        entries = [(id, codec.load(HistoryEntry, text)) for id, text in rows]
        return tuple(replace(one, id=id, digest=keyed(one.digest, self._key)) for id, one in entries)

    def deployed(self, app: str) -> frozenset[str]:
        query = sa.select(tables.history.c.revision).where(tables.history.c.app == app, tables.history.c.converged)
        with self._reading() as connection:
            return frozenset(connection.execute(query.distinct()).scalars())

    def add_audit(self, entry: AuditEntry) -> None:
        with self._transaction() as connection:
            self._append_audit(connection, entry)

    def audit(self, *, app: str | None, limit: int) -> tuple[AuditEntry, ...]:
        query = sa.select(tables.audit.c.value).order_by(tables.audit.c.id.desc()).limit(limit)
        if app is not None:
            query = query.where(tables.audit.c.app == app)
        with self._reading() as connection:
            return tuple(codec.load(AuditEntry, text) for text in connection.execute(query).scalars())

    def introduce(self, who: str, name: str) -> None:
        with self._transaction() as connection:
            self._put(connection, tables.people, who=who, name=name)

    def names(self) -> Mapping[str, str]:
        with self._reading() as connection:
            rows = connection.execute(sa.select(tables.people.c.who, tables.people.c.name)).all()
        return {str(row.who): str(row.name) for row in rows}

    def audit_chain(self) -> tuple[AuditLink, ...]:
        before = ""
        found: list[AuditLink] = []
        with self._reading() as connection:
            for row in connection.execute(sa.select(tables.audit).order_by(tables.audit.c.id)):
                holds = row.chain == _link(before, row.value)
                before = row.chain
                entry = codec.load(AuditEntry, row.value)
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
        text = codec.dump(entry)
        chain = _link(connection.execute(newest).scalar() or "", text)
        connection.execute(tables.audit.insert().values(app=entry.app, value=text, chain=chain))


def _link(before: str, value: str) -> str:
    return hashlib.sha256(f"{before}\n{value}".encode()).hexdigest()
