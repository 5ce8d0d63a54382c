"""A server with a stepped clock, over both kinds of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from novaql.server.clock import SteppedClock
from novaql.server.tuning import Tuning
from tests.support.servers.alert_rig import NOW, AlertRig
from tests.support.servers.http_server import local_server
from tests.support.servers.state_databases import KINDS, state_database


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertRig]:
    """Over SQLite, and over PostgreSQL."""
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(clock=clock, database=database, egress_allow="127.0.0.0/8") as server,
    ):
        yield AlertRig(server, clock)


@pytest.fixture
def one(tuning: Tuning) -> Iterator[AlertRig]:
    """Over SQLite only, for tests that do not depend on the database."""
    clock = SteppedClock(NOW)
    with local_server(clock=clock, tuning=tuning, egress_allow="127.0.0.0/8") as server:
        yield AlertRig(server, clock)
