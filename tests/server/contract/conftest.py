"""Two tenants on one server, and what the first of them has made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from novaql.server.auth.bootstrap import add_tenant
from novaql.server.auth.roles import Role
from novaql.server.clock import SystemClock
from tests.support.contract.route_walk import Walk
from tests.support.servers.http_server import LocalServer, local_server, token_of


@dataclass
class TwoTenants:
    """`here` has a resource of every kind, `there` has none."""

    server: LocalServer
    here: Walk
    there: Walk


@pytest.fixture(scope="module")
def two() -> Iterator[TwoTenants]:
    with local_server(egress_allow="127.0.0.0/8, ::1/128") as server:
        database = server.context.database
        other = add_tenant(database, SystemClock(), "other").id
        here = Walk(server, server.tokens[Role.ADMIN])
        here.make()
        there = Walk(server, token_of(database, other, Role.ADMIN, "eve@example.com"))
        yield TwoTenants(server, here, there)
