"""Values of one time are cached until others replace them, or a client writes samples."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from novaql.errors import NovaqlError
from novaql.server.cache.measurements import (
    Found,
    Measured,
    MeasurementCache,
    Measurements,
    Run,
)

BEGIN = datetime(2026, 4, 1, tzinfo=UTC)
FOR_S = 5


class Asked:
    """One tenant's measurements, asked for at seconds after the beginning."""

    def __init__(self, seconds: float = FOR_S) -> None:
        self.cache = MeasurementCache(seconds)
        self.measured: list[tuple[str, int]] = []
        self.broken: set[str] = set()
        self.stored = 0

    def measure(self, expr: str, at: datetime) -> Found:
        seconds = (at - BEGIN).seconds
        self.measured.append((expr, seconds))
        if expr in self.broken:
            raise NovaqlError("broken")
        return [Measured({}, float(seconds))], ()

    async def run(self, work: Callable[[], object]) -> object:
        return work()

    async def refreshed(self, seconds: float) -> None:
        """Wait until the background task of that time has ended, if one has begun."""
        self.cache.refresh("t", _time(seconds), self.run, stored=self.stored)
        await asyncio.gather(*self.cache._tasks)

    def value(self, seconds: float, expr: str = "a", tenant: str = "t") -> float:
        found, _ = self.cache.at(tenant, _time(seconds), stored=self.stored).of(expr, self.measure)
        return found[0].value


