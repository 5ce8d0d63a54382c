"""Cached answers are never older than the database."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from novaql import QueryCancelled
from novaql.server.auth.roles import Role
from novaql.server.auth.tokens import revoke
from novaql.server.cache.response_cache import Reading, ResponseCache, Version
from novaql.server.clock import SteppedClock
from novaql.server.db.engine import StateDatabase
from novaql.server.db.row_versions import RowVersions, bump
from novaql.server.db.tables import Token, User
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.relay_rig import until
from tests.support.servers.state_databases import another

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


def test_a_revoked_token_and_a_lowered_role_see_nothing_that_is_cached(server: LocalServer) -> None:
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


def test_health_is_measured_once_while_nothing_is_written(looks: list[str | None]) -> None:
    clock = SteppedClock(BEGIN)
    with local_server(clock=clock, slo_cache_ttl_s=5) as server:
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
        assert not looks
        until(lambda: health() != first)
        assert looks
        looks.clear()
        second = health()
        clock.step(timedelta(seconds=10))
        assert health() != second
        assert looks
        looks.clear()
        register(server, "other")
        health()
        assert looks


def version(users: int, tokens: int = 0) -> Version:
    """What a look sees after changes of two tables."""
    return Version(RowVersions(0, users + tokens, {"users": users, "tokens": tokens}))


class Reads:
    """Reads a value that other tests write, and counts how many do at one time."""

    def __init__(self) -> None:
        self.cache = ResponseCache(8000)
        self.version: int | None = 0
        self.began: list[int | None] = []
        self.at_work = self.most_at_work = 0
        self.takes_s = 0.01
        self.fails = False

    async def look(self) -> Version | None:
        return None if self.version is None else version(self.version)

    async def read(self) -> Reading[int | None]:
        seen = self.version
        self.began.append(seen)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await asyncio.sleep(self.takes_s)
            if self.fails:
                raise LookupError
        finally:
            self.at_work -= 1
        return Reading(seen, frozenset({"users"}), 1)

    async def get(self, key: str = "key") -> int | None:
        return await self.cache.get(key, self.look, self.read)


def test_a_crowd_reads_once() -> None:
    reads = Reads()

    async def crowd() -> list[object]:
        return list(await asyncio.gather(*(reads.get() for _ in range(6)), return_exceptions=True))

    assert asyncio.run(crowd()) == [0] * 6
    assert reads.began == [0]
    assert asyncio.run(crowd()) == [0] * 6
    assert reads.began == [0]
    reads.version, reads.fails = 1, True
    assert [type(one) for one in asyncio.run(crowd())] == [LookupError] * 6
    assert reads.began == [0, 1]
    reads.fails = False
    assert asyncio.run(crowd()) == [1] * 6


def test_of_a_crowd_beside_a_stream_of_writes_one_reads_at_a_time() -> None:
    """Each sees what was written before it asked; most share what another reads."""
    reads = Reads()

    async def client() -> None:
        for _ in range(10):
            assert reads.version is not None
            reads.version = mine = reads.version + 1
            found = await reads.get()
            assert found is not None
            assert found >= mine

    async def crowd() -> None:
        await asyncio.gather(*(client() for _ in range(30)))

    asyncio.run(crowd())
    assert reads.most_at_work == 1
    assert len(reads.began) <= 30  # of 300 answers


def test_without_a_version_nothing_is_used_that_was_read_before() -> None:
    reads = Reads()
    reads.version = None

    async def crowd() -> None:
        await asyncio.gather(*(reads.get() for _ in range(6)))
        await reads.get()

    asyncio.run(crowd())
    assert len(reads.began) == 3  # the first; one for those that arrived after it began; the last
    assert reads.most_at_work == 1


def test_requests_that_wait_for_one_that_leaves_read_themselves() -> None:
    reads = Reads()
    reads.takes_s = 0.05

    async def run() -> list[Any]:
        asks = [asyncio.ensure_future(reads.get()) for _ in range(4)]
        await asyncio.sleep(0.01)
        asks[0].cancel()
        return list(await asyncio.gather(*asks, return_exceptions=True))

    found = asyncio.run(run())
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [0] * 3
    assert len(reads.began) == 2


def test_a_query_that_ends_because_its_client_leaves_fails_no_other_request() -> None:
    reads = Reads()

    async def first() -> Reading[int | None]:
        await asyncio.sleep(0.01)
        raise QueryCancelled

    async def run() -> list[Any]:
        asks = [asyncio.ensure_future(reads.cache.get("key", reads.look, first))]
        await asyncio.sleep(0)
        asks += [asyncio.ensure_future(reads.get()) for _ in range(3)]
        return list(await asyncio.gather(*asks, return_exceptions=True))

    found = asyncio.run(run())
    assert isinstance(found[0], QueryCancelled)
    assert found[1:] == [0] * 3
    assert len(reads.began) == 1


def test_versions_have_answers_of_their_own(server: LocalServer) -> None:
    register(server, "api")
    old = {**server.bearer(), "API-Version": "2026-01-15"}
    assert "next_cursor" not in server.client.get("/v1/services", headers=server.bearer()).json()
    assert server.client.get("/v1/services", headers=old).json()["next_cursor"] is None


def test_memory_is_bounded_and_the_least_recently_used_are_evicted() -> None:
    cache = ResponseCache(8000)
    reads: list[str] = []

    async def get(key: str, size: int | None = 1000) -> None:
        async def read() -> Reading[str]:
            reads.append(key)
            return Reading(key, frozenset(), size)

        async def look() -> Version:
            return version(1)

        assert await cache.get(key, look, read) == key

    async def run() -> None:
        for key, size in (("large", 1001), ("large", 1001), ("never", None), ("never", None)):
            await get(key, size)
        assert reads == ["large", "large", "never", "never"]
        reads.clear()
        for number in range(8):
            await get(str(number))
        await get("0")
        await get("8")
        assert reads == [str(number) for number in range(9)]
        await get("0")
        assert reads[9:] == []
        await get("1")
        assert reads[9:] == ["1"]

    asyncio.run(run())


def test_what_a_client_sent_counts_as_memory_of_its_answer() -> None:
    """An answer has a few bytes, and the request may have 64 KiB of headers that select it."""
    with local_server(response_cache_bytes=1 << 20) as server:

        def get(number: int) -> None:
            accept = f"application/json;q={'0' * 60_000}{number}"
            headers = server.bearer() | {"Accept": accept}
            assert server.client.get("/v1/services", headers=headers).status_code == 200

        gc.collect()
        tracemalloc.start()
        try:
            for number in range(60):
                get(number)
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] < 2 << 20
        finally:
            tracemalloc.stop()


def test_other_tenants_do_not_matter(server: LocalServer, looks: list[str | None]) -> None:
    register(server, "api")
    assert names(server) == ["api"]
    with server.context.database.write(None, visible=False) as session:
        bump(session, "ten_other", ("services",))
    looks.clear()
    assert names(server) == ["api"]
    assert looks == []


def test_a_change_of_other_tables_leaves_an_answer_cached(
    server: LocalServer, looks: list[str | None]
) -> None:
    register(server, "api")
    assert names(server) == ["api"]
    body = {"name": "ci", "role": "read_only"}
    assert server.client.post("/v1/tokens", json=body, headers=server.bearer()).status_code == 201
    names(server)  # the token of the request is looked up once more
    looks.clear()
    assert names(server) == ["api"]
    assert looks == []
    register(server, "web")
    assert names(server) == ["api", "web"]
    assert looks != []


def test_an_answer_is_valid_while_the_tables_that_it_was_read_from_are() -> None:
    before, after = version(1, tokens=1), version(1, tokens=2)
    assert before != after
    assert before.same(after, frozenset({"users"}))
    assert not before.same(after, frozenset({"users", "tokens"}))
    moved = Version(RowVersions(1, 2, {"users": 1, "tokens": 1}))
    assert not before.same(moved, frozenset({"users"}))
    assert not before.same(Version(before.rows, "later"), frozenset({"users"}))


def test_a_use_of_a_token_invalidates_answers_once_a_minute() -> None:
    clock = SteppedClock(BEGIN)
    with local_server(clock=clock) as server:
        accounts, database = server.context.access.accounts, server.context.database
        assert accounts is not None

        def versions_after_a_use() -> RowVersions | None:
            names(server)
            accounts.write_uses()
            return database.versions_of(server.context.access.default_principal.tenant_id)

        first = versions_after_a_use()
        clock.step(timedelta(seconds=30))
        assert versions_after_a_use() == first
        clock.step(timedelta(seconds=30))
        assert versions_after_a_use() != first
