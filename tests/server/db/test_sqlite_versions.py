"""Versions of rows are those of the last commit, whichever process made it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaql.server.db.row_versions import ALL_TENANTS, TOTAL
from novaql.server.db.sqlite_versions import SqliteVersions
from novaql.server.db.wal_index import WalIndex

CHANGE = (
    "INSERT INTO row_versions VALUES (?, ?, 1)"
    " ON CONFLICT (tenant_id, name) DO UPDATE SET version = version + 1"
)


def made(path: Path, mode: str = "wal") -> sqlite3.Connection:
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute(f"PRAGMA journal_mode = {mode}")
    writer.execute(
        "CREATE TABLE row_versions (tenant_id TEXT, name TEXT, version INTEGER,"
        " PRIMARY KEY (tenant_id, name))"
    )
    return writer


def change(writer: sqlite3.Connection, tenant: str, table: str) -> None:
    writer.execute("BEGIN IMMEDIATE")
    writer.execute(CHANGE, (tenant, TOTAL))
    writer.execute(CHANGE, (tenant, table))
    writer.execute("COMMIT")


@pytest.fixture
def versions() -> Iterator[SqliteVersions]:
    found = SqliteVersions()
    yield found
    found.forget()
    found.close()


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_each_commit_is_seen_and_none_before_it(
    tmp_path: Path, versions: SqliteVersions, mode: str
) -> None:
    path = tmp_path / "state.db"
    writer = made(path, mode)
    for number in range(1, 200):
        change(writer, "ten_1", "users" if number % 2 else "tokens")
        found = versions.of(str(path), "ten_1")
        assert found is not None
        assert found.total == number
        assert found.tables["users"] == (number + 1) // 2
    change(writer, ALL_TENANTS, "users")
    found = versions.of(str(path), "ten_1")
    assert found is not None
    assert (found.total, found.tables["users"]) == (200, 101)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute(CHANGE, ("ten_1", TOTAL))
    assert versions.of(str(path), "ten_1") == found
    writer.execute("ROLLBACK")
    assert versions.of(str(path), "ten_1") == found


def test_a_checkpoint_and_a_log_that_begins_again_hide_no_commit(
    tmp_path: Path, versions: SqliteVersions
) -> None:
    path = tmp_path / "state.db"
    writer = made(path)
    for number in range(1, 60):
        change(writer, "ten_1", "users")
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        found = versions.of(str(path), "ten_1")
        assert found is not None
        assert found.total == number


def test_a_commit_of_another_process_is_seen(tmp_path: Path, versions: SqliteVersions) -> None:
    path = tmp_path / "state.db"
    writer = made(path)
    change(writer, "ten_1", "users")
    before = versions.of(str(path), "ten_1")
    code = (
        "import sqlite3, sys\n"
        "writer = sqlite3.connect(sys.argv[1])\n"
        'writer.execute("UPDATE row_versions SET version = version + 1")\n'
        "writer.commit()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    after = versions.of(str(path), "ten_1")
    assert before is not None
    assert after is not None
    assert after.total == before.total + 1


def test_without_a_commit_sqlite_is_not_called(tmp_path: Path, versions: SqliteVersions) -> None:
    path = tmp_path / "state.db"
    writer = made(path)
    change(writer, "ten_1", "users")
    first = versions.of(str(path), "ten_1")
    statements: list[str] = []
    assert versions._open is not None
    connection, _ = versions._open
    connection.set_trace_callback(statements.append)
    assert versions.of(str(path), "ten_1") == first
    assert statements == []
    change(writer, "ten_1", "users")
    assert versions.of(str(path), "ten_1") != first
    assert statements != []


def test_an_index_of_an_unknown_version_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "state.db-shm").write_bytes(b"\x01" * 32768)
    index = WalIndex(tmp_path / "state.db")
    assert index.stamp() is None
    index.close()
    missing = WalIndex(tmp_path / "other.db")
    assert missing.stamp() is None
    missing.close()
    (tmp_path / "short.db-shm").write_bytes(b"")
    short = WalIndex(tmp_path / "short.db")
    assert short.stamp() is None
    short.close()
