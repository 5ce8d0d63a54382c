"""The limit that the caches of several stores share: `tsdb/runtime/cache_budget.py`."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql import tsdb
from novaql.tsdb.runtime.cache_budget import CacheBudget
from novaql.tsdb.runtime.lru_cache import ByteCache

MIB = 1 << 20
PUTS = st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 300))


def sized(limit: int = 10_000) -> ByteCache[int]:
    """A cache of numbers, which are their own sizes."""
    return ByteCache[int](limit, lambda size: size)


@given(st.integers(0, 1000), st.lists(PUTS, max_size=80))
def test_all_caches_together_have_at_most_its_limit(
    limit: int, puts: list[tuple[int, int, int]]
) -> None:
    caches, budget = [sized() for _ in range(4)], CacheBudget(limit)
    budget.share(caches)
    for number, key, size in puts:
        caches[number].put(key, size)
        assert sum(cache.nbytes for cache in caches) <= limit


def test_the_largest_cache_evicts_its_least_recently_used_values() -> None:
    small, large, budget = sized(), sized(), CacheBudget(1000)
    budget.share([small, large])
    for key in range(10):
        small.put(key, 20)
    for key in range(100):
        large.put(key, 20)
    assert small.nbytes == 200
    assert 600 < large.nbytes <= 800
    assert large.get(99) is not None
    assert large.get(0) is None
    for key in range(100, 200):  # a cache that grows takes its part from one that does not
        small.put(key, 20)
    assert abs(small.nbytes - large.nbytes) <= 40


def test_a_cache_that_is_gone_takes_nothing() -> None:
    gone, left, budget = sized(), sized(), CacheBudget(1000)
    budget.share([gone, left])
    gone.put(0, 900)
    del gone
    gc.collect()
    for key in range(9):
        left.put(key, 100)
    assert left.nbytes == 900


@pytest.mark.slow
def test_stores_share_it(tmp_path: Path) -> None:
    limit = 12 * MIB
    budget = CacheBudget(limit)
    stores = [tsdb.open(tmp_path / str(n), cache_budget=budget) for n in range(3)]
    try:
        for store in stores:
            fill(store)
        first, sums = read(stores[0]), []
        assert 8 * MIB < cached(stores[0]) <= limit
        for store in stores:
            read(store)
            sums.append(sum(map(cached, stores)))
        assert max(sums) <= limit
        assert min(map(cached, stores)) > limit // 8  # none takes it all
        assert read(stores[0]) == first
    finally:
        for store in stores:
            store.close()


METRICS = 20


def fill(store: tsdb.Database) -> None:
    names = [{"__name__": f"m{i % METRICS}", "i": str(i)} for i in range(2000)]
    table, values = tsdb.SeriesTable.from_dicts(names), np.random.default_rng(1).random(2_000_000)
    rows, times = np.repeat(np.arange(2000), 1000), np.tile(np.arange(1000) * 1000, 2000)
    store.append(tsdb.Batch(table, rows, times, values))
    store.flush()


def read(store: tsdb.Database) -> float:
    total = 0.0
    for n in range(METRICS):
        matcher = tsdb.Matcher("__name__", tsdb.MatchOp.EQUAL, f"m{n}")
        for _ in range(2):
            found = store.select([matcher], 0, 999_999)
            total += sum(float(ref.load().values.sum()) for ref in found.batches)
    return total


def cached(store: tsdb.Database) -> int:
    return store.stats().cache.bytes
