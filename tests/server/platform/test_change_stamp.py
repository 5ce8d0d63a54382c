"""The stamp of a SQLite database changes with every commit, and with nothing that reads."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from novaql.server.platform.state.database import StateDatabase


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def database(path: Path) -> Iterator[StateDatabase]:
    made = StateDatabase(f"sqlite:///{path}")
    with made.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (n INTEGER)")
    yield made
    made.close()


def add(path: Path) -> None:
    with sqlite3.connect(path, timeout=30) as connection:
        connection.execute("INSERT INTO t VALUES (1)")
    connection.close()


def test_it_is_read_from_memory(database: StateDatabase) -> None:
    database.changes.moment()
    assert database._stamp is not None
    assert database._stamp._index is not None


def test_a_commit_of_another_process_changes_it(database: StateDatabase, path: Path) -> None:
    before = database.changes.moment()
    assert database.changes.moment() == before
    program = f"import sqlite3; c = sqlite3.connect({str(path)!r}); " + (
        "c.execute('INSERT INTO t VALUES (1)'); c.commit()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert database.changes.moment() != before


def test_it_changes_whenever_sqlite_says_so(database: StateDatabase, path: Path) -> None:
    """Against SQLite's own word for it, through commits, rollbacks, reads and checkpoints."""
    chance = random.Random(7)
    asked = sqlite3.connect(path)
    others = [sqlite3.connect(path, timeout=30, isolation_level=None) for _ in range(3)]

    def version() -> int:
        return int(asked.execute("PRAGMA data_version").fetchone()[0])

    def add(other: sqlite3.Connection) -> None:
        other.execute("INSERT INTO t VALUES (?)", (chance.random(),))

    def change_and_back(other: sqlite3.Connection) -> None:
        other.execute("BEGIN IMMEDIATE")
        add(other)
        other.execute("ROLLBACK")

    def many(other: sqlite3.Connection) -> None:
        other.execute("BEGIN")
        for _ in range(50):
            add(other)
        other.execute("COMMIT")

    def read(other: sqlite3.Connection) -> None:
        other.execute("SELECT count(*) FROM t").fetchone()

    def checkpoint(other: sqlite3.Connection) -> None:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    steps: tuple[Callable[[sqlite3.Connection], None], ...]
    steps = (add, add, many, change_and_back, read, checkpoint)
    stamp, seen = database.changes.moment(), version()
    changes = 0
    for _ in range(400):
        chance.choice(steps)(chance.choice(others))
        now, told = database.changes.moment(), version()
        if told != seen:
            assert now != stamp
            changes += 1
        stamp, seen = now, told
    for connection in (asked, *others):
        connection.close()
    assert changes > 100


def test_reading_and_rolling_back_leave_it(database: StateDatabase, path: Path) -> None:
    add(path)
    before = database.changes.moment()
    with database.read(None) as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM t").scalar() == 1
    with database.write(None) as session:
        session.connection().exec_driver_sql("INSERT INTO t VALUES (2)")
        session.rollback()
    assert database.changes.moment() == before


def test_without_an_index_sqlite_is_asked(database: StateDatabase, path: Path) -> None:
    database.changes.moment()
    stamp = database._stamp
    assert stamp is not None
    stamp._index = None
    before = database.changes.moment()
    assert database.changes.moment() == before
    add(path)
    assert database.changes.moment() != before
