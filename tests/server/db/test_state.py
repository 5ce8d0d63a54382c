"""Tables as migrations make them, units of work, and sessions that cannot leave their tenant."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Executable, Select, bindparam, delete, func, insert, select, text, update
from sqlalchemy.orm import aliased

from novaql.server.auth.bootstrap import add_admin, add_tenant, ensure_first_tenant
from novaql.server.clock import SystemClock
from novaql.server.db.engine import StateDatabase
from novaql.server.db.migrate import NewerDatabase, load_tables, migrate
from novaql.server.db.rows import Base, Tenant
from novaql.server.db.tables import Token, User
from novaql.server.db.tenant_scope import OutOfScope, Prepared
from novaql.server.errors import Unavailable
from tests.support.servers.state_databases import another, postgresql, postgresql_url

CLOCK = SystemClock()


@pytest.fixture
def tenants(database: StateDatabase) -> tuple[str, str]:
    """Two tenants with an administrator each."""
    first = ensure_first_tenant(database, CLOCK).id
    second = add_tenant(database, CLOCK, "other").id
    for tenant in (first, second):
        add_admin(database, CLOCK, tenant, email="ada@example.com")
    return first, second


def test_migrations_make_the_tables_of_the_code(database: StateDatabase) -> None:
    load_tables()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        differences = compare_metadata(context, Base.metadata)

    assert differences == []


def test_migrating_again_changes_nothing_and_a_newer_database_is_refused(
    database: StateDatabase,
) -> None:
    migrate(database)
    with database.engine.begin() as connection:
        connection.execute(text("INSERT INTO alembic_version VALUES ('future_0001')"))

    with pytest.raises(NewerDatabase, match="future_0001"):
        migrate(database)


def test_a_session_sees_its_tenant_only(database: StateDatabase, tenants: tuple[str, str]) -> None:
    first, second = tenants
    other = aliased(User)
    joined = select(User.tenant_id).join(Token, Token.owner_id == User.id)
    with database.read(second) as session:
        foreign = session.execute(select(User)).scalar_one().id
    with database.write(first) as session:
        seen = [
            session.execute(select(User.tenant_id)).scalars().all(),
            session.execute(select(other.tenant_id)).scalars().all(),
            [session.execute(select(func.count()).select_from(User)).scalar_one()],
            session.execute(joined).scalars().all(),
        ]
        assert session.get(User, foreign) is None
        session.execute(update(User).values(name="changed"))
        session.execute(delete(Token))
    with database.read(second) as session:
        user = session.execute(select(User)).scalar_one()
        tokens = session.execute(select(func.count()).select_from(Token)).scalar_one()

    assert seen == [[first], [first], [1], [first]]
    assert user.name == "ada"
    assert tokens == 1


def test_what_the_filter_cannot_reach_is_refused(
    database: StateDatabase, tenants: tuple[str, str]
) -> None:
    first, second = tenants
    statements: list[Executable] = [
        text("SELECT * FROM users"),
        select(User.__table__),
        select(Tenant),
        insert(User).values(id="usr_x", tenant_id=second),
    ]
    for statement in statements:
        with pytest.raises(OutOfScope), database.write(first) as session:
            session.execute(statement)
    with database.read(second) as session:
        stolen = session.execute(select(User)).scalar_one()
    stolen.name = "mine"
    stranger = Tenant(id="ten_x", name="x", store="", created_at=CLOCK.now(), settings={})
    for row in (stranger, stolen):
        with pytest.raises(OutOfScope), database.write(first) as session:
            session.add(row)


def test_a_prepared_statement_sees_the_tenant_of_its_session_only(
    database: StateDatabase, tenants: tuple[str, str]
) -> None:
    every = Prepared(select(User))
    some = Prepared(select(User.id).where(User.id.in_(bindparam("ids", expanding=True))))
    with database.read(None) as session:
        ids = list(session.execute(select(User.id)).scalars())
        with pytest.raises(OutOfScope):
            every.run(session)
    assert len(ids) == 2
    for tenant in tenants:
        with database.read(tenant) as session:
            (user,) = every.run(session).scalars()
            assert user.tenant_id == tenant
            assert some.run(session, ids=ids).scalars().all() == [user.id]
            assert some.run(session, ids=ids, of_tenant="other").scalars().all() == [user.id]


def test_a_statement_whose_filter_would_not_reach_everything_is_not_prepared() -> None:
    statements: list[Select[*tuple[Any, ...]]] = [
        select(Tenant),
        select(aliased(User)),
        select(User).join(Token, Token.owner_id == User.id),
        select(User).where(User.id.in_(select(Token.owner_id))),
        select(User).where(text("id IN (SELECT owner_id FROM tokens)")),
        select(User.id).union(select(Token.owner_id)).subquery().select(),
    ]
    for statement in statements:
        with pytest.raises(OutOfScope):
            Prepared(statement)


def test_a_unit_is_whole_or_not_at_all(database: StateDatabase, tenants: tuple[str, str]) -> None:
    def half() -> None:
        with database.write(tenants[0]) as session:
            session.execute(update(User).values(name="half"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    with database.read(tenants[0]) as session:
        assert session.execute(select(User.name)).scalar_one() == "ada"


def test_parallel_writers_of_several_processes_never_fail(
    database: StateDatabase, tenants: tuple[str, str]
) -> None:
    """Four ways into one database, as four processes have them, each adding to one number."""
    rounds = 25
    ways = [another(database) for _ in range(4)]
    failures: list[BaseException] = []

    def add(way: StateDatabase) -> None:
        try:
            for _ in range(rounds):
                with way.write(tenants[0]) as session:
                    user = session.execute(select(User).with_for_update()).scalar_one()
                    user.version += 1
        except BaseException as problem:  # noqa: BLE001 - whatever it is, it is a failure
            failures.append(problem)

    threads = [threading.Thread(target=add, args=(way,)) for way in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for way in ways:
        way.close()
    with database.read(tenants[0]) as session:
        version = session.execute(select(User.version)).scalar_one()

    assert failures == []
    assert version == 1 + 4 * rounds


def test_a_database_that_stays_locked_is_a_503(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    holder, other = StateDatabase(url), StateDatabase(url, busy_ms=50)
    migrate(holder)
    with holder.write(None) as session:
        session.execute(select(Tenant))
        with pytest.raises(Unavailable), other.write(None) as waiting:
            waiting.execute(select(Tenant))
    holder.close()
    other.close()


@pytest.mark.slow
def test_a_server_of_databases_that_ends_connections_is_one_line_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = StateDatabase(postgresql_url())
    name = database.url.database
    address = f"host={postgresql()} user=novaql dbname=postgres"
    ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"

    def read(after: Callable[[], Any]) -> None:
        with database.read(None) as session:
            session.execute(select(Tenant))
            after()
            session.execute(select(Tenant))

    with psycopg.connect(address, autocommit=True) as admin:
        with pytest.raises(Unavailable):
            read(lambda: admin.execute(ends, (name,)))
        admin.execute(f'DROP DATABASE "{name}"')
        with pytest.raises(Unavailable):
            read(lambda: None)
    database.close()

    shown = [(one.levelname, one.exc_info, one.getMessage()) for one in caplog.records]
    assert [one[:2] for one in shown] == [("ERROR", None)] * 2
    assert all("cannot be reached" in one[2] and "\n" not in one[2] for one in shown)


@pytest.mark.usefixtures("tenants")
def test_a_database_that_cannot_be_reached_is_not_ready(tmp_path: Path) -> None:
    """The answer of /readyz is a 503, and the log has no traceback."""
    database = StateDatabase(f"postgresql://novaql@/novaql?host={tmp_path}")
    with pytest.raises(Unavailable):
        database.check()
    database.close()


def test_a_reading_unit_sees_one_state(database: StateDatabase) -> None:
    names = select(Tenant.name).order_by(Tenant.name)
    with database.read(None) as session:
        before = session.scalars(names).all()
        elsewhere = another(database)
        with elsewhere.write(None) as other:
            other.execute(update(Tenant).values(name=Tenant.name + " changed"))
        elsewhere.close()
        assert session.scalars(names).all() == before

    with database.read(None) as session:
        assert session.scalars(names).all() == [f"{name} changed" for name in before]
