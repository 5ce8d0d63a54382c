"""Databases for tests: a SQLite file, and a PostgreSQL server that is started once for all
tests."""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from novaql.server.db.engine import StateDatabase
from novaql.server.db.migrate import migrate
from tests.support.servers.http_server import fresh_state

KINDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.slow))
"""Parameters of tests that run over both: the default run has SQLite only."""
_numbers = itertools.count(1)


@contextmanager
def state_database(kind: str, folder: Path) -> Iterator[StateDatabase]:
    """A fresh, migrated database of a kind."""
    database = fresh_state(folder) if kind == "sqlite" else StateDatabase(postgresql_url())
    try:
        yield database
    finally:
        database.close()
        if kind == "postgresql":
            _drop(database.url.database)


def another(database: StateDatabase) -> StateDatabase:
    """A second connection to the same database, like that of another process."""
    return StateDatabase(database.url, durable=False)


def postgresql_url() -> str:
    """A separate database, copied from a migrated one."""
    folder = postgresql()
    name = f"novaql_{next(_numbers)}"
    with psycopg.connect(f"host={folder} user=novaql dbname=postgres", autocommit=True) as admin:
        # By default, each page of the template is written to the log: 2.4 times the CPU time.
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template_novaql STRATEGY file_copy')
    return f"postgresql://novaql@/{name}?host={folder}"


def _drop(name: str | None) -> None:
    """Removes a database: about 10 MB each, hundreds in a run of all tests."""
    with psycopg.connect(
        f"host={postgresql()} user=novaql dbname=postgres", autocommit=True
    ) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@functools.cache
def postgresql() -> str:
    """The directory of the socket of a running PostgreSQL; skips the test where there is none."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("there is no PostgreSQL; install Debian's package `postgresql`")
    binaries = programs[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="novaql-pg-"))
    owner = None
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        owner = "postgres"
        account = pwd.getpwnam(owner)
        os.chown(folder, account.pw_uid, account.pw_gid)
    environ = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}

    def run(*command: str) -> None:
        subprocess.run(
            command, user=owner, env=environ, cwd=folder, check=True, capture_output=True
        )

    run(
        *(str(binaries / "initdb"), "-D", "data", "-U", "novaql", "-A", "trust"),
        *("--no-sync", "-E", "UTF8"),
    )
    server = subprocess.Popen(
        [
            *(str(binaries / "postgres"), "-D", "data", "-k", str(folder)),
            *("-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"),
            # Shared memory consists of files below `data`, so a killed server leaves none in
            # /dev/shm.
            *("-c", "dynamic_shared_memory_type=mmap"),
        ],
        user=owner,
        env=environ,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def stop() -> None:
        # Immediate shutdown: xdist kills a worker that takes ten seconds to end, and a checkpoint
        # of data that is about to be removed may take longer.
        server.send_signal(signal.SIGQUIT)
        try:
            server.wait(timeout=5)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    _wait(str(folder))
    with psycopg.connect(f"host={folder} user=novaql dbname=postgres", autocommit=True) as admin:
        admin.execute("CREATE DATABASE template_novaql")
    template = StateDatabase(f"postgresql://novaql@/template_novaql?host={folder}")
    migrate(template)
    template.close()
    return str(folder)


def _wait(folder: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(f"host={folder} user=novaql dbname=postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
