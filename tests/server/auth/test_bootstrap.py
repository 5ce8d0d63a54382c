"""Tokens that the command line and the first start create."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, update

from novaql.server.auth.bootstrap import add_admin, ensure_first_tenant
from novaql.server.clock import SystemClock
from novaql.server.db.engine import StateDatabase
from novaql.server.db.tables import Token, User
from novaql.server.errors import Impossible
from novaql.server.process.run import first_token
from tests.support.servers.http_server import local_server

CLOCK = SystemClock()


@pytest.mark.parametrize("status", ["invited", "deactivated"])
def test_a_user_who_is_not_active_gets_no_token(database: StateDatabase, status: str) -> None:
    """The server would reject it."""
    tenant = ensure_first_tenant(database, CLOCK).id
    add_admin(database, CLOCK, tenant, email="ada@example.com")
    with database.write(None) as session:
        session.execute(update(User).values(status=status))

    with pytest.raises(Impossible, match=status):
        add_admin(database, CLOCK, tenant, email="ada@example.com")


@pytest.mark.parametrize("change", [{"status": "deactivated"}, {"role": "operator"}])
def test_a_server_starts_though_the_first_administrator_may_have_no_token(
    database: StateDatabase, change: dict[str, str]
) -> None:
    with local_server(database=database) as server:
        add_admin(database, CLOCK, server.context.access.default_principal.tenant_id)
        with database.write(None) as session:
            session.execute(delete(Token))
            session.execute(update(User).values(**change))

        assert first_token(server.context) is None
