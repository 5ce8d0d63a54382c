"""Reads of the database that are told again are never older than the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Set
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session
from starlette.requests import Request

from novaql.server.platform.clock import SteppedClock
from novaql.server.platform.idempotency import Kept
from novaql.server.platform.kept_answers import KeptAnswers
from novaql.server.platform.reading_again import read_again
from novaql.server.platform.scopes import Role
from novaql.server.platform.state.changes import Changes
from novaql.server.platform.state.database import StateDatabase
from novaql.server.platform.tables import Token, User
from novaql.server.platform.tokens import revoke
from novaql.server.routes import ROUTES
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


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The units that read a database, by their tenants."""
    seen: list[str | None] = []
    read = StateDatabase.read

    def noted(self: StateDatabase, tenant: str | None) -> AbstractContextManager[Session]:
        seen.append(tenant)
        return read(self, tenant)

    monkeypatch.setattr(StateDatabase, "read", noted)
    return seen


def test_what_is_measured_is_told_again_until_it_is_measured_again(
    looks: list[str | None],
) -> None:
    clock = SteppedClock(BEGIN)
    with local_server(clock=clock, measured_for_s=5) as server:
        register(server, "api")

        def health() -> str:
            answer = server.client.get("/v1/services/api/health", headers=server.bearer())
            assert answer.status_code == 200, answer.text
            return str(answer.json()["at"])

        first = health()
        looks.clear()
        clock.step(timedelta(seconds=4))
        assert health() == first
        assert not looks
        clock.step(timedelta(seconds=1))
        assert health() == first
        server.context.measurements.settled()
        assert health() != first
        assert looks
        looks.clear()
        register(server, "other")
        health()
        assert looks


def test_a_crowd_reads_once(server: LocalServer) -> None:
    """Who comes while the same is being read waits for it, and reads if that fails."""
    row = next(r for r in ROUTES if r.path == "/v1/services" and set(r.methods) == {"GET"})
    context, principal = server.context, server.context.anyone
    began = 0

    def request() -> Request:
        state = {"context": context.scoped(principal), "principal": principal}
        scope = {"type": "http", "path": row.path, "query_string": b"", "headers": []}
        return Request({**scope, "state": state})

    async def crowd(answer: Kept | None) -> list[object]:
        nonlocal began
        began = 0
        go_on = asyncio.Event()

        async def read() -> tuple[Kept, Set[str]]:
            nonlocal began
            began += 1
            await go_on.wait()
            if answer is None:
                raise LookupError
            return answer, frozenset({"services"})

        everyone = [
            asyncio.create_task(read_again(request(), row.cached_by, "v", read)) for _ in range(6)
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert began == 1
        go_on.set()
        return list(await asyncio.gather(*everyone, return_exceptions=True))

    failed = asyncio.run(crowd(None))
    assert [type(one) for one in failed] == [LookupError] * 6
    assert began == 6
    kept = Kept(200, {}, b"services")
    assert asyncio.run(crowd(kept)) == [kept] * 6
    assert began == 1
    assert not context.kept_answers.running


def test_versions_have_answers_of_their_own(server: LocalServer) -> None:
    register(server, "api")
    old = {**server.bearer(), "API-Version": "2026-01-15"}
    assert "next_cursor" not in server.client.get("/v1/services", headers=server.bearer()).json()
    assert server.client.get("/v1/services", headers=old).json()["next_cursor"] is None
    assert len(server.context.kept_answers._known) == 2


def test_memory_is_bounded_and_the_oldest_go() -> None:
    kept, changes = KeptAnswers(8000), Changes(lambda: (0, 1))
    since = changes.moment()
    assert since is not None

    def keep(key: str, size: int) -> None:
        kept.keep(key, b"x", size, since=since, tables=frozenset())

    assert kept.find("large", changes) is None
    keep("large", 1001)
    assert kept.find("large", changes) is None
    for number in range(9):
        keep(str(number), 1000)
        keep(str(number), 900)
    assert [kept.find(str(n), changes) is None for n in range(9)] == [True] + 8 * [False]
    keep("more", 1000)
    assert [kept.find(str(n), changes) is None for n in range(9)] == 2 * [True] + 7 * [False]
    nothing = KeptAnswers(0)
    nothing.keep("a", b"", 1, since=since, tables=frozenset())
    assert nothing.find("a", changes) is None


def test_what_is_of_another_time_is_not_found() -> None:
    kept, changes = KeptAnswers(8000), Changes(lambda: (0, 1))
    kept.keep("a", b"x", 1, since=changes.moment() or 0, tables=frozenset(), time=7)
    assert kept.find("a", changes, 7) == b"x"
    assert kept.find("a", changes, 8) is None
    assert kept.find("a", changes, 7) is None


def test_other_tables_do_not_matter(server: LocalServer, looks: list[str | None]) -> None:
    register(server, "api")
    assert names(server) == ["api"]
    with server.context.database.write(None) as session:
        for user in session.query(User):
            user.name = "Changed"
    looks.clear()
    assert names(server) == ["api"]
    assert looks == [None]  # whose token it is, alone
