"""A server over each database, shared by a module's tests; each test has a tenant of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from novaql.server.auth.bootstrap import add_tenant
from novaql.server.auth.roles import Role
from novaql.server.clock import SystemClock
from tests.support.servers.http_server import LocalServer, local_server, token_of
from tests.support.servers.state_databases import KINDS, state_database

_numbers = itertools.count(1)
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass
class Idp:
    """An identity provider of one tenant."""

    server: LocalServer
    token: str
    tenant_id: str
    base: str = "/scim/v2"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        given = {"Authorization": f"Bearer {self.token}", "Accept": "application/scim+json"}
        if body is not None:
            given["Content-Type"] = "application/scim+json"
        return self.server.client.request(
            method, f"{self.base}{path}", json=body, headers=given | headers
        )

    def user(self, name: str, **attributes: Any) -> dict[str, Any]:
        body = {"schemas": [USER], "userName": name, "active": True, **attributes}
        answer = self.ask("POST", "/Users", body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def group(self, name: str, members: list[str]) -> dict[str, Any]:
        body = {
            "schemas": [GROUP],
            "displayName": name,
            "members": [{"value": member} for member in members],
        }
        answer = self.ask("POST", "/Groups", body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def patch(self, path: str, *operations: dict[str, Any]) -> httpx.Response:
        return self.ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})

    def get(self, path: str) -> dict[str, Any]:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module", params=KINDS)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    folder = tmp_path_factory.mktemp("scim")
    with (
        state_database(request.param, folder) as database,
        local_server(database=database) as server,
    ):
        yield server


@pytest.fixture
def idp(both: LocalServer) -> Idp:
    database = both.context.database
    tenant = add_tenant(database, SystemClock(), f"tenant {next(_numbers)}").id
    return Idp(both, token_of(database, tenant, Role.ADMIN), tenant)
