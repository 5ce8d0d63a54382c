"""Facts of the whole server are for the administrators of the first tenant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from novaql.server.auth.bootstrap import add_tenant
from novaql.server.auth.roles import Role
from novaql.server.clock import SystemClock
from tests.support.servers.http_server import LocalServer, local_server, token_of

PAGES = (
    *("config", "flags", "runtimeinfo", "buildinfo", "walreplay", "tsdb", "tsdb/blocks"),
    "self_metrics",
)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server() as made:
        yield made


def tokens(server: LocalServer) -> dict[str, str]:
    database = server.context.database
    name = f"other{len(server.context.stores.open_ones())}"
    other = add_tenant(database, SystemClock(), name).id
    found = {f"other {role}": token_of(database, other, role, "eve@example.com") for role in Role}
    return found | {role.value: server.tokens[role] for role in Role}


def status(server: LocalServer, secret: str, page: str) -> Any:
    url = f"/api/v1/status/{page}"
    answer = server.client.get(url, headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200, (page, answer.text)
    return answer.json()["data"]


def test_every_token_reads_every_page_and_only_one_kind_sees_the_server(
    server: LocalServer,
) -> None:
    settings = server.context.settings
    for name, secret in tokens(server).items():
        pages = {page: status(server, secret, page) for page in PAGES}
        assert pages["buildinfo"]["version"]
        assert pages["flags"]["query.timeout"] == "120s"
        assert pages["flags"]["novaql.max-query-samples"] == "500000000"
        whole = str(settings.data) in str(pages)
        facts = (
            "storage.tsdb.path" in pages["flags"],
            "novaql.database-url" in pages["flags"],
            bool(pages["runtimeinfo"]["CWD"]),
            bool(pages["runtimeinfo"]["hostname"]),
            bool(pages["self_metrics"]),
        )
        assert set(facts) == {name == "admin"}, (name, facts)
        assert whole == (name == "admin")
