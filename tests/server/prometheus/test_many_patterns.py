"""Regular expressions of a request are compiled in a thread, until the deadline of queries.

The compilation of one takes a tenth of a second: on the event loop, some hundreds would stop the
requests of all tenants for as long.
"""

from __future__ import annotations

from collections.abc import Iterator

import cramjam
import pytest

from novaql.server.auth.roles import Role
from tests.support.messages.remote_messages import ReadRequestMessage
from tests.support.servers.http_server import LocalServer, local_server

pytestmark = pytest.mark.slow

PATTERNS = [rf"(\pL{{120}})x{number}" for number in range(200)]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server(query_timeout_s=0.5) as made:
        yield made


def selector(patterns: list[str]) -> str:
    return "{" + ",".join(f"a=~`{pattern}`" for pattern in patterns) + "}"


def test_remote_read(server: LocalServer) -> None:
    request = ReadRequestMessage()
    query = request.queries.add(end_timestamp_ms=10**6)
    for pattern in PATTERNS:
        query.matchers.add(type=2, name="a", value=pattern)
    answer = server.client.post(
        "/prometheus/api/v1/read",
        content=bytes(cramjam.snappy.compress_raw(request.SerializeToString())),
        headers={"Content-Encoding": "snappy", **server.bearer(Role.READ_ONLY)},
    )
    assert answer.status_code == 503
    assert "timed out" in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "name", "role"),
    [
        ("rules", "match[]", Role.READ_ONLY),
        ("targets/metadata", "match_target", Role.READ_ONLY),
        ("admin/tsdb/delete_series", "match[]", Role.ADMIN),
    ],
)
def test_selectors(server: LocalServer, path: str, name: str, role: Role) -> None:
    method = "POST" if role is Role.ADMIN else "GET"
    answer = server.client.request(
        method,
        f"/prometheus/api/v1/{path}",
        params={name: selector(PATTERNS)},
        headers=server.bearer(role),
    )
    assert answer.status_code == 503
    assert "timed out" in answer.json()["error"]
