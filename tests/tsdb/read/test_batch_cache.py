"""What batches leave in the cache: they serve other ranges, and do not push out everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from novaql import tsdb
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Selection

UP = [Matcher("__name__", MatchOp.EQUAL, "up")]
SERIES, SAMPLES = 20, 400


def stored(path: Path, cache_bytes: int) -> tsdb.Database:
    database = tsdb.open(path, cache_bytes=cache_bytes)
    table = SeriesTable.from_dicts([{"__name__": "up", "i": f"{i}"} for i in range(SERIES)])
    rows = np.repeat(np.arange(SERIES), SAMPLES)
    times = np.tile(np.arange(SAMPLES, dtype=np.int64) * 15_000, SERIES)
    database.append(Batch(table, rows, times, np.arange(SERIES * SAMPLES) / 4.0))
    database.flush()
    return database


def load(found: Selection) -> list[tuple[int, float]]:
    assert found.batches is not None
    batches = [ref.load() for ref in found.batches]
    return [(batch.series_count, float(batch.values.sum())) for batch in batches]


def test_a_range_that_moved_on_finds_what_the_one_before_read(tmp_path: Path) -> None:
    with stored(tmp_path / "store", 64 << 20) as database:
        first = load(database.select(UP, 0, 350 * 15_000))
        before = database.stats().cache
        second = load(database.select(UP, 60_000, 354 * 15_000))
        after = database.stats().cache

    assert first == second
    assert after.misses == before.misses
    assert after.entries == before.entries


def test_pages_of_which_most_is_in_a_batch_are_not_kept_twice(tmp_path: Path) -> None:
    with stored(tmp_path / "store", 64 << 20) as database:
        load(database.select(UP, 0, SAMPLES * 15_000))
        assert 8 * SERIES * SAMPLES <= database.stats().cache.bytes < 12 * SERIES * SAMPLES


def test_a_small_part_of_pages_leaves_these(tmp_path: Path) -> None:
    """The next query, a moment later, need not decode them again."""
    with stored(tmp_path / "store", 64 << 20) as database:
        load(database.select(UP, 0, 20 * 15_000))
        assert database.stats().cache.bytes >= 4 * SERIES * SAMPLES


def test_more_than_the_cache_holds_goes_past_it(tmp_path: Path) -> None:
    room = 2 * 4 * SERIES * SAMPLES  # half of it for batches: half of the samples
    with stored(tmp_path / "store", room) as database:
        expected = load(database.select(UP, 0, SAMPLES * 15_000))
        kept = database.stats().cache
        assert kept.bytes < 4 * SERIES * SAMPLES
        assert load(database.select(UP, 0, SAMPLES * 15_000)) == expected


def test_forgetting_pages_leaves_what_was_found(tmp_path: Path) -> None:
    with stored(tmp_path / "store", 64 << 20) as database:
        expected = load(database.select(UP, 0, SAMPLES * 15_000))
        database.clear_pages()
        assert database.stats().cache.entries == 0
        assert load(database.select(UP, 0, SAMPLES * 15_000)) == expected


def test_nothing_is_cached_of_blocks_that_were_merged(tmp_path: Path) -> None:
    """Otherwise the caches hold what no query reads until new entries evict it."""
    with stored(tmp_path / "store", 64 << 20) as database:
        later = np.arange(SAMPLES, 2 * SAMPLES, dtype=np.int64) * 15_000
        row = np.zeros(SAMPLES, np.int64)
        table = SeriesTable.from_dicts([{"__name__": "up", "i": "0"}])
        database.append(Batch(table, row, later, np.zeros(SAMPLES)))
        database.flush()
        expected = load(database.select(UP, 0, 20 * 15_000))
        load(database.select(UP, 0, 2 * SAMPLES * 15_000))
        database.label_values("i", [UP])
        caches = database._reader._by_parts
        assert sum(map(len, caches)) > len(caches)

        assert database.compact().blocks_read > 1
        assert list(map(len, caches)) == [0] * len(caches)
        assert load(database.select(UP, 0, 20 * 15_000)) == expected


def test_plans_and_answers_to_searches_are_within_the_limit_of_the_cache(tmp_path: Path) -> None:
    limit = 64 << 10
    with stored(tmp_path / "store", limit) as database:
        most = 0
        for first in range(0, 200 * 15_000, 15_000):
            load(database.select(UP, first, first + 60_000))
            database.series([UP], first, first + 60_000)
            most = max(most, database.stats().cache.bytes)

    assert limit // 2 < most <= limit
