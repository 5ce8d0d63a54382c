"""Servers in this process: one with a few series, and one over each kind of state database."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaql.server.clock import SteppedClock, parse_time
from novaql.server.db.engine import StateDatabase
from novaql.server.tuning import Tuning
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.state_databases import KINDS, state_database

NOW_S = 1_700_000_000
"""The last scrape of the series below."""
MASTER_KEY = base64.b64encode(bytes(range(32))).decode()
"""The same for all servers over one database."""


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """Ten minutes of `up` (two instances) and `requests_total` (two codes), every 15 s."""
    with local_server() as made:
        times = [(NOW_S - 600 + 15 * i) * 1000 for i in range(41)]
        answer = made.write(
            [
                ({"__name__": "up", "job": "api", "instance": "a"}, [(t, 1.0) for t in times]),
                ({"__name__": "up", "job": "api", "instance": "b"}, [(t, 0.0) for t in times]),
                (
                    {"__name__": "requests_total", "job": "api", "code": "200"},
                    [(t, 30.0 * i) for i, t in enumerate(times)],
                ),
                (
                    {"__name__": "requests_total", "job": "api", "code": "500"},
                    [(t, 1.5 * i) for i, t in enumerate(times)],
                ),
            ]
        )
        assert answer.status_code == 204, answer.text
        yield made


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDatabase]:
    """A fresh database of each kind."""
    with state_database(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def tuning() -> Tuning:
    """The usual limits; a test gives others by `@pytest.mark.parametrize("tuning", […])`."""
    return Tuning()


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(parse_time("2026-04-01T12:00:00Z"))


@pytest.fixture
def served(database: StateDatabase, clock: SteppedClock) -> Iterator[LocalServer]:
    """A server over each database, with a clock that stands."""
    with local_server(database=database, clock=clock, master_key=MASTER_KEY) as made:
        yield made
