"""Quotas: of a token, of a tenant, over restarts and several servers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.server.auth.bootstrap import ensure_first_tenant
from novaql.server.auth.rate_limits import Quota, Quotas
from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock, parse_time, to_ms
from novaql.server.db.engine import StateDatabase
from novaql.server.db.tables import RateWindow
from novaql.server.errors import RateLimited, Unavailable
from tests.support.servers.at_once import WAIT_S
from tests.support.servers.http_server import fresh_state, local_server, token_of
from tests.support.servers.state_databases import another

MINUTE = Quota("minute", 100, 60, 250)
NOON = parse_time("2026-04-01T12:00:00Z")


def spend(quotas: Quotas, quota: Quota = MINUTE, key: str = "tok_1") -> bool:
    """Whether one more request is let in."""
    wanted = [(quota, key)]
    try:
        return bool(quotas.spend_at_once(wanted) or quotas.spend(wanted))
    except RateLimited:
        return False


def test_a_clock_that_is_set_back_locks_nobody_out(
    database: StateDatabase, clock: SteppedClock
) -> None:
    quotas = Quotas(database, clock)
    used = [spend(quotas) for _ in range(101)]
    clock.step(timedelta(hours=-1))
    after = [spend(quotas) for _ in range(101)]
    restarted = [spend(Quotas(database, clock)) for _ in range(2)]

    assert used == after == [True] * 100 + [False]
    assert restarted == [False, False]


def test_the_limit_is_exact_and_comes_back_after_the_window(
    database: StateDatabase, clock: SteppedClock
) -> None:
    quotas = Quotas(database, clock)
    first = [spend(quotas) for _ in range(101)]
    clock.step(timedelta(seconds=59))
    still = spend(quotas)
    clock.step(timedelta(seconds=1))

    assert first == [True] * 100 + [False]
    assert (still, spend(quotas)) == (False, True)


def test_no_window_has_more_than_the_limit(database: StateDatabase, clock: SteppedClock) -> None:
    """Not even around the edge of a minute, where fixed windows let twice as many in."""
    quotas = Quotas(database, clock)
    times = []
    for _ in range(400):
        if spend(quotas):
            times.append(clock.now())
        clock.step(timedelta(milliseconds=300))

    slack = timedelta(seconds=60) - timedelta(milliseconds=MINUTE.slice_ms)
    most = max(sum(1 for t in times if start <= t < start + slack) for start in times)
    assert most <= MINUTE.limit
    assert len(times) > 190  # and it is used up


def test_the_count_survives_a_restart_and_is_shared(
    database: StateDatabase, clock: SteppedClock
) -> None:
    first = Quotas(database, clock)
    used = sum(spend(first) for _ in range(60))
    first.release()
    ways = [another(database) for _ in range(4)]
    workers = [Quotas(way, clock) for way in ways]
    rest = sum(spend(workers[n % 4]) for n in range(100))
    for way in ways:
        way.close()

    assert used == 60
    assert 30 <= rest <= 40  # what other workers have taken and not spent is not lost, but waits
    assert not spend(Quotas(database, clock))


@pytest.mark.slow
def test_two_processes_count_the_first_request_of_a_key(
    database: StateDatabase, clock: SteppedClock
) -> None:
    """The other process has not committed yet when this one looks for the count of the key."""
    way = another(database)
    quotas = Quotas(database, clock)
    with ThreadPoolExecutor(1) as pool:
        with way.write(None, visible=False) as session:
            made = RateWindow(key="minute:tok_1", counts=[], updated_at=clock.now())
            made.counts = [[to_ms(clock.now()) // MINUTE.slice_ms, 1]]
            session.add(made)
            session.flush()
            admitted = pool.submit(spend, quotas)
            with suppress(TimeoutError):
                admitted.result(timeout=WAIT_S)
        assert admitted.result()
    way.close()

    assert _counted(database, "minute:tok_1") == 2


def test_a_refusal_by_one_quota_spends_none_of_the_others(
    database: StateDatabase, clock: SteppedClock
) -> None:
    quotas = Quotas(database, clock)
    small = Quota("day", 3, 86_400, 600_000)
    both = [(MINUTE, "tok_1"), (small, "ten_1")]
    for _ in range(3):
        quotas.spend(both)
    for _ in range(20):
        with pytest.raises(RateLimited):
            quotas.spend(both)

    assert sum(spend(quotas) for _ in range(101)) == 97


@pytest.mark.parametrize(("limit", "most"), [(10_000, 25), (60_000, 15)])
def test_few_writes_for_many_requests(
    database: StateDatabase, clock: SteppedClock, limit: int, most: int
) -> None:
    quotas = Quotas(database, clock)
    wide = Quota("minute", limit, 60, 250)
    asked = 0
    for _ in range(2000):
        if quotas.spend_at_once([(wide, "tok_1")]) is None:
            asked += 1
            quotas.spend([(wide, "tok_1")])

    assert asked < most


def test_a_process_holds_a_small_part_of_a_quota(
    database: StateDatabase, clock: SteppedClock
) -> None:
    """However many requests it spends, it leaves the others 63 of 64."""
    large = Quota("minute", 12_800, 60, 250)
    quotas = Quotas(database, clock)
    held = 0
    for spent in range(1, 2001):
        if quotas.spend_at_once([(large, "tok_1")]) is None:
            quotas.spend([(large, "tok_1")])
            with database.read(None) as session:
                row = session.get(RateWindow, "minute:tok_1")
                assert row is not None
                held = max(held, sum(count for _, count in row.counts) - spent)

    assert 64 < held < 200


def test_near_its_end_a_quota_is_left_to_all_processes(
    database: StateDatabase, clock: SteppedClock
) -> None:
    """A process takes at most an eighth of what is free, so that the others are not refused."""
    quota = Quota("minute", 640, 60, 250)
    ways = [another(database) for _ in range(2)]
    quick, slow = (Quotas(way, clock) for way in ways)
    spent = sum(spend(quick, quota) for _ in range(600))
    admitted = [spend(quick, quota) and spend(slow, quota) for _ in range(16)]
    for way in ways:
        way.close()

    assert spent == 600
    assert admitted == [True] * 16


@pytest.mark.parametrize(("window_s", "most"), [(60, 200), (86_400, 64)])
def test_a_process_takes_few_requests_of_a_day_at_once(
    database: StateDatabase, clock: SteppedClock, window_s: int, most: int
) -> None:
    quota = Quota("wide", 12_800, window_s, 250)
    quotas = Quotas(database, clock)
    parts = []
    for _ in range(3000):
        if quotas.spend_at_once([(quota, "ten_1")]) is None:
            before = _counted(database)
            quotas.spend([(quota, "ten_1")])
            parts.append(_counted(database) - before)

    assert max(parts) == most


def test_the_memory_for_keys_is_bounded(database: StateDatabase, clock: SteppedClock) -> None:
    """A tenant can create tokens, use each once and revoke it."""
    quotas = Quotas(database, clock, most_keys=20)
    for number in range(100):
        assert spend(quotas, key=f"tok_{number}")
        clock.step(timedelta(seconds=1))

    assert len(quotas._taken) <= 20


def test_many_keys_cost_no_acquired_requests(database: StateDatabase, clock: SteppedClock) -> None:
    quotas = Quotas(database, clock, most_keys=20)
    assert [spend(quotas) for _ in range(10)] == [True] * 10
    assert _counted(database, "minute:tok_1") > 10
    clock.step(timedelta(seconds=5))
    assert [spend(quotas, key=f"tok_{number}") for number in range(2, 50)] == [True] * 48
    assert [spend(quotas) for _ in range(91)] == [True] * 90 + [False]


def _counted(database: StateDatabase, key: str = "wide:ten_1") -> int:
    with database.read(None) as session:
        row = session.get(RateWindow, key)
        return 0 if row is None else sum(count for _, count in row.counts)


def test_a_database_that_cannot_be_written_lets_requests_in(
    database: StateDatabase, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise Unavailable("the disk is full")

    quotas = Quotas(database, clock)
    monkeypatch.setattr(database, "write", refuse)

    assert all(spend(quotas) for _ in range(200))


@pytest.mark.slow
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=150))
def test_left_never_lies(tmp_path_factory: pytest.TempPathFactory, waits: list[int]) -> None:
    """`r` requests are said to be left: so many are let in without waiting, and then no more."""
    database = fresh_state(tmp_path_factory.mktemp("quota"))
    clock = SteppedClock(NOON)
    quotas = Quotas(database, clock)
    small = Quota("minute", 20, 60, 250)
    left = 0
    for wait in waits:
        clock.step(timedelta(milliseconds=wait))
        try:
            left = quotas.spend([(small, "k")])[0].left
        except RateLimited:
            left = 0
    more = 0
    while spend(quotas, small, "k"):
        more += 1
    database.close()

    assert more == left


@pytest.mark.slow
def test_over_http(database: StateDatabase, clock: SteppedClock) -> None:
    tenant = ensure_first_tenant(database, clock).id
    other = token_of(database, tenant, Role.READ_ONLY)
    with local_server(
        database=database, clock=clock, rate_per_minute=100, rate_per_day=150
    ) as server:

        def statuses(many: int, send: Callable[[], Any]) -> list[int]:
            return [send().status_code for _ in range(many)]

        def mine() -> Any:
            return server.novaql(query="1")

        def theirs() -> Any:
            bearer = {"Authorization": f"Bearer {other}"}
            return server.client.post("/v1/novaql", json={"query": "1"}, headers=bearer)

        first = mine()
        assert first.headers["ratelimit-policy"] == '"minute";q=100;w=60, "day";q=150;w=86400'
        assert first.headers["ratelimit"].startswith('"minute";r=99;t=60, "day";r=149;t=')
        assert statuses(99, mine) == [200] * 99
        over = mine()
        assert (over.status_code, over.json()["error"]["code"]) == (429, "rate_limited")
        assert over.headers["retry-after"] == "60"
        assert statuses(50, theirs) == [200] * 50
        assert theirs().status_code == 429  # the tenant's day, though this token had half a minute
        clock.step(timedelta(seconds=60))
        assert mine().status_code == 429
        assert server.client.get("/healthz").status_code == 200
        assert server.client.get("/v1/openapi.json").status_code == 200
        assert server.prometheus("labels").status_code == 200  # a bucket of its own
        clock.step(timedelta(days=1))
        assert mine().status_code == 200


def test_guessing_tokens_is_slow(database: StateDatabase) -> None:
    with local_server(database=database, auth_failures_per_minute=5) as server:
        wrong = {"Authorization": "Bearer nova_admin_x"}
        statuses = [server.client.get("/v1/users", headers=wrong).status_code for _ in range(7)]
        right = server.client.get("/v1/users", headers=server.bearer()).status_code

    assert statuses == [401] * 5 + [429] * 2
    assert right == 200


def test_a_request_is_counted_while_another_tenants_transaction_is_open() -> None:
    with local_server(rate_per_minute=100) as server:
        header = server.bearer()
        begun, end = threading.Event(), threading.Event()

        def hold() -> None:
            with server.context.database.write(None):
                begun.set()
                end.wait(30)

        holding = threading.Thread(target=hold)
        holding.start()
        assert begun.wait(30)
        try:
            done = [
                server.client.get("/v1/dashboards", headers=header, timeout=20).status_code
                for _ in range(3)
            ]
        finally:
            end.set()
            holding.join()
    assert done == [200, 200, 200]
