"""Batches that no query uses again take a share of the cache, and others stay."""

from __future__ import annotations

import sys
import threading
from unittest import mock

import numpy as np

from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.read.batch_cache import SMALL_BYTES, UNUSED_S, UNUSED_SHARE, BatchCache

COUNT = 12
CLOCK = "novaql.tsdb.read.batch_cache.time.monotonic"


def batch(size: int = SMALL_BYTES) -> SeriesBatch:
    count = size // 8
    none = np.zeros(0, np.int64)
    return SeriesBatch.regular(np.zeros(1, np.int64), none, np.zeros((1, count)))


def cache_for(unused: int) -> BatchCache:
    """One whose share holds so many unused batches."""
    return BatchCache(unused * batch().nbytes * UNUSED_SHARE)


def test_unused_batches_take_their_share() -> None:
    cache = cache_for(3)
    for number in range(COUNT):
        with mock.patch(CLOCK, return_value=number * UNUSED_S):
            cache.put(number, batch())
        assert len(cache) <= 3
    assert [number for number in range(COUNT) if number in cache] == [9, 10, 11]


def test_used_batches_stay_beside_them() -> None:
    cache = cache_for(2)
    for number in range(COUNT):
        with mock.patch(CLOCK, return_value=number * UNUSED_S):
            cache.put(number, batch())
            assert cache.get(number) is not None
    assert len(cache) == 2 * UNUSED_SHARE == COUNT


def test_a_query_of_more_than_the_share_finds_all_at_the_end() -> None:
    """Each run of it, one after the other, finds what the one before did, and more."""
    cache = cache_for(2)
    with mock.patch(CLOCK, return_value=0.0):
        found = []
        for _ in range(7):
            found.append(0)
            for number in range(COUNT - 2):
                if cache.get(number) is not None:
                    found[-1] += 1
                else:
                    cache.put(number, batch())
    assert found == [0, 2, 10, 10, 10, 10, 10]


def test_a_refused_batch_is_cached_when_it_is_needed_again() -> None:
    """A query repeated right after a large one is not slow until the large one's batch is old."""
    cache = cache_for(2)
    with mock.patch(CLOCK, return_value=0.0):
        cache.put("large", batch(2 * SMALL_BYTES))
        cache.put("repeated", batch())
        assert "repeated" not in cache
        cache.put("repeated", batch())
        assert "repeated" in cache
        assert "large" in cache
        for number in range(COUNT):  # each of another range, as of a panel that moves on
            cache.put(number, batch())
        assert not any(number in cache for number in range(COUNT))


def test_one_that_is_larger_than_the_share_is_cached() -> None:
    cache = cache_for(1)
    cache.put("large", batch(2 * SMALL_BYTES))
    assert "large" in cache


def test_threads_put_and_find_batches() -> None:
    cache, one = cache_for(64), batch()
    recent, putting, failed = [0] * 64, [1, 2], list[BaseException]()

    def put(first: int) -> None:
        try:
            for number in range(first, first + 2_000):
                cache.put(number, one)
                if number in cache:
                    recent[number % 64] = number
        except RuntimeError as problem:
            failed.append(problem)
        putting.pop()

    def find() -> None:
        while putting:
            for number in recent:
                cache.get(number)

    threads = [threading.Thread(target=put, args=(number,)) for number in (0, 1 << 20)]
    threads += [threading.Thread(target=find) for _ in range(2)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not failed


def test_keys_of_batches_of_heads_go_with_the_batches() -> None:
    cache = BatchCache(8 * batch().nbytes)
    for number in range(1_000):
        cache.put_of_heads(("series", number), number, batch())

    assert len(cache) == 8
    assert len(cache._of_heads) <= 2 * len(cache) + 65
