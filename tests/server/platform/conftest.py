"""Every test of the platform's state runs over both databases."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaql.server.clock import SteppedClock, parse_time
from novaql.server.db.engine import StateDatabase
from tests.support.http_server import LocalServer, local_server
from tests.support.state_databases import KINDS, state_database

MASTER_KEY = base64.b64encode(bytes(range(32))).decode()
"""The same for all servers over one database."""


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDatabase]:
    """A fresh database of each kind."""
    with state_database(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(parse_time("2026-04-01T12:00:00Z"))


@pytest.fixture
def served(database: StateDatabase, clock: SteppedClock) -> Iterator[LocalServer]:
    """A server over each database, with a clock that stands."""
    with local_server(database=database, clock=clock, master_key=MASTER_KEY) as made:
        yield made
