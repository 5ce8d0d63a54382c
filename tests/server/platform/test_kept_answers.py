"""Reads of the database that are told again are never older than the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from server.platform.clock import SteppedClock
from server.platform.kept_answers import KeptAnswers
from server.platform.scopes import Role
from server.platform.tables import Token, User
from server.platform.tokens import revoke
from tests.support.http_server import LocalServer, local_server
from tests.support.state_databases import another

BEGIN = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server(clock=SteppedClock(BEGIN)) as made:
        yield made


def names(server: LocalServer, role: Role = Role.ADMIN) -> list[str]:
    answer = server.client.get("/v1/services", headers=server.bearer(role))
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()["data"]]


def register(server: LocalServer, name: str) -> None:
    body = {"name": name, "owner": "a", "tier": "1"}
    made = server.client.post("/v1/services", json=body, headers=server.bearer())
    assert made.status_code == 201


def test_a_second_look_is_not_read_again(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(server, "api")
    first = server.client.get("/v1/services", headers=server.bearer())
    looks: list[str | None] = []
    read = server.context.database.read

    def noted(tenant: str | None) -> AbstractContextManager[Session]:
        looks.append(tenant)
        return read(tenant)

    monkeypatch.setattr(server.context.database, "read", noted)
    again = server.client.get("/v1/services", headers=server.bearer())
    assert again.content == first.content
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert not looks

    server.client.get("/v1/services?limit=1", headers=server.bearer())
    assert len(looks) == 1


def test_a_change_shows_at_once_whoever_makes_it(server: LocalServer) -> None:
    assert names(server) == []
    register(server, "api")
    assert names(server) == ["api"]
    other = another(server.context.database)
    with other.write(None) as session:
        for user in session.query(User):
            user.name = "Changed elsewhere"
    other.close()
    users = server.client.get("/v1/users", headers=server.bearer()).json()["data"]
    assert {user["name"] for user in users} == {"Changed elsewhere"}


def test_a_revoked_token_and_a_lowered_role_see_nothing_that_is_kept(server: LocalServer) -> None:
    path = "/v1/users"
    assert server.client.get(path, headers=server.bearer()).status_code == 200
    other = another(server.context.database)
    with other.write(None) as session:
        for user in session.query(User):
            user.role = "operator"
    assert server.client.get(path, headers=server.bearer()).status_code == 403
    with other.write(None) as session:
        for token in session.query(Token):
            revoke(token, BEGIN)
    other.close()
    assert server.client.get(path, headers=server.bearer()).status_code == 401


def test_what_time_changes_is_told_again_within_a_second_only(server: LocalServer) -> None:
    body = {
        "matchers": [{"name": "team", "value": "a"}],
        "duration": "90s",
        "reason": "maintenance",
    }
    made = server.client.post("/v1/silences", json=body, headers=server.bearer())
    assert made.status_code == 201

    def active() -> int:
        answer = server.client.get("/v1/silences?state=active", headers=server.bearer())
        return len(answer.json()["data"])

    assert active() == active() == 1
    clock = server.context.clock
    assert isinstance(clock, SteppedClock)
    clock.step(timedelta(seconds=91))
    assert active() == 0


def test_versions_have_answers_of_their_own(server: LocalServer) -> None:
    register(server, "api")
    old = {**server.bearer(), "API-Version": "2026-01-15"}
    assert "next_cursor" not in server.client.get("/v1/services", headers=server.bearer()).json()
    assert server.client.get("/v1/services", headers=old).json()["next_cursor"] is None
    assert len(server.context.kept_answers._known) == 2


def test_memory_is_bounded() -> None:
    kept, stamp = KeptAnswers(8000), (0, 1)
    assert kept.find(stamp, "x") is None
    kept.keep(stamp, "large", b"x", 1001)
    assert kept.find(stamp, "large") is None
    for number in range(100):
        kept.keep(stamp, number, b"x" * 1000, 1000)
        assert sum(len(one) for one in kept._known.values()) <= 8000
    assert kept.find(stamp, 99) is not None
    kept.keep((0, 0), "old", b"", 0)
    assert kept.find(stamp, "old") is None
    assert kept.find((0, 2), 99) is None
