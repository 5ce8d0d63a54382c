"""A server whose clock stands still, and requests to its push gateway."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from tests.support.servers.http_server import LocalServer, local_server

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(NOW)


@pytest.fixture
def server(clock: SteppedClock) -> Iterator[LocalServer]:
    with local_server(clock=clock) as made:
        yield made


def send(
    server: LocalServer, method: str, path: str, body: str | bytes = "", **headers: str
) -> httpx.Response:
    sent = server.bearer(Role.OPERATOR) | headers
    return server.client.request(method, f"/metrics/{path}", content=body, headers=sent)


def found(server: LocalServer, query: str, at: datetime) -> dict[str, str]:
    """Labels other than `job` as text → value."""
    answer = server.prometheus("query", query=query, time=at.timestamp()).json()
    return {
        ",".join(f"{n}={v}" for n, v in sorted(one["metric"].items()) if n != "job"): one["value"][
            1
        ]
        for one in answer["data"]["result"]
    }


def names(server: LocalServer, at: datetime, matcher: str = "") -> set[str]:
    query = f"count by (__name__) ({{job!=''{matcher}}})"
    return {one.removeprefix("__name__=") for one in found(server, query, at)}


OWN = {"push_time_seconds", "push_failure_time_seconds"}
