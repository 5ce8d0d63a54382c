"""Rigs for the tests of runbooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from novaql.server.clock import SteppedClock
from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers.agent_rig import NOW
from tests.support.servers.http_server import local_server
from tests.support.servers.runbook_rig import RunbookRig
from tests.support.servers.state_databases import KINDS, state_database


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def rig() -> Iterator[RunbookRig]:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, egress_allow="127.0.0.0/8") as server:
        yield RunbookRig(server, clock)


@pytest.fixture(params=KINDS)
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunbookRig]:
    """A rig over each kind of database."""
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(clock=clock, database=database, egress_allow="127.0.0.0/8") as server,
    ):
        yield RunbookRig(server, clock)
