"""A server over each database with a clock that stands, and somebody who hears its webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook as Reference

from novaql.server.clock import SteppedClock, SystemClock
from novaql.server.db.engine import StateDatabase
from tests.support.peers.receiver import Heard, Receiver, receiving
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.state_databases import KINDS, state_database

REACHABLE: dict[str, Any] = {"egress_allow": "127.0.0.0/8", "webhook_http": True}


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDatabase]:
    with state_database(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def clock() -> SteppedClock:
    """It begins now, since the reference library refuses old timestamps."""
    return SteppedClock(SystemClock().now())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def served(database: StateDatabase, clock: SteppedClock) -> Iterator[LocalServer]:
    with local_server(database=database, clock=clock, **REACHABLE) as made:
        yield made


def ask(server: LocalServer, method: str, path: str, body: Any = None) -> httpx.Response:
    """A request of the administrator."""
    return server.client.request(method, f"/v1{path}", json=body, headers=server.bearer())


def subscribe(server: LocalServer, url: str, *events: str, **more: Any) -> dict[str, Any]:
    """A new webhook with its secret."""
    answer = ask(server, "POST", "/webhooks", {"url": url, "events": [*events], **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def make_a_token(server: LocalServer) -> httpx.Response:
    """Something that happens: `audit.token.create`."""
    answer = ask(server, "POST", "/tokens", {"name": "ci", "role": "read_only"})
    assert answer.status_code == 201
    return answer


def verified(secret: str, heard: Heard) -> Any:
    """The body, if the reference library finds the secret's signature on it."""
    return Reference(secret).verify(heard.body, dict(heard.headers))


def log_of(server: LocalServer, webhook: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    answer = ask(server, "GET", f"/webhooks/{webhook['id']}/deliveries{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found
