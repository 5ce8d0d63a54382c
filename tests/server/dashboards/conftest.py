"""A server over each database, with ten minutes of samples that end where its clock stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock, from_ms
from novaql.server.db.engine import StateDatabase
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.state_databases import KINDS, state_database

NOW_S = 1_700_000_000
JOBS = ("api", 'b"}', "c.d", "=HYPERLINK(1)")
"""Names of jobs that a careless server would trip over."""


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDatabase]:
    with state_database(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(from_ms(NOW_S * 1000))


@pytest.fixture
def served(database: StateDatabase, clock: SteppedClock) -> Iterator[LocalServer]:
    with local_server(database=database, clock=clock) as made:
        fill(made)
        yield made


@pytest.fixture(scope="module")
def seen() -> Iterator[LocalServer]:
    """For tests that are about samples and not about the database."""
    with local_server(clock=SteppedClock(from_ms(NOW_S * 1000))) as made:
        fill(made)
        yield made


def fill(server: LocalServer) -> None:
    """`up` of each job, every 15 s: 1 for the first, 0 for the others; `lost` is NaN."""
    times = [(NOW_S - 600 + 15 * i) * 1000 for i in range(41)]
    series = [
        ({"__name__": "up", "job": job}, [(t, float(job == "api")) for t in times]) for job in JOBS
    ]
    series.append(({"__name__": "lost"}, [(t, float("nan")) for t in times]))
    answer = server.write(series)
    assert answer.status_code == 204, answer.text


def ask(
    server: LocalServer, method: str, path: str, body: Any = None, role: Role = Role.OPERATOR
) -> httpx.Response:
    """A request to the API."""
    return server.client.request(method, f"/v1{path}", json=body, headers=server.bearer(role))


def panel(expr: str, **more: Any) -> dict[str, Any]:
    """A panel of one query."""
    grid = more.pop("grid", {"x": 0, "y": 0, "w": 12, "h": 8})
    legend = more.pop("legend", None)
    query = {"expr": expr, **({} if legend is None else {"legend": legend})}
    return {"title": "P", "type": "timeseries", "queries": [query], "grid": grid, **more}


def save(server: LocalServer, *panels: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A saved dashboard."""
    body = {"title": "D", "panels": list(panels), **more}
    answer = ask(server, "POST", "/dashboards", body)
    assert answer.status_code in (200, 201), answer.text
    made: dict[str, Any] = answer.json()
    return made


def data(server: LocalServer, panel_id: str, **parameters: Any) -> httpx.Response:
    """The data of a panel."""
    url = f"/v1/panels/{panel_id}/data"
    return server.client.get(url, params=parameters, headers=server.bearer(Role.READ_ONLY))
