"""Work off the event loop: answered, bounded, forgotten by who leaves, waited for at the end."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import weakref
from functools import partial

import pytest

from novaql.server.pools.pool import Pool
from novaql.server.pools.precedence import FairCancellation


def test_an_answer_and_an_error_come_to_whoever_waits() -> None:
    async def look() -> None:
        pool = Pool(2, "look")
        names = [await pool.run(lambda: threading.current_thread().name) for _ in range(3)]
        assert set(names) <= {"look_0", "look_1"}
        with pytest.raises(KeyError, match="MISSING"):
            await pool.run(lambda: os.environ["MISSING"])
        assert pool.inside == 0
        pool.close(forget=True)

    asyncio.run(look())


def test_the_one_error_that_no_future_takes_is_told_as_another() -> None:
    async def look() -> None:
        pool = Pool(1, "look")
        with pytest.raises(RuntimeError, match="StopIteration") as told:
            await asyncio.wait_for(pool.run(lambda: next(iter(()))), 5)
        assert isinstance(told.value.__cause__, StopIteration)
        pool.close(forget=True)

    asyncio.run(look())


def test_no_more_run_at_once_than_there_are_threads() -> None:
    async def look() -> None:
        pool = Pool(2, "look")
        lock, most, now = threading.Lock(), 0, 0

        def work(number: int) -> int:
            nonlocal most, now
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.02)
            with lock:
                now -= 1
            return number

        begun = [pool.run(partial(work, n)) for n in range(6)]
        assert pool.inside == 6
        assert await asyncio.gather(*begun) == [0, 1, 2, 3, 4, 5]
        assert most == 2
        pool.close(forget=True)

    asyncio.run(look())


def test_work_goes_on_when_nobody_waits_for_it_any_more() -> None:
    async def look() -> None:
        pool = Pool(1, "look")
        go_on, ended = threading.Event(), asyncio.Event()
        left = pool.run(go_on.wait, ended=ended.set)
        left.cancel()
        failed = pool.run(lambda: 1 // 0)
        failed.set_exception(TimeoutError())
        assert pool.inside == 2  # its place is taken until it ends
        go_on.set()
        await asyncio.wait_for(ended.wait(), 10)
        with pytest.raises(TimeoutError):
            await failed
        assert await pool.run(lambda: 7) == 7
        assert pool.inside == 0
        pool.close(forget=True)

    asyncio.run(look())


@pytest.mark.parametrize("forget", [True, False])
def test_closing_waits_for_what_runs_and_forgets_what_waits_if_told_so(forget: bool) -> None:
    async def look() -> None:
        pool = Pool(1, "look")
        begun, go_on, done = threading.Event(), threading.Event(), []

        def slow() -> None:
            begun.set()
            go_on.wait(10)
            done.append("first")

        first = pool.run(slow)
        second = pool.run(lambda: done.append("second"))
        await asyncio.to_thread(begun.wait, 10)
        closing = asyncio.create_task(asyncio.to_thread(pool.close, forget=forget))
        await asyncio.sleep(0.05)
        assert not closing.done()
        go_on.set()
        await asyncio.wait_for(closing, 10)
        await first
        await asyncio.wait({second}, timeout=10)
        assert second.cancelled() == forget
        assert done == (["first"] if forget else ["first", "second"])
        with pytest.raises(RuntimeError, match="no work is taken"):
            pool.run(lambda: 1)

    asyncio.run(look())


def test_a_loop_that_is_over_is_told_nothing() -> None:
    pool = Pool(1, "look")
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(10)

    async def leave() -> None:
        pool.run(slow)
        await asyncio.to_thread(begun.wait, 10)

    asyncio.run(leave())
    go_on.set()

    async def come_again() -> int:
        return await pool.run(lambda: 7)

    assert asyncio.run(come_again()) == 7  # the thread has lived on
    pool.close(forget=True)


def test_each_thread_is_prepared_once() -> None:
    """The executor may start a third thread, and give it no work."""

    def work() -> str:
        time.sleep(0.02)
        return threading.current_thread().name

    async def look() -> None:
        prepared: list[str] = []
        pool = Pool(2, "look", lambda: prepared.append(threading.current_thread().name))
        used: set[str] = set()
        for _ in range(2):
            used |= set(await asyncio.gather(*[pool.run(work) for _ in range(2)]))
        assert len(prepared) == len(set(prepared))
        assert used
        assert used <= set(prepared)
        pool.close(forget=True)

    asyncio.run(look())


def test_what_failed_work_held_is_freed_while_its_error_is_held() -> None:
    held: list[weakref.ref[object]] = []

    class Large:
        pass

    def work() -> None:
        large, error = Large(), ValueError("a cycle: its frame holds it")
        held.append(weakref.ref(large))
        raise error from KeyError("the cause")

    async def look() -> ValueError:
        pool = Pool(1, "look")
        try:
            await pool.run(work)
        except ValueError as problem:
            return problem
        finally:
            pool.close(forget=True)
        raise AssertionError

    error = asyncio.run(look())
    assert held[0]() is None
    assert str(error.__cause__) == "'the cause'"


def test_what_work_held_is_freed_without_a_collection() -> None:
    """Although the cancellation of a query refers to its place, and the place to the query."""

    class Query:
        def __init__(self) -> None:
            self.cancellation = FairCancellation()

        def run(self) -> None:
            self.cancellation.begin()

    async def look() -> weakref.ref[Query]:
        pool, query = Pool(1, "look"), Query()
        await pool.run(query.run)
        pool.close(forget=True)
        return weakref.ref(query)

    gc.disable()
    try:
        held = asyncio.run(look())
        assert held() is None
    finally:
        gc.enable()
