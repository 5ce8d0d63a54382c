"""The principal of a secret is cached, and never older than the rows that it was read from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update
from sqlalchemy.orm import Session

from novaql.server.auth.accounts import Accounts
from novaql.server.auth.bootstrap import add_admin, ensure_first_tenant
from novaql.server.auth.roles import Role
from novaql.server.clock import SystemClock
from novaql.server.db.engine import StateDatabase
from novaql.server.db.rows import Tenant
from novaql.server.db.tables import Token, User
from tests.support.servers.state_databases import another

CLOCK = SystemClock()


@pytest.fixture
def secret(database: StateDatabase) -> str:
    tenant = ensure_first_tenant(database, CLOCK).id
    return add_admin(database, CLOCK, tenant, email="ada@example.com").secret


@contextmanager
def statements(database: StateDatabase) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def test_a_principal_is_read_once(database: StateDatabase, secret: str) -> None:
    accounts = Accounts(database, CLOCK)
    first = accounts.find(secret)

    with statements(database) as seen:
        again = [accounts.find(secret) for _ in range(3)]

    assert first is not None
    assert again == [first] * 3
    assert [s for s in seen if "row_versions" not in s] == []
    assert len(seen) == (0 if database.is_sqlite else 3)


def _revoke(session: Session) -> None:
    session.execute(update(Token).values(revoked_at=CLOCK.now()))


def _deactivate(session: Session) -> None:
    session.execute(update(User).values(status="deactivated"))


def _let_expire(session: Session) -> None:
    session.execute(update(Token).values(expires_at=CLOCK.now() - timedelta(hours=1)))


@pytest.mark.parametrize("change", [_revoke, _deactivate, _let_expire])
def test_a_change_by_another_process_ends_it(
    database: StateDatabase, secret: str, change: Callable[[Session], None]
) -> None:
    accounts = Accounts(database, CLOCK)
    assert accounts.find(secret) == accounts.find(secret) is not None

    elsewhere = another(database)
    with elsewhere.write(None) as session:
        change(session)
    elsewhere.close()

    assert accounts.find(secret) is None
    assert accounts.remembered(secret) is None


def test_a_lowered_role_and_a_renamed_tenant_are_seen(database: StateDatabase, secret: str) -> None:
    accounts = Accounts(database, CLOCK)
    accounts.find(secret)

    with database.write(None) as session:
        session.execute(update(User).values(role=Role.READ_ONLY))
        session.execute(update(Tenant).values(name="renamed"))

    found = accounts.find(secret)
    assert found is not None
    assert (found.role, found.tenant_name) == (Role.READ_ONLY, "renamed")


def test_a_change_during_a_look_up_is_not_cached(
    database: StateDatabase, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The versions are those of the rows that were read, not those after the change."""
    accounts = Accounts(database, CLOCK)
    versions_in = database.versions_in

    def change_first(session: Session, tenant_id: str) -> object:
        elsewhere = another(database)
        with elsewhere.write(None) as other:
            _revoke(other)
        elsewhere.close()
        return versions_in(session, tenant_id)

    with monkeypatch.context() as patch:
        patch.setattr(database, "versions_in", change_first)
        assert accounts.find(secret) is not None  # it was valid when the look-up began

    assert accounts.find(secret) is None
