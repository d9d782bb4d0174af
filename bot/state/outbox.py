"""What the world is to hear: rows first, then messages, lane by lane, and where each one went.

The surprising part: a claim is an attempt that is counted before it is made; a sink must tolerate that an attempt
arrived although it seemed to fail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.model.announcement import Announcement, News, PageAct, Parcel
from bot.model.overtaking import instead, is_over, overtakes
from bot.model.record import Consignment, Dispatch, SinkName, Turn
from bot.ports.state import MessageRef
from bot.state import codec, tables
from bot.state.database import moment
from bot.state.rollouts import ALWAYS, Rollouts


class Outbox(Rollouts):
    """The part of the store that is delivered."""

    def dispatch(self, dispatches: Sequence[Dispatch]) -> None:
        with self._transaction() as connection:
            self._send(connection, dispatches)

    def _send(self, connection: sa.Connection, dispatches: Sequence[Dispatch]) -> None:
        box = tables.outbox
        for one in dispatches:
            if isinstance(one.parcel, Announcement) and not one.parcel.in_thread:
                self._keep_root(connection, one.parcel)
            waiting = sa.and_(box.c.sink == one.sink.value, box.c.lane == one.lane, box.c.state == "waiting")
            if self._is_told_with_others(connection, one, waiting):
                continue
            if one.clears:
                connection.execute(box.delete().where(waiting))
            parcel, place = self._placed(connection, one, waiting)
            if isinstance(one.parcel, Announcement) and one.turn is Turn.FIRST:  # its message has to be there
                root = sa.or_(box.c.collapse == one.parcel.root_key, _inherits(one.parcel.root_key))
                connection.execute(box.update().where(waiting, root).values(turn=Turn.FIRST.value))
            self._put_into(connection, replace(one, parcel=parcel), **place)

    def _placed(
        self, connection: sa.Connection, one: Dispatch, waiting: sa.ColumnElement[bool]
    ) -> tuple[Parcel, dict[str, int]]:
        """Take out what the parcel makes needless; return it as it goes into that place, and the place."""
        box, parcel, place = tables.outbox, one.parcel, dict[str, int]()
        if not one.collapse:
            return parcel, place
        same = sa.select(box).where(waiting, box.c.collapse == one.collapse, box.c.attempts == 0)
        # Locked: one that is claimed meanwhile is on its way, and what is put into its place would count as delivered.
        rows = connection.execute(same.order_by(box.c.id.desc()).with_for_update()).all()
        next_one = sa.select(box.c.id).where(waiting).order_by(box.c.turn, box.c.id).limit(1)
        next_id = connection.execute(next_one).scalar() if rows else None
        for row in rows:  # from the last on: what stays is said before what follows it
            before = codec.load_parcel(row.kind, row.value)
            if not overtakes(parcel, before, leaves_next=row.id == next_id):
                break
            if is_over(parcel, before) and self._is_inherited(connection, waiting, one.collapse):
                break  # that message will speak for many: what is said now is another one, after it
            parcel = instead(parcel, before)
            place = {"id": row.id, "turn": min(row.turn, one.turn.value, *place.values())}
            connection.execute(box.delete().where(box.c.id == row.id))
        return parcel, place

    def _is_inherited(self, connection: sa.Connection, waiting: sa.ColumnElement[bool], root: str) -> bool:
        query = sa.select(tables.outbox.c.id).where(waiting, _inherits(root)).limit(1)
        return connection.execute(query).first() is not None

    def _keep_root(self, connection: sa.Connection, said: Announcement) -> None:
        if said.news in {News.FAILED, News.DEGRADED, News.FIGHT}:
            self._put(connection, tables.roots, operation=said.root_key, value=codec.dump(said))
        else:
            connection.execute(tables.roots.delete().where(tables.roots.c.operation == said.root_key))

    def root(self, operation: str) -> Announcement | None:
        query = sa.select(tables.roots.c.value).where(tables.roots.c.operation == operation)
        with self._reading() as connection:
            text = connection.execute(query).scalar()
        return codec.load(Announcement, text) if text else None

    def shown(self, operation: str) -> tuple[Announcement, ...]:
        box = tables.outbox
        on_its_way = sa.and_(box.c.attempts > 0, box.c.not_before == ALWAYS)
        query = sa.select(box.c.value).where(
            box.c.sink == SinkName.SLACK.value,
            box.c.parcel_id.startswith(f"{operation}:asked:", autoescape=True),
            sa.or_(box.c.state == "delivered", on_its_way),
        )
        with self._reading() as connection:
            texts = connection.execute(query.order_by(box.c.id.desc())).scalars().all()
        said = [codec.load(Announcement, text) for text in texts]
        return tuple(one for one in said if not one.in_thread and one.news in {News.APPROVAL, News.REFUSED})

    def due_lanes(self, sink: SinkName, *, now: datetime) -> tuple[str, ...]:
        box = tables.outbox
        query = sa.select(box.c.lane).where(box.c.sink == sink.value, box.c.state == "waiting").group_by(box.c.lane)
        rests = sa.func.max(sa.case((box.c.attempts > 0, box.c.not_before), else_=ALWAYS)) > moment(now)
        due = query.having(~rests, sa.func.min(box.c.not_before) <= moment(now))
        with self._reading() as connection:
            return tuple(connection.execute(due.order_by(sa.func.min(box.c.turn), sa.func.min(box.c.id))).scalars())

    def claim(self, sink: SinkName, lane: str, *, now: datetime) -> Consignment | None:
        box = tables.outbox
        waiting = (box.c.sink == sink.value, box.c.lane == lane, box.c.state == "waiting")
        later = box.c.not_before > moment(now)  # of what was tried the lane rests; what was not lets others go first
        first = sa.select(box).where(*waiting, ~later).order_by(box.c.turn, box.c.id).limit(1)
        rests = sa.select(box.c.id).where(*waiting, later, box.c.attempts > 0).limit(1)
        with self._transaction() as connection:
            row = connection.execute(first.with_for_update()).first()
            if row is None or connection.execute(rests).first() is not None:
                return None
            connection.execute(box.update().where(box.c.id == row.id).values(attempts=row.attempts + 1))
            parcel = self._with_its_apps(connection, codec.load_parcel(row.kind, row.value))
        return _consignment(row, parcel)

    def delivered(self, id: int, *, dispatches: Sequence[Dispatch] = ()) -> None:
        self._settle(id, dispatches, state="delivered", why="")

    def postpone(self, id: int, *, until: datetime, why: str, dispatches: Sequence[Dispatch] = ()) -> None:
        self._settle(id, dispatches, not_before=moment(until), why=why[:2000])

    def undeliverable(self, id: int, *, why: str, dispatches: Sequence[Dispatch] = ()) -> None:
        self._settle(id, dispatches, state="lost", why=why[:2000])

    def lost(self, sink: SinkName) -> tuple[Consignment, ...]:
        box, later = tables.outbox, tables.outbox.alias()
        same = sa.and_(later.c.sink == box.c.sink, later.c.lane == box.c.lane, later.c.id > box.c.id)
        heard_since = sa.exists().where(same, later.c.state == "delivered", ~_only_adds(later))
        query = sa.select(box).where(box.c.sink == sink.value, box.c.state == "lost", ~heard_since)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(box.c.id)).all()
        return tuple(_consignment(row, codec.load_parcel(row.kind, row.value)) for row in rows)

    def send_again(self, id: int, parcel: Parcel) -> None:
        box, (kind, value) = tables.outbox, codec.dump_parcel(parcel)
        anew = {"state": "waiting", "attempts": 0, "not_before": ALWAYS, "why": "", "kind": kind, "value": value}
        with self._transaction() as connection:
            connection.execute(box.update().where(box.c.id == id, box.c.state == "lost").values(**anew))

    def tidy(self, *, before: datetime) -> None:
        box, seen = tables.outbox, tables.seen
        with self._transaction() as connection:
            connection.execute(box.delete().where(box.c.state != "waiting", box.c.created_at < moment(before)))
            connection.execute(seen.delete().where(seen.c.at < moment(before)))
            self._forget_rollouts(connection, before=before)

    def waiting(self, sink: SinkName) -> int:
        box = tables.outbox
        query = sa.select(sa.func.count()).where(box.c.sink == sink.value, box.c.state == "waiting")
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def _settle(self, id: int, dispatches: Sequence[Dispatch], **values: str) -> None:
        with self._transaction() as connection:
            connection.execute(tables.outbox.update().where(tables.outbox.c.id == id).values(**values))
            self._send(connection, dispatches)

    # --- messages and deliveries ------------------------------------------------------------------------------

    def message(self, operation: str) -> MessageRef | None:
        with self._reading() as connection:
            return self._message(connection, operation)

    def inherit(self, operation: str, heir: str, *, about: str) -> MessageRef | None:
        with self._transaction() as connection:
            found = self._message(connection, operation)
            if found is None or found.taken:
                return None
            self._keep_message(connection, heir, found, about)
            connection.execute(tables.taken.insert().values(operation=operation))
            return found

    def save_message(self, operation: str, message: MessageRef, *, about: str) -> None:
        with self._transaction() as connection:
            self._keep_message(connection, operation, message, about)
            connection.execute(tables.taken.delete().where(tables.taken.c.operation == operation))

    def _keep_message(self, connection: sa.Connection, operation: str, message: MessageRef, about: str) -> None:
        place = {"channel": message.channel, "ts": message.ts}
        self._put(connection, tables.messages, operation=operation, **place)
        self._put(connection, tables.subjects, **place, app=about)

    def subject(self, message: MessageRef) -> str:
        table = tables.subjects
        query = sa.select(table.c.app).where(table.c.channel == message.channel, table.c.ts == message.ts)
        with self._reading() as connection:
            return str(connection.execute(query).scalar() or "")

    def first_time(self, key: str, *, at: datetime) -> bool:
        row = {"name": hashlib.sha256(key.encode(errors="replace")).hexdigest(), "at": moment(at)}
        with self._transaction() as connection:
            new = self._insert(tables.seen).values(row).on_conflict_do_nothing().returning(tables.seen.c.name)
            return connection.execute(new).first() is not None  # psycopg counts no rows of such an insert


def _consignment(row: sa.Row[Any], parcel: Parcel) -> Consignment:
    return Consignment(
        id=row.id,
        sink=SinkName(row.sink),
        lane=row.lane,
        parcel=parcel,
        attempts=row.attempts,
        created_at=datetime.fromisoformat(row.created_at),
    )


def _only_adds(box: sa.FromClause) -> sa.ColumnElement[bool]:
    """Match calls about an alert that neither open nor close it: a service takes them where there is none."""
    acts = (PageAct.NOTE, PageAct.ACKNOWLEDGE, PageAct.RAISE)
    return sa.and_(box.c.kind == "page", sa.or_(*(box.c.value.contains(f'"act":"{act.value}"') for act in acts)))


def _inherits(root: str) -> sa.ColumnElement[bool]:
    """Match what takes the place of a root message when it is delivered."""
    return tables.outbox.c.value.contains(f'"inherits":"{root}"', autoescape=True)
