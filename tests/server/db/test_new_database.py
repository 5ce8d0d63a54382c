"""The tables of a new database come from a file, which has what the migrations create."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy import event

from novaql.server.db import migrate as migrations
from novaql.server.db.engine import StateDatabase
from novaql.server.db.migrate import latest, migrate, upgrade
from novaql.server.db.new_database import FILE, create_tables, script_of, statements_of
from novaql.server.db.revise import new_database


@pytest.fixture
def database(tmp_path: Path) -> StateDatabase:
    return StateDatabase(f"sqlite:///{tmp_path}/state.db")


@pytest.mark.slow
def test_the_file_has_what_migrations_create() -> None:
    assert FILE.read_text("utf-8") == new_database(), "run python -m novaql.server.db.revise"


def test_a_new_database_needs_no_alembic(
    database: StateDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "upgrade", None)
    monkeypatch.setitem(sys.modules, "alembic", None)
    migrate(database)
    with database.engine.connect() as connection:
        assert script_of(connection) == FILE.read_text("utf-8")
    database.close()


def test_a_file_of_other_revisions_is_not_used(database: StateDatabase) -> None:
    with database.engine.begin() as connection:
        assert not create_tables(connection, {*latest(), "later_0001"})
        assert not create_tables(connection, latest() - {max(latest())})
        assert create_tables(connection, latest())
    database.close()


def test_a_start_that_fails_halfway_creates_nothing(database: StateDatabase) -> None:
    def fail(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if "'slo_" in statement:
            raise OSError("the disk is full")

    event.listen(database.engine, "before_cursor_execute", fail)
    with pytest.raises(OSError, match="full"):
        migrate(database)
    event.remove(database.engine, "before_cursor_execute", fail)

    with database.engine.connect() as connection:
        assert statements_of(connection) == []
    migrate(database)
    with database.engine.connect() as connection:
        assert script_of(connection) == FILE.read_text("utf-8")
    database.close()


@pytest.mark.slow
def test_a_database_with_tables_is_migrated(database: StateDatabase) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE of_another_program (x)")
        assert not create_tables(connection, latest())
        upgrade(connection, set())
    migrate(database)
    with database.engine.connect() as connection:
        assert "of_another_program" in script_of(connection)
        assert "CREATE TABLE incidents" in script_of(connection)
    database.close()
