"""Series that come and go: a short range of a long block has the series that memory has there."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from novaql import tsdb
from novaql.tsdb import Batch, Matcher, MatchOp, SeriesTable
from novaql.tsdb.block.reader import Block
from novaql.tsdb.index.match import match_rows
from novaql.tsdb.parts.time_index import CACHED_RANGES, SeriesTimeIndex
from novaql.tsdb.runtime.lru_cache import ignored
from tests.support.store.model import Sample, batch_of, key_of, read_all
from tests.support.store.stored_histograms import simple

GENERATIONS, PODS, HOUR_MS = 30, 50, 3_600_000
SPAN_MS = GENERATIONS * HOUR_MS
TIMES = st.integers(-HOUR_MS, SPAN_MS + HOUR_MS)


def floats(number: int) -> Batch:
    """Pods of one hour, with two samples each, half an hour apart."""
    pods = [
        {"__name__": f"m{n % 2}", "node": f"n{n % 3}", "pod": f"pod-{number * PODS + n}"}
        for n in range(PODS)
    ]
    rows = np.repeat(np.arange(PODS), 2)
    times = number * HOUR_MS + np.tile([60_000, 1_860_000], PODS) + rows * 1000
    return Batch(SeriesTable.from_dicts(pods), rows, times, times.astype(np.float64))


def natives(number: int) -> list[Sample]:
    """Of one pod of the hour histograms too, of another one nothing else."""
    at = number * HOUR_MS
    both = {"__name__": "m0", "node": "n0", "pod": f"pod-{number * PODS}"}
    alone = {"__name__": "m0", "node": "n1", "pod": f"native-{number}"}
    return [(both, at + 3_000_000, simple(1, b0=1)), (alone, at + 9, simple(2, b0=2))]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[tsdb.Database, ...]]:
    """The same in memory and in one block."""
    memory = tsdb.memory()
    with tsdb.open(tmp_path_factory.mktemp("lives"), sync="os") as database:
        for number in range(GENERATIONS):
            for one in (memory, database):
                one.append(floats(number))
                one.append(batch_of(natives(number)))
        database.compact()
        yield memory, database


def block_of(database: tsdb.Database) -> Block:
    (part,) = database._state.parts()
    assert isinstance(part, Block)
    return part


matchers = st.lists(
    st.builds(
        Matcher,
        st.sampled_from(["__name__", "node", "pod"]),
        st.sampled_from(list(MatchOp)),
        st.sampled_from(["", "m0", "m1", "m.", "n1", "n1|n2", "pod-.*7", "pod-1499", "native-.*"]),
    ),
    max_size=3,
)


@pytest.mark.slow
@given(matchers, TIMES, TIMES)
@settings(max_examples=150, deadline=None)
def test_a_range_has_the_series_that_memory_has_there(
    stores: tuple[tsdb.Database, ...], some: list[Matcher], one: int, other: int
) -> None:
    start, end = sorted((one, other))
    memory, database = stores
    there = read_all(memory, some, start, end)
    assert read_all(database, some, start, end) == there
    sets = [some] if some else []
    # A series is listed where its first and its last sample are about the range.
    listed = {key_of(labels) for labels in database.series(sets, start, end)}
    assert there.keys() <= listed <= read_all(memory, some).keys()
    pods = set(database.label_values("pod", sets, start, end))
    assert {dict(labels)["pod"] for labels in there} <= pods


@given(matchers, TIMES, st.integers(0, SPAN_MS // 2))
@settings(max_examples=80, deadline=None)
def test_what_is_passed_over_has_nothing_in_the_range(
    stores: tuple[tsdb.Database, ...], some: list[Matcher], start: int, length: int
) -> None:
    block = block_of(stores[1])
    active = block.active_rows(start, start + length)
    every = match_rows(block, some)
    if active is None:
        return
    left = match_rows(block, some, active)
    passed = np.setdiff1d(every, left)
    assert np.isin(left, every).all()
    for layer in block.layers():
        _, series = layer.locate(passed)
        grids = layer.run.grid_of[series]
        low, high = layer.run.window(grids, start, start + length)
        assert (low == high).all()


def test_of_many_hours_one_is_looked_at(stores: tuple[tsdb.Database, ...]) -> None:
    block = block_of(stores[1])
    active = block.active_rows(7 * HOUR_MS + 120_000, 7 * HOUR_MS + 300_000)
    assert active is not None
    assert PODS <= len(active.rows(block.rows)) <= 2 * (PODS + 1)
    assert (
        block.active_rows(7 * HOUR_MS + 121_000, 7 * HOUR_MS + 301_000) is active
    )  # the same slices


def test_long_ranges_and_short_blocks_are_looked_at_whole(
    stores: tuple[tsdb.Database, ...],
) -> None:
    assert block_of(stores[1]).active_rows(0, SPAN_MS) is None
    with tsdb.memory() as memory:
        memory.append(floats(0))
        few = SeriesTimeIndex(0, SPAN_MS, next(iter(memory._state.parts())).layers(), ignored)
    assert few.active_rows(0, 1) is None


def test_ranges_of_long_ago_are_forgotten(stores: tuple[tsdb.Database, ...]) -> None:
    block = block_of(stores[1])
    time_index = SeriesTimeIndex(block.first_ms, block.last_ms, block.layers(), ignored)
    oldest = time_index.active_rows(0, 1)
    for number in range(1, CACHED_RANGES + 1):
        time_index.active_rows(number * HOUR_MS, number * HOUR_MS + 1)
    assert time_index.active_rows(0, 1) is not oldest
