"""Memory is used again, and never while anything can see it."""

from __future__ import annotations

import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from novaql.tsdb.runtime.buffer_pool import MIN_BYTES, BufferPool

pytestmark = pytest.mark.slow

COUNT = MIN_BYTES // 8 + 5


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def test_what_an_array_leaves_is_taken_by_the_next_one_of_its_size() -> None:
    pool = BufferPool()
    first = pool.floats(COUNT)
    at = address(first)
    del first
    gc.collect()
    assert pool.retained_bytes >= 8 * COUNT

    second = pool.ints(COUNT - 1)

    assert address(second) == at
    assert pool.retained_bytes == 0


def test_arrays_of_nearly_one_size_take_turns_in_one_room() -> None:
    pool = BufferPool()
    largest = pool.floats(COUNT + COUNT // 5)
    at = address(largest)
    del largest
    gc.collect()
    kept = pool.retained_bytes
    for count in range(COUNT, COUNT + COUNT // 5, COUNT // 40):
        array = pool.floats(count)
        assert address(array) == at
        assert len(array) == count
        del array
        gc.collect()
    assert pool.retained_bytes == kept


def test_a_room_is_not_wasted_on_a_much_smaller_array() -> None:
    pool = BufferPool()
    large = pool.floats(2 * COUNT)
    del large
    gc.collect()
    kept = pool.retained_bytes
    array = pool.floats(COUNT)
    assert pool.retained_bytes == kept
    assert len(array) == COUNT


def test_what_no_array_took_for_a_while_is_released() -> None:
    pool = BufferPool()
    small, large = pool.floats(COUNT), pool.floats(8 * COUNT)
    del small, large
    gc.collect()
    retained = pool.retained_bytes
    assert pool.release_unused() == 0  # they were in use since the pool began

    again = pool.floats(COUNT)
    of_small = retained - pool.retained_bytes
    del again
    gc.collect()
    assert pool.release_unused() == retained - of_small
    assert pool.retained_bytes == of_small

    assert pool.release_unused() == of_small
    assert pool.retained_bytes == pool.release_unused() == 0
    assert len(pool.floats(COUNT)) == COUNT


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[3:],
        lambda a: a.view(np.int64)[::2],
        lambda a: a[: COUNT // 2 * 2].reshape(2, -1).T,
        lambda a: memoryview(a),
        lambda a: np.frombuffer(a, np.uint8),
        lambda a: np.ndarray((4,), np.float64, a, offset=8),
    ],
    ids=["slice", "bits", "matrix", "memory", "bytes", "strides"],
)
def test_a_view_keeps_the_room(view) -> None:  # type: ignore[no-untyped-def]
    pool = BufferPool()
    array = pool.floats(COUNT)
    seen = view(array)
    del array
    gc.collect()
    assert pool.retained_bytes == 0

    del seen
    gc.collect()
    assert pool.retained_bytes >= 8 * COUNT


def test_no_more_than_allowed_is_kept() -> None:
    pool = BufferPool(max_retained=20 * COUNT)
    arrays = [pool.floats(COUNT) for _ in range(5)]
    del arrays
    gc.collect()

    assert 8 * COUNT <= pool.retained_bytes <= 20 * COUNT


def test_small_arrays_have_memory_of_their_own() -> None:
    pool = BufferPool()
    pool.floats(10)

    assert pool.retained_bytes == 0
    assert len(pool.ints(0)) == 0


def test_threads_never_share_a_room() -> None:
    pool = BufferPool()

    def use(number: int) -> bool:
        good = True
        for turn in range(200):
            array = pool.floats(COUNT + turn % 3)
            array[:] = number
            good = good and bool((array == number).all())
        return good

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(use, range(4)))


def test_an_array_that_goes_while_a_room_is_looked_for_is_noted() -> None:
    """A finalizer may run between any two steps of the thread that holds the lock."""
    pool = BufferPool()
    pool._release(COUNT, memoryview(bytearray(8 * COUNT)))

    class Wanted(int):
        def __rsub__(self, size: int) -> int:
            pool._release(3 * COUNT + len(pool._free), memoryview(bytearray(8)))
            return size - int(self)

    words, _ = pool._acquire(Wanted(COUNT))

    assert words == COUNT
    assert len(pool._free[3 * COUNT + 1]) == 1


def test_a_process_forked_while_a_room_is_taken_has_rooms_too() -> None:
    program = """
import os, signal, threading
from novaql.tsdb.runtime.buffer_pool import BUFFERS
held, over = threading.Event(), threading.Event()

def hold():
    with BUFFERS._lock:
        held.set()
        over.wait(60)

threading.Thread(target=hold).start()
held.wait(60)
child = os.fork()
if child == 0:
    signal.alarm(60)  # ends a child that waits for ever
    os._exit(0 if len(BUFFERS.floats(1 << 20)) == 1 << 20 else 1)
status = os.waitpid(child, 0)[1]
over.set()
raise SystemExit(os.waitstatus_to_exitcode(status))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
