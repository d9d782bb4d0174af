"""The rows of one commit and many apps: while they wait, untried, they become one row that speaks for all of them.

It happens where rows are written, in the same transaction, so that a crash, a restart or a redelivery neither loses nor
doubles anything. What was tried or posted stays as it is. The row knows no apps: it is filled in when it is claimed.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import sqlalchemy as sa

from bot.model import rollout
from bot.model.announcement import ROLLOUT, Announcement, AppLine, News, Parcel
from bot.model.record import Dispatch, SinkName, Turn
from bot.ports.state import MessageRef
from bot.state import codec, tables
from bot.state.database import Database, moment

ALWAYS = ""  # before every time


class Rollouts(Database):
    """The part of the outbox that tells good news of many apps at once."""

    def _is_told_with_others(self, connection: sa.Connection, one: Dispatch, waiting: sa.ColumnElement[bool]) -> bool:
        """Enter what is said of an app into the message about many; tell whether that says it instead."""
        news = one.parcel
        if not isinstance(news, Announcement):
            return False
        if news.news is News.DELETED:
            self._leaves(connection, f"{news.cluster}/{news.app}", news.news.value, news.at)
        table, root = tables.rollouts, rollout.root_of(news)
        known = connection.execute(sa.select(table).where(table.c.operation == news.root_key)).all()
        if news.in_thread:  # what changes stands in no thread of an app that has no message
            return bool(known) and news.news is News.DIFF and not self._stands(connection, news, waiting)
        for row in known:
            self._note(connection, one, news, row.root, row)
        if not root:
            failed = "" if known else rollout.counted_in(news)
            if failed and self._is_open(connection, failed, news, waiting):
                self._note(connection, one, news, failed, None)
            return False
        if not self._is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(7_266_119)))  # two that are one too many
        if any(row.root == root for row in known):
            return not self._stands(connection, news, waiting)
        if self._is_open(connection, root, news, waiting):
            self._note(connection, one, news, root, None)
            return not self._stands(connection, news, waiting)
        return self._opens(connection, one, news, root, waiting)

    def _stands(self, connection: sa.Connection, news: Announcement, waiting: sa.ColumnElement[bool]) -> bool:
        """Tell whether the app has a root message of its own, or one that waits.

        What waits is looked for first: it is a message before it is delivered, which PostgreSQL lets happen meanwhile.
        """
        own = sa.select(tables.outbox.c.id).where(waiting, tables.outbox.c.collapse == news.root_key)
        waits = connection.execute(own.limit(1)).first() is not None
        return waits or self._message(connection, news.root_key) is not None

    def _is_open(
        self, connection: sa.Connection, root: str, news: Announcement, waiting: sa.ColumnElement[bool]
    ) -> bool:
        """Tell whether apps may join still: one began or ended lately, or the message has not been read yet."""
        table, box = tables.rollouts, tables.outbox
        last = connection.execute(sa.select(sa.func.max(table.c.at)).where(table.c.root == root)).scalar()
        if last is None or last >= moment(news.at - rollout.OPEN_FOR):
            return last is not None
        return (
            connection.execute(sa.select(box.c.id).where(waiting, box.c.collapse == root).limit(1)).first() is not None
        )

    def _opens(
        self,
        connection: sa.Connection,
        one: Dispatch,
        news: Announcement,
        root: str,
        waiting: sa.ColumnElement[bool],
    ) -> bool:
        """Begin a message about many when this app is one too many to be told of alone."""
        box, messages = tables.outbox, tables.messages
        alike = sa.and_(waiting, box.c.rollout == root, box.c.attempts == 0)
        waits = set(connection.execute(sa.select(box.c.collapse).where(alike).distinct()).scalars())
        if len(waits | {news.root_key}) <= rollout.FEW:
            return False
        other = sa.select(box.c.collapse).where(waiting, sa.or_(box.c.rollout != root, box.c.attempts > 0))
        posted = sa.select(messages.c.operation).where(messages.c.operation.in_([*waits, news.root_key]))
        told = {*connection.execute(other.distinct()).scalars(), *connection.execute(posted).scalars()}
        waits -= told
        if news.root_key in told or len(waits | {news.root_key}) <= rollout.FEW:
            return False
        self._forget(connection, root)
        self._put(connection, tables.roots, operation=root, value=codec.dump(rollout.opening(news, root)))
        taken = sa.select(box).where(alike, box.c.collapse.in_(waits)).order_by(box.c.id).with_for_update()
        rows = connection.execute(taken).all()
        said = [codec.load(Announcement, row.value) for row in rows]
        for operation in {news.operation for news in said}:  # what changes stands in no thread: there is none
            below = sa.and_(box.c.collapse == "", box.c.parcel_id.startswith(f"{operation}:diff:", autoescape=True))
            connection.execute(box.delete().where(waiting, below, box.c.attempts == 0))
        connection.execute(box.delete().where(box.c.id.in_([row.id for row in rows])))
        self._place(connection, one.lane, root, news.at, id=rows[0].id)
        for before in (*self._failing(connection, news, root), *said, news):
            self._note(connection, one, before, root, None)
        return True

    def _failing(self, connection: sa.Connection, news: Announcement, root: str) -> tuple[Announcement, ...]:
        """Return what was said of the apps that fail at the commit already."""
        assert news.revision is not None  # what may be told of many is about a commit
        text = tables.roots.c.value
        found = sa.select(text).where(text.contains(f'"commit":"{news.revision.commit}"', autoescape=True))
        said = [codec.load(Announcement, one) for one in connection.execute(found).scalars()]
        return tuple(one for one in said if rollout.counted_in(one) == root)

    def _note(
        self,
        connection: sa.Connection,
        one: Dispatch,
        news: Announcement,
        root: str,
        known: sa.Row[tuple[str, ...]] | None,
    ) -> None:
        """Note how an app stands; the message is to say it when that is something else than before."""
        line, at = rollout.line_of(news, root), moment(news.at)
        if known is not None and not rollout.is_news(line, codec.load(AppLine, known.value)):
            return
        values = {"operation": news.root_key, "at": at, "value": codec.dump(line)}
        began = known.began_at if known is not None else moment(news.started_at or news.at)
        self._put(connection, tables.rollouts, root=root, app=line.key, began_at=began, **values)
        self._place(connection, one.lane, root, news.at)

    def _leaves(self, connection: sa.Connection, app: str, how: str, at: datetime) -> None:
        """Let messages say that an app is there no more, which they follow still."""
        table = tables.rollouts
        for row in connection.execute(sa.select(table).where(table.c.app == app)).all():
            line = rollout.left(codec.load(AppLine, row.value), how)
            if line is not None:
                mine = sa.and_(table.c.root == row.root, table.c.app == app)
                connection.execute(table.update().where(mine).values(at=moment(at), value=codec.dump(line)))
                text = sa.select(tables.roots.c.value).where(tables.roots.c.operation == row.root)
                said = codec.load(Announcement, connection.execute(text).scalar_one())
                self._place(connection, said.channel, row.root, at)

    def released(self, apps: Collection[str], *, at: datetime) -> None:
        table = tables.rollouts
        on_its_way = table.c.value.contains(f'"how":"{News.SYNCING.value}"', autoescape=True)
        with self._transaction() as connection:
            for app in connection.execute(sa.select(table.c.app).where(on_its_way).distinct()).scalars().all():
                if app not in apps:
                    self._leaves(connection, app, "released", at)

    def rollouts(self, *, since: datetime) -> tuple[rollout.Rollout, ...]:
        table, roots = tables.rollouts, tables.roots
        lively = sa.select(table.c.root).group_by(table.c.root).having(sa.func.max(table.c.at) >= moment(since))
        # What an older version wrote has no such key, and waits for nobody.
        waits = sa.or_(*(roots.c.value.contains(f'"awaited":{one}', autoescape=True) for one in ("null", '["')))
        of_many = roots.c.operation.startswith(ROLLOUT, autoescape=True)
        query = sa.select(roots).where(of_many, sa.or_(waits, roots.c.operation.in_(lively)))
        with self._reading() as connection:
            said = {row.operation: codec.load(Announcement, row.value) for row in connection.execute(query)}
            lines = sa.select(table.c.root, table.c.app, table.c.at).where(table.c.root.in_(said))
            rows = connection.execute(lines).all() if said else []
        apps: dict[str, dict[str, str]] = {root: {} for root in said}
        for row in rows:
            apps[row.root][row.app] = row.at
        return tuple(
            rollout.Rollout(
                root=root,
                commit=news.revision.commit if news.revision is not None else "",
                channel=news.channel,
                apps=frozenset(apps[root]),
                awaited=news.awaited,
                last_at=datetime.fromisoformat(max(apps[root].values())) if apps[root] else news.at,
            )
            for root, news in said.items()
        )

    def awaits(self, root: str, awaited: Sequence[str], *, at: datetime) -> None:
        roots = tables.roots
        with self._transaction() as connection:
            mine = sa.select(roots.c.value).where(roots.c.operation == root)
            text = connection.execute(mine.with_for_update()).scalar()
            if text is not None:
                said = replace(codec.load(Announcement, text), awaited=tuple(awaited))
                self._put(connection, roots, operation=root, value=codec.dump(said))
                self._place(connection, said.channel, root, at)

    def _place(self, connection: sa.Connection, lane: str, root: str, at: datetime, **place: int) -> None:
        """Let the message be posted at once, or edited soon; one that waits for that says it."""
        box = tables.outbox
        mine = sa.select(box.c.attempts).where(
            box.c.sink == SinkName.SLACK.value, box.c.lane == lane, box.c.state == "waiting", box.c.collapse == root
        )
        tries = connection.execute(mine).scalars().all()
        if 0 in tries:
            return
        begun = bool(tries) or self._message(connection, root) is not None
        text = connection.execute(sa.select(tables.roots.c.value).where(tables.roots.c.operation == root)).scalar_one()
        parcel = replace(codec.load(Announcement, text), id=f"{root}:{secrets.token_hex(6)}")
        row = Dispatch(sink=SinkName.SLACK, lane=lane, parcel=parcel, turn=Turn.NEXT, collapse=root)
        not_before = moment(at + rollout.EDITED_EVERY) if begun else ALWAYS
        self._put_into(connection, row, not_before=not_before, **place)

    def _put_into(self, connection: sa.Connection, one: Dispatch, **place: int | str) -> None:
        """Write a row, in a place of its own or in one that is free; one with the same parcel was written before."""
        kind, value = codec.dump_parcel(one.parcel)
        row = {
            "turn": one.turn.value,
            "rollout": rollout.root_of(one.parcel) if isinstance(one.parcel, Announcement) else "",
            "parcel_id": one.parcel.id,
            "sink": one.sink.value,
            "lane": one.lane,
            "collapse": one.collapse,
            "kind": kind,
            "value": value,
            "state": "waiting",
            "attempts": 0,
            "not_before": ALWAYS,
            "created_at": moment(datetime.now(tz=UTC)),
            "why": "",
        }
        connection.execute(self._insert(tables.outbox).values(row | place).on_conflict_do_nothing())

    def _with_its_apps(self, connection: sa.Connection, parcel: Parcel) -> Parcel:
        """Return a parcel as it is delivered: the message about many apps with all of them as they are by now."""
        if not isinstance(parcel, Announcement) or not parcel.is_rollout:
            return parcel
        table = tables.rollouts
        query = sa.select(table).where(table.c.root == parcel.operation).order_by(table.c.app)
        rows = connection.execute(query).all()
        text = connection.execute(sa.select(tables.roots.c.value).where(tables.roots.c.operation == parcel.operation))
        if (now := text.scalar()) is not None:  # since the row was written, apps may have been asked
            parcel = replace(parcel, awaited=codec.load(Announcement, now).awaited)
        lines = self._with_messages(connection, [codec.load(AppLine, row.value) for row in rows])
        began, last = min(row.began_at for row in rows), max(row.at for row in rows)
        times = {"began_at": datetime.fromisoformat(began), "at": datetime.fromisoformat(last)}
        return rollout.filled(parcel, lines, **times)

    def _with_messages(self, connection: sa.Connection, lines: Sequence[AppLine]) -> list[AppLine]:
        """Return apps with the root message that says more of those that need a look: their own, or one of many."""
        posted, roots = sa.select(tables.messages.c.operation), tables.roots
        told = {line.root for line in lines if rollout.needs_a_look(line)}
        own = posted.where(tables.messages.c.operation.in_(told))
        found = {root: root for root in connection.execute(own).scalars()} if told else {}
        if told - found.keys():
            of_many = sa.select(roots.c.value).where(roots.c.value.contains('"apps":[{'), roots.c.operation.in_(posted))
            folds = [codec.load(Announcement, text) for text in connection.execute(of_many).scalars()]
            by_app = {one.key: fold.root_key for fold in folds for one in fold.apps if not one.how}
            found = {line.root: by_app[line.key] for line in lines if line.root in told and line.key in by_app} | found
        return [replace(line, root=found.get(line.root, "")) for line in lines]

    def _forget(self, connection: sa.Connection, root: str) -> None:
        """Let what is told of the commit from now on be another message: the one there was is read no more."""
        connection.execute(tables.rollouts.delete().where(tables.rollouts.c.root == root))
        connection.execute(tables.messages.delete().where(tables.messages.c.operation == root))
        connection.execute(tables.roots.delete().where(tables.roots.c.operation == root))

    def _forget_rollouts(self, connection: sa.Connection, *, before: datetime) -> None:
        table, box = tables.rollouts, tables.outbox
        waits = sa.select(box.c.collapse).where(box.c.state == "waiting")
        last = sa.select(table.c.root).where(table.c.root.not_in(waits)).group_by(table.c.root)
        for root in connection.execute(last.having(sa.func.max(table.c.at) < moment(before))).scalars().all():
            self._forget(connection, root)

    def _message(self, connection: sa.Connection, operation: str) -> MessageRef | None:
        box, taken = tables.messages, tables.taken
        query = sa.select(box, taken.c.operation.is_not(None).label("taken")).where(box.c.operation == operation)
        row = connection.execute(query.join(taken, taken.c.operation == box.c.operation, isouter=True)).first()
        return MessageRef(channel=row.channel, ts=row.ts, taken=bool(row.taken)) if row is not None else None
