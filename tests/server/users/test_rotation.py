"""Tokens are rotated without a gap, and end when they are to end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from novaql.server.clock import SteppedClock, SystemClock
from tests.support.servers.http_server import LocalServer, local_server


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(SystemClock().now())


@pytest.fixture
def served(clock: SteppedClock) -> Iterator[LocalServer]:
    with local_server(clock=clock) as made:
        yield made


def issue(server: LocalServer, **more: Any) -> dict[str, Any]:
    body = {"name": "ci", "role": "read_only", **more}
    answer = server.client.post("/v1/tokens", json=body, headers=server.bearer())
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def rotate(server: LocalServer, token: dict[str, Any], status: int = 200) -> dict[str, Any]:
    path = f"/v1/tokens/{token['id']}/rotate"
    answer = server.client.post(path, headers=server.bearer())
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    return told


def uses(server: LocalServer, *tokens: dict[str, Any]) -> list[int]:
    """What each secret opens."""
    bearers = [{"Authorization": f"Bearer {token['token']}"} for token in tokens]
    return [server.client.get("/v1/services", headers=bearer).status_code for bearer in bearers]


def test_both_secrets_work_for_an_hour(served: LocalServer, clock: SteppedClock) -> None:
    old = issue(served)
    new = rotate(served, old)
    assert new["id"] == old["id"]
    assert uses(served, old, new) == [200, 200]
    clock.step(timedelta(minutes=59, seconds=59))
    assert uses(served, old, new) == [200, 200]
    clock.step(timedelta(seconds=2))
    assert uses(served, old, new) == [401, 200]
    listed = served.client.get("/v1/tokens", headers=served.bearer()).text
    assert old["token"] not in listed
    assert new["token"] not in listed


def test_a_second_rotation_ends_the_oldest_secret_at_once(served: LocalServer) -> None:
    first = issue(served)
    second = rotate(served, first)
    third = rotate(served, first)
    assert uses(served, first, second, third) == [401, 200, 200]


def test_revoking_ends_both_secrets_at_the_next_request(served: LocalServer) -> None:
    old = issue(served)
    new = rotate(served, old)
    path = f"/v1/tokens/{old['id']}"
    assert served.client.delete(path, headers=served.bearer()).status_code == 204
    assert uses(served, old, new) == [401, 401]
    assert served.client.delete(path, headers=served.bearer()).status_code == 404
    assert rotate(served, old, 409)["error"]["code"] == "token_revoked"


def test_a_token_expires_in_the_future(served: LocalServer, clock: SteppedClock) -> None:
    for ends in (clock.now(), clock.now() - timedelta(days=1)):
        body = {"name": "ci", "role": "operator", "expires_at": ends.isoformat()}
        answer = served.client.post("/v1/tokens", json=body, headers=served.bearer())
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "expired_already"
        assert answer.json()["error"]["details"] == [
            {"pointer": "/expires_at", "message": "must be in the future"}
        ]


def test_an_expired_token_is_not_rotated(served: LocalServer, clock: SteppedClock) -> None:
    ends = (clock.now() + timedelta(hours=1)).isoformat()
    token = issue(served, expires_at=ends)
    assert uses(served, token) == [200]
    clock.step(timedelta(hours=1, seconds=1))
    assert uses(served, token) == [401]
    assert rotate(served, token, 409)["error"]["code"] == "token_expired"