def _time(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def _held_until(go: asyncio.Event) -> Run:
    """A runner whose work has been done before, but which returns only after the event."""

    async def held(work: Callable[[], object]) -> object:
        done = work()
        await go.wait()
        return done

    return held


def test_values_are_of_one_time() -> None:
    asked = Asked()
    assert [asked.value(0, "a"), asked.value(4, "b"), asked.value(4, "a")] == [0, 0, 0]
    assert asked.measured == [("a", 0), ("b", 0)]


def test_expired_values_are_returned_until_a_background_task_has_replaced_them() -> None:
    async def replace() -> None:
        asked = Asked()
        assert [asked.value(0, "a"), asked.value(1, "b")] == [0, 0]
        await asked.refreshed(4)
        assert asked.measured == [("a", 0), ("b", 0)]
        before = asked.cache.version("t", _time(6))
        assert asked.value(6, "a") == 0
        await asked.refreshed(6)
        assert asked.measured == [("a", 0), ("b", 0), ("a", 6), ("b", 6)]
        assert [asked.value(7, "a"), asked.value(7, "b")] == [6, 6]
        assert asked.cache.version("t", _time(7)) != before
        assert len(asked.measured) == 4

    asyncio.run(replace())


def test_only_what_was_read_is_evaluated_again() -> None:
    async def replace() -> None:
        asked = Asked()
        assert [asked.value(0, "a"), asked.value(0, "b")] == [0, 0]
        await asked.refreshed(6)
        assert asked.value(7, "a") == 6
        await asked.refreshed(11)
        assert asked.measured[4:] == [("a", 11)]
        assert [asked.value(12, "a"), asked.value(12, "b")] == [11, 11]

    asyncio.run(replace())


def test_one_background_task_runs_at_a_time_and_requests_do_not_wait_for_it() -> None:
    async def replace() -> None:
        asked, go = Asked(), asyncio.Event()
        assert asked.value(0) == 0

        async def held(work: Callable[[], object]) -> object:
            await go.wait()
            return work()

        for seconds in (5, 6, 7):
            asked.cache.refresh("t", _time(seconds), held)
            await asyncio.sleep(0)
            assert asked.value(seconds) == 0
        assert len(asked.cache._tasks) == 1
        go.set()
        await asked.refreshed(8)
        assert asked.value(8) == 5
        assert asked.measured == [("a", 0), ("a", 5)]

    asyncio.run(replace())


def test_values_are_returned_for_twice_the_time_at_most() -> None:
    asked = Asked()
    assert [asked.value(0), asked.value(9)] == [0, 0]
    assert asked.value(10) == 10


def test_a_slow_background_task_is_overtaken_by_requests() -> None:
    async def replace() -> None:
        asked, go = Asked(), asyncio.Event()
        assert [asked.value(0, "a"), asked.value(0, "b")] == [0, 0]

        asked.cache.refresh("t", _time(5), _held_until(go))
        await asyncio.sleep(0)
        assert [asked.value(10, "a"), asked.value(10, "b")] == [5, 5]
        go.set()
        await asyncio.gather(*asked.cache._tasks)
        assert asked.measured == [("a", 0), ("b", 0), ("a", 5), ("b", 5)]

    asyncio.run(replace())


def test_a_background_task_that_is_too_slow_replaces_no_newer_values() -> None:
    async def replace() -> None:
        asked, go = Asked(), asyncio.Event()
        assert asked.value(0) == 0

        asked.cache.refresh("t", _time(5), _held_until(go))
        await asyncio.sleep(0)
        assert asked.value(16) == 16
        go.set()
        await asyncio.gather(*asked.cache._tasks)
        assert asked.value(17) == 16

    asyncio.run(replace())


def test_a_write_ends_the_background_task_and_its_values() -> None:
    async def replace() -> None:
        asked = Asked()
        assert [asked.value(0, "a"), asked.value(0, "b")] == [0, 0]

        async def writing(work: Callable[[], object]) -> object:
            done = work()
            asked.cache.note_write("t")
            return done

        asked.cache.refresh("t", _time(6), writing)
        await asyncio.gather(*asked.cache._tasks)
        assert asked.measured[2:] == [("a", 6)]
        assert asked.value(7, "a") == 7
        await asked.refreshed(12)
        assert asked.value(12, "a") == 12

    asyncio.run(replace())


def test_a_failure_in_the_background_is_raised_by_the_request_that_reads_the_value() -> None:
    async def replace() -> None:
        asked = Asked()
        assert [asked.value(0, "a"), asked.value(0, "b")] == [0, 0]
        asked.broken = {"a"}
        await asked.refreshed(6)
        assert asked.value(6, "b") == 6
        with pytest.raises(NovaqlError):
            asked.value(7, "a")
        asked.broken = set()
        assert asked.value(8, "a") == 6

    asyncio.run(replace())


def test_without_reads_values_expire_at_once() -> None:
    asked = Asked()
    assert asked.cache.version("t", _time(0)) == (BEGIN, 0)
    assert asked.cache.version("t", _time(5)) == (_time(5), 0)


def test_closing_ends_the_background_task() -> None:
    async def replace() -> None:
        asked = Asked()
        assert asked.value(0) == 0

        async def forever(_: Callable[[], object]) -> object:
            return await asyncio.Event().wait()

        asked.cache.refresh("t", _time(6), forever)
        await asyncio.sleep(0)
        (task,) = asked.cache._tasks
        asked.cache.close()
        await asyncio.wait({task})
        assert task.cancelled()
        assert not asked.cache._next

    asyncio.run(replace())


def test_a_write_of_a_client_ends_the_time() -> None:
    asked = Asked()
    before = asked.cache.version("t", _time(0))
    assert asked.value(0) == 0
    asked.cache.note_write("t")
    assert asked.cache.version("t", _time(1)) != before
    assert asked.value(1) == 1
    asked.cache.note_write("other")
    assert asked.value(2) == 1


def test_after_a_scrape_values_are_returned_for_a_shorter_time() -> None:
    async def replace() -> None:
        asked = Asked(20)
        assert [asked.value(0), asked.value(12)] == [0, 0]
        await asked.refreshed(12)
        assert asked.measured == [("a", 0)]
        asked.stored += 1
        assert asked.value(0) == 0
        await asked.refreshed(4)
        assert asked.measured == [("a", 0)]
        await asked.refreshed(5)
        assert asked.measured == [("a", 0), ("a", 5)]
        assert asked.value(12) == 5  # nothing was written since
        asked.stored += 1
        assert asked.value(14) == 5
        assert asked.value(15) == 15

    asyncio.run(replace())


def test_scrapes_each_second_cost_one_evaluation_in_five_seconds() -> None:
    async def poll() -> None:
        asked = Asked(15)
        for second in range(60):
            asked.stored += 1
            asked.value(second)
            await asked.refreshed(second)
        assert [at for _, at in asked.measured] == list(range(0, 60, 5))

    asyncio.run(poll())


def test_tenants_are_apart_and_zero_shares_nothing() -> None:
    asked, never = Asked(), Asked(0)
    assert [asked.value(0), asked.value(3, tenant="u")] == [0, 3]
    assert [never.value(0), never.value(1)] == [0, 1]
    assert never.cache.version("t", _time(0)) is None


def test_a_clock_that_is_set_back_is_believed() -> None:
    asked = Asked()
    assert asked.value(8) == 8
    assert asked.value(7) == 7


def test_a_failure_is_not_shared() -> None:
    asked = Asked()
    asked.broken = {"a"}
    with pytest.raises(NovaqlError):
        asked.value(0)
    asked.broken = set()
    assert asked.value(1) == 0


def test_threads_that_ask_for_the_same_measure_once() -> None:
    known, both = Measurements(BEGIN), threading.Barrier(4)
    measured = []

    def measure(expr: str, _: datetime) -> Found:
        measured.append(expr)
        threading.Event().wait(0.05)
        return [], ()

    def ask() -> None:
        both.wait(10)
        known.of("a", measure)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert measured == ["a"]
