"""What is read of the indexes of blocks counts as cached, and is bounded with it."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb import Batch, Matcher, MatchOp, SeriesTable
from novaql.tsdb.block.reader import Block
from novaql.tsdb.runtime.lru_cache import CALLS_SINCE_USE, CALLS_UNTIL_UNUSED

BLOCKS = 6
SERIES = 4000
DAY_MS = 86_400_000
SOME = [Matcher("pod", MatchOp.REGEX, "web-.*7")]
ALL = [Matcher("__name__", MatchOp.EQUAL, "up")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of some blocks, each of which has other series."""
    with tsdb.open(tmp_path / "store") as database:
        for day in range(BLOCKS):
            labels = [
                {"__name__": "up", "job": f"job-{n % 7}", "pod": f"web-{day}-{n}"}
                for n in range(SERIES)
            ]
            rows = np.arange(SERIES)
            times = np.full(SERIES, day * DAY_MS) + rows % 50 * 1000
            database.append(Batch(SeriesTable.from_dicts(labels), rows, times, np.ones(SERIES)))
            database.flush()
        assert len(database.blocks()) == BLOCKS
    return tmp_path / "store"


def blocks_of(database: tsdb.Database) -> tuple[Block, ...]:
    return database._state.current.blocks


def read_some(database: tsdb.Database, day: int, matchers: list[Matcher] = SOME) -> int:
    found = database.select(matchers, day * DAY_MS, day * DAY_MS + DAY_MS // 2)
    return sum(len(ref.load().rows) for ref in found.batches)


def read_all(database: tsdb.Database) -> int:
    return sum(read_some(database, day, ALL) for day in range(BLOCKS))


def test_an_index_counts_as_cached(folder: Path) -> None:
    with tsdb.open(folder, read_only=True) as database:
        indexes = database._state.indexes
        assert indexes.nbytes == 0
        assert read_some(database, 0) == SERIES // 10
        of_one = indexes.nbytes
        # two codes of 2 bytes, a text of 10 bytes at an offset of 8 bytes
        assert 15 * SERIES < of_one < 100 * SERIES
        assert read_some(database, 0) == SERIES // 10
        assert indexes.nbytes == of_one
        read_some(database, 1)
        assert indexes.nbytes == pytest.approx(2 * of_one, rel=0.05)
        assert database.stats().cache.bytes > 2 * of_one


def test_an_index_is_as_large_as_what_was_read(folder: Path) -> None:
    with tsdb.open(folder, read_only=True) as database:
        block = blocks_of(database)[0]
        indexes = database._state.indexes
        assert block.layers()
        few = indexes.nbytes
        assert few < SERIES
        pod = block.column("pod")
        assert pod is not None
        pod.texts(np.arange(pod.distinct))
        assert few + 10 * SERIES < indexes.nbytes < few + 24 * SERIES
        texts = indexes.nbytes
        block.verify_index()
        assert indexes.nbytes > texts + 6 * SERIES


def test_indexes_of_many_blocks_stay_below_the_limit(folder: Path) -> None:
    limit = 200_000  # one index, and some samples
    with tsdb.open(folder, read_only=True, cache_bytes=limit) as database:
        held = []
        for _ in range(2):
            for day in range(BLOCKS):
                assert read_some(database, day) == SERIES // 10
                assert database.stats().cache.bytes <= limit
                held.append(len(database._state.indexes))
        assert max(held) < BLOCKS
        assert read_all(database) == BLOCKS * SERIES


def test_threads_evict_the_indexes_that_others_read(folder: Path) -> None:
    with tsdb.open(folder, read_only=True, cache_bytes=100_000) as database:

        def run(number: int) -> set[int]:
            return {read_some(database, (number + day) % BLOCKS) for day in range(5 * BLOCKS)}

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(run, range(4))) == 4 * [{SERIES // 10}]
        assert database.stats().cache.bytes <= 100_000


@pytest.mark.parametrize("limit", [0, 1, 1000])
def test_a_store_with_hardly_any_cache_answers(folder: Path, limit: int) -> None:
    with tsdb.open(folder, read_only=True, cache_bytes=limit) as database:
        assert read_all(database) == BLOCKS * SERIES
        assert read_some(database, 3) == SERIES // 10
        assert database.label_values("job") == [f"job-{n}" for n in range(7)]
        assert database.stats().cache.bytes <= limit
        assert len(database._state.indexes) <= 1


@pytest.mark.parametrize("uses", [1, 2])
def test_an_unused_index_is_released(folder: Path, uses: int) -> None:
    with tsdb.open(folder, read_only=True) as database:
        calls = CALLS_UNTIL_UNUSED
        read_some(database, 0)
        index = weakref.ref(blocks_of(database)[0]._index())
        if uses > 1:
            calls = CALLS_SINCE_USE
            database.release_unused()
            read_some(database, 0)
        for _ in range(calls):
            database.release_unused()
        assert index() is not None
        database.release_unused()
        gc.collect()
        assert index() is None
        assert database._state.indexes.nbytes == 0
        assert read_some(database, 0) == SERIES // 10


def test_a_reader_may_use_an_index_that_was_evicted(folder: Path) -> None:
    with tsdb.open(folder, read_only=True) as database:
        block = blocks_of(database)[0]
        pod = block.column("pod")
        assert pod is not None
        database.clear_cache()
        pod.texts(np.arange(pod.distinct))
        assert database._state.indexes.nbytes == 0
        again = block.column("pod")
        assert again is not None
        assert again is not pod
        small = database._state.indexes.nbytes
        pod.codes_of(np.arange(SERIES))  # the evicted one grows, which does not count
        assert database._state.indexes.nbytes == small


def test_a_compaction_evicts_the_indexes_of_its_blocks(folder: Path) -> None:
    with tsdb.open(folder) as database:
        read_all(database)
        before = set(database._state.indexes._entries)
        assert len(before) == BLOCKS
        database.delete([ALL], 0, DAY_MS // 2)
        database.clean_tombstones()
        names = {block.identity for block in blocks_of(database)}
        left = {key[0] for key in database._state.indexes._entries}  # type: ignore[index]
        assert left <= names
        assert len(left) < BLOCKS


def test_a_forgotten_store_holds_no_index(folder: Path) -> None:
    """Without a collection of garbage, which might come late."""
    database = tsdb.open(folder, read_only=True)
    read_some(database, 0)
    index = weakref.ref(blocks_of(database)[0]._index())
    gc.collect()
    gc.disable()
    try:
        del database
        assert index() is None
    finally:
        gc.enable()
