"""The tables that a unit of work uses, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from novaql.server.db.engine import StateDatabase, tables_used
from novaql.server.db.row_versions import TOTAL
from novaql.server.db.rows import Tenant
from novaql.server.db.tables import Token, User
from novaql.server.scim.tables import ScimGroup
from tests.support.servers.http_server import local_server


@pytest.fixture
def database() -> Iterator[StateDatabase]:
    with local_server() as server:
        yield server.context.database


def changed(database: StateDatabase, work: object) -> set[str]:
    with database.write(None) as session:
        assert callable(work)
        work(session)
        session.flush()
        return set(tables_used(session).changed)


def test_reads_of_joins_and_subqueries_are_seen(database: StateDatabase) -> None:
    with database.read(None) as session:
        session.execute(
            select(User).where(exists().where(Token.owner_id == User.id))
        ).scalars().all()
        assert {"users", "tokens"} <= tables_used(session).read
        assert "tenants" not in tables_used(session).read
    with database.read(None) as session:
        session.execute(select(Tenant)).all()
        assert tables_used(session).read == {"tenants"}


def test_changes_are_seen_by_table(database: StateDatabase) -> None:
    def rename(session: Session) -> None:
        session.execute(update(User).values(name="n"))

    def flush(session: Session) -> None:
        session.execute(select(Tenant)).scalars().one().name = "renamed"

    assert changed(database, rename) == {"users"}
    assert changed(database, flush) == {"tenants"}
    assert changed(database, lambda session: session.execute(select(User)).all()) == set()


def test_a_delete_changes_what_the_database_deletes_with_it(database: StateDatabase) -> None:
    found = changed(database, lambda session: session.execute(delete(ScimGroup)))
    assert found == {"scim_groups", "scim_members"}


def test_only_changed_tables_get_a_new_version() -> None:
    with local_server() as server:
        database, tenant = (
            server.context.database,
            server.context.access.default_principal.tenant_id,
        )
        before = database.versions_of(tenant)
        with database.write(None) as session:
            session.execute(update(User).values(name="another"))
        after = database.versions_of(tenant)
        assert before is not None
        assert after is not None
        assert TOTAL not in after.tables
        assert {n for n in after.tables if after.tables[n] != before.tables.get(n)} == {"users"}
        with database.write(None) as session:
            session.execute(update(User).where(User.id == "none").values(name="another"))
        assert database.versions_of(tenant) == after
