"""Which tables statements read and change, as it is noted of a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from novaql.server.platform.clock import SteppedClock
from novaql.server.platform.state.database import StateDatabase
from novaql.server.platform.state.rows import Base, Tenant
from novaql.server.platform.state.tables_used import (
    EVERYTHING,
    changed_by,
    tables_changed,
    tables_read,
    words_of,
)
from novaql.server.platform.tables import Token, User
from novaql.server.scim.tables import ScimGroup, ScimMember
from tests.support.http_server import local_server
from tests.support.state_databases import state_database

BEGIN = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[StateDatabase]:
    with state_database("sqlite", tmp_path) as made:
        yield made


def names(words: set[str]) -> set[str]:
    return words & set(Base.metadata.tables)


def test_reads_of_a_block_are_noted_with_joins_and_subselects(database: StateDatabase) -> None:
    with tables_read() as read, database.read(None) as session:
        session.execute(select(Token).join(User, User.id == Token.owner_id)).all()
        assert names(read) >= {"tokens", "users"}
        assert "tenants" not in names(read)
        inside = select(Tenant.id).where(Tenant.name == "acme")
        session.execute(select(User.id).where(User.tenant_id.in_(inside))).all()
    assert "tenants" in names(read)
    with database.read(None) as session:
        session.execute(select(ScimGroup)).all()
    assert "scim_groups" not in read


def test_blocks_inside_of_others_count_for_both(database: StateDatabase) -> None:
    with tables_read() as outer:
        with tables_read() as inner, database.read(None) as session:
            session.execute(select(User.id)).all()
        assert "users" in inner
    assert "users" in outer


def test_other_threads_read_for_themselves(database: StateDatabase) -> None:
    def other() -> None:
        with database.read(None) as session:
            session.execute(select(User.id)).all()

    with tables_read() as read:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert not read


def test_what_a_unit_changes_is_noted(database: StateDatabase) -> None:
    with (
        database.engine.begin() as connection,
        Session(connection) as session,
        tables_changed() as of,
    ):
        session.execute(update(User).values(name="x"))
        session.execute(select(Token)).all()
        with session.begin_nested():
            session.execute(delete(Token))
        assert of == {"users", "tokens"}
        session.execute(delete(ScimGroup))
    assert of == {"users", "tokens", "scim_groups", ScimMember.__tablename__}


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ('INSERT OR REPLACE INTO "users" (id) VALUES (?) ON CONFLICT (id) DO NOTHING', {"users"}),
        ("with old as (select id from tokens) delete from users", {"tokens", "users"}),
        ("SAVEPOINT sa_1", set()),
        ("PRAGMA foreign_keys", set()),
        ("VACUUM", {EVERYTHING}),
    ],
)
def test_statements(statement: str, tables: set[str]) -> None:
    assert changed_by(statement) >= tables
    assert (changed_by(statement) == frozenset()) == (not tables)
    assert words_of('SELECT a.b FROM "x" AS a JOIN y') >= {"x", "y"}


def test_what_a_list_is_kept_of_goes_with_its_tables_alone() -> None:
    with local_server(clock=SteppedClock(BEGIN)) as server:
        server.bearer()
        database = server.context.database
        changes = database.changes
        moment = changes.moment()
        assert moment is not None
        with tables_read() as read, database.read(None) as session:
            session.execute(select(User)).all()
        with database.write(None) as session:
            session.execute(update(Token).values(name="other"))
        assert changes.moment() != moment
        assert changes.unchanged_since(moment, read)
        with database.write(None) as session:
            session.execute(update(User).values(name="other"))
        assert not changes.unchanged_since(moment, read)
