"""One relational database, SQLite or PostgreSQL: how it is opened, and what every method of the store begins with."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from bot.errors import StateError
from bot.state import tables
from bot.state.address import fault
from bot.state.locks import AdvisoryLocks

_READS: Final = "gitops_bot_reads"  # an execution option
_BUSY_SECONDS: Final = 30  # another process may hold the write lock of SQLite for one transaction
_READERS: Final = 16  # connections of SQLite: one of them writes; more only wait for a processor
_MAKING: Final = threading.Lock()  # nobody in this process uses a new file before its maker has closed it


class Database:
    """A connection to the tables. Safe to use from several threads and processes; raises `StateError`."""

    def __init__(self, url: str, *, lock_folder: Path | None = None) -> None:
        if wrong := fault(url):
            raise StateError(f"state: {wrong}")
        parsed = sa.make_url(url)
        self._shown = parsed.render_as_string(hide_password=True)
        self._is_sqlite = parsed.get_backend_name() == "sqlite"
        self._folder = lock_folder
        self._file: Path | None = None
        if self._is_sqlite:
            self._file = path = Path(parsed.database or "gitops-bot.db")
            self._folder = lock_folder or path.with_name(f"{path.name}.locks")
            self._make_file(path)
        self._writing = threading.Lock() if self._is_sqlite else nullcontext()
        self._engine = self._connected(parsed)
        self._locks = AdvisoryLocks(self._engine)  # of PostgreSQL; those of SQLite are files
        self._questions: dict[tuple[sa.Table, ...], str] = {}  # building one costs as much as asking it
        self._reader = self._engine.execution_options(**{_READS: True})
        self._prepare()
        self._opened = self._on_disk()

    def _make_file(self, path: Path) -> None:
        """Make a file that its owner alone may read, where there is none.

        One that is there is never opened here: SQLite holds POSIX locks, which all go when the process closes any
        descriptor of the file. Another process would then take itself for the last one, and delete the log of writes.
        """
        path = path.resolve()  # O_EXCL does not follow a link
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _MAKING, suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise StateError(f"state: {path} cannot be opened: {error.strerror}; make its folder writable") from error

    def _connected(self, url: sa.URL) -> sa.Engine:
        if not self._is_sqlite:
            return sa.create_engine(url, pool_pre_ping=True, pool_size=20, max_overflow=20)  # of a server's 100
        engine = sa.create_engine(
            url,
            connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
            pool_size=_READERS,
            max_overflow=0,
        )

        @sa.event.listens_for(engine, "connect")
        def configure(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}").close()

        @sa.event.listens_for(engine, "begin")
        def begin(connection: sa.Connection) -> None:
            if not connection.get_execution_options().get(_READS):
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # a reader that turns writer would fail instead of wait

        return engine

    def _prepare(self) -> None:
        with self._transaction() as connection:
            if not self._is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(7_266_117)))  # two bots that start at once
            tables.metadata.create_all(connection)
            columns = {column["name"] for column in sa.inspect(connection).get_columns("outbox")}
            for name, kind in (("turn", "INTEGER NOT NULL DEFAULT 1"), ("rollout", "VARCHAR(64) NOT NULL DEFAULT ''")):
                if name not in columns:
                    connection.execute(sa.text(f"ALTER TABLE outbox ADD COLUMN {name} {kind}"))
            found = connection.execute(sa.select(tables.about.c.value).where(tables.about.c.name == "version")).scalar()
            if found is None:
                connection.execute(
                    tables.about.insert(),
                    [
                        {"name": "version", "value": str(tables.VERSION)},
                        {"name": "key", "value": secrets.token_hex(32)},
                        {"name": "began_at", "value": moment(datetime.now(tz=UTC))},
                    ],
                )
            elif int(found) > tables.VERSION:
                raise StateError(f"state: {self._shown} was written by a newer version of gitops-bot")
            key = connection.execute(sa.select(tables.about.c.value).where(tables.about.c.name == "key")).scalar_one()
            self._key = bytes.fromhex(key)

    def _on_disk(self) -> tuple[int, bool] | None:
        """Return which file has the name of ours, and whether it has a log of writes beside it."""
        if self._file is None:
            return None
        number = self._file.stat().st_ino if self._file.exists() else 0
        return number, self._file.with_name(f"{self._file.name}-wal").exists()

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        """Return what one question is asked in, and nothing is written: it waits for no writer."""
        return self._begun(self._reader)

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """Begin what writes. SQLite has one writer: the others wait here, and hold no connection that readers need.

        Waiting in SQLite is a sleep of up to a tenth of a second, and those that came last often go first.
        """
        with self._writing, self._begun(self._engine) as connection:
            yield connection

    @contextmanager
    def _begun(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StateError:
        said = getattr(error, "orig", None) if isinstance(error, sa.exc.SQLAlchemyError) else error
        reason = str(said or type(error).__name__).splitlines()[0]
        return StateError(f"state: {self._shown} cannot be used: {reason}")

    def _values(self, app: str, *from_tables: sa.Table) -> tuple[str, ...]:
        """Return the value of an app's row in each of these tables, "" where it has none.

        Each pass asks this, so that the driver itself is asked: SQLAlchemy's way there and back costs five times as
        much as the answer.
        """
        dialect = self._engine.dialect
        query = self._questions.get(from_tables)
        if query is None:
            query = self._questions[from_tables] = str(_values_of(from_tables).compile(dialect=dialect))
        try:
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(query, (app,) * len(from_tables) if dialect.positional else {"app": app})
                ((*found,),) = cursor.fetchall()
            finally:
                connection.close()  # it goes back to the pool, which ends the transaction
        except (sa.exc.SQLAlchemyError, dialect.loaded_dbapi.Error) as error:
            raise self._unusable(error) from error
        return tuple(one or "" for one in found)

    def close(self) -> None:
        self._locks.close()
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


def _values_of(from_tables: tuple[sa.Table, ...]) -> sa.Select[Any]:
    app: sa.BindParameter[str] = sa.bindparam("app")
    return sa.select(*[sa.select(one.c.value).where(one.c.app == app).scalar_subquery() for one in from_tables])


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
