"""A PostgreSQL server of the tests' own: initdb in a temporary folder, loopback only, gone at the end.

The binaries come from the machine (Debian: `apt-get install postgresql`). PostgreSQL refuses to run as root, so that
root hands it to the user `postgres`, whom the package creates.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from bot.sandbox.connections import ReservedPort

_DEBIAN: Final = Path("/usr/lib/postgresql")


def binaries() -> Path:
    """Return the folder of `initdb` and `pg_ctl`. Raises `FileNotFoundError` with the way to get them."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    if not versions:
        raise FileNotFoundError("no PostgreSQL server on this machine: apt-get install postgresql")
    return versions[-1].parent


class PostgresServer:
    """Start it once, stop it once."""

    def __init__(self) -> None:
        self._bin = binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="gitops-bot-postgres-"))
        self._reserved = ReservedPort()
        self._port = self._reserved.number

    def start(self) -> None:
        if os.getuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        data = self._folder / "data"
        self._run("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync")
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-D", str(data), "-l", str(self._folder / "log"), "-o", options, "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._folder)
        self._reserved.close()

    def new_database(self) -> str:
        """Return the URL of an empty database."""
        name = f"t{secrets.token_hex(6)}"
        engine = sa.create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/{database}"

    def _run(self, program: str, *arguments: str) -> None:
        own = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        done = subprocess.run(
            [*own, str(self._bin / program), *arguments],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')}")
