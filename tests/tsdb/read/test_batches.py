"""Batches hold the samples that their views have, whatever layers these come from."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from novaql import tsdb
from novaql.tsdb.block.paged_stream import PagedStream
from novaql.tsdb.errors import Corrupted
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import STALE, Batch, is_stale
from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.model.source import Selection
from novaql.tsdb.parts import merge_series as union
from novaql.tsdb.parts import ranges as cuts
from novaql.tsdb.parts.lazy_ints import whole
from novaql.tsdb.parts.sorted_run import SortedRun
from novaql.tsdb.read import batches as assemble_batches
from novaql.tsdb.read.staleness import split_markers

Samples = list[tuple[int, int, float]]
FOREVER = 10**6


def of_views(found: Selection) -> tuple[Samples, set[tuple[int, int]]]:
    """Row, time and value of every sample, and row and time of every marker."""
    samples: Samples = []
    markers: set[tuple[int, int]] = set()
    for view in found.views():
        flat = view.ragged()
        assert flat.offsets is not None
        rows = np.repeat(flat.rows, np.diff(flat.offsets))
        stale = is_stale(flat.values)
        for row, time, value, ended in zip(
            rows.tolist(), flat.timestamps.tolist(), flat.values.tolist(), stale, strict=True
        ):
            if ended:
                markers.add((row, time))
            else:
                samples.append((row, time, value))
    return sorted(samples), markers


def of_batches(
    found: Selection, parts: int, *, times_only: bool = False
) -> tuple[Samples, set[tuple[int, int]]]:
    """What the batches hold, or only their times, each taken in so many parts."""
    samples: Samples = []
    markers: set[tuple[int, int]] = set()
    assert found.batches is not None
    loads = [ref.times_only if times_only else ref.load for ref in found.batches]
    assert None not in loads
    for batch in [part for load in loads if load is not None for part in load().parts(parts)]:
        lengths = np.diff(batch.offsets)
        np.testing.assert_array_equal(lengths, np.diff(batch.grid_offsets)[batch.grid])
        times = batch.times[flat_positions(batch.grid_offsets[batch.grid], lengths)]
        rows = np.repeat(batch.rows, lengths)
        samples += zip(rows.tolist(), times.tolist(), batch.values.tolist(), strict=True)
        if batch.markers is not None:
            counts = np.diff(batch.markers.offsets)
            owners = np.repeat(batch.rows, counts).tolist()
            markers |= set(zip(owners, batch.markers.times.tolist(), strict=True))
    return sorted(samples), markers


def within(
    read: tuple[Samples, set[tuple[int, int]]], start_ms: int, end_ms: int
) -> tuple[Samples, set[tuple[int, int]]]:
    """What of it lies in the range: batches may hold more."""
    samples, markers = read
    return (
        [sample for sample in samples if start_ms <= sample[1] <= end_ms],
        {marker for marker in markers if start_ms <= marker[1] <= end_ms},
    )


def named(
    read: tuple[Samples, set[tuple[int, int]]], series: list[dict[str, str]]
) -> tuple[list[Any], list[Any]]:
    """With label sets in place of rows, which stores number each in its own way."""
    samples, markers = read
    names = [sorted(labels.items()) for labels in series]
    return (
        sorted((names[row], time, value) for row, time, value in samples),
        sorted((names[row], time) for row, time in markers),
    )


def check(database: tsdb.Database, start_ms: int, end_ms: int) -> None:
    for matchers in ([], [Matcher("job", MatchOp.EQUAL, "j1")]):
        found = database.select(matchers, start_ms, end_ms)
        samples, markers = of_views(found)
        for parts in (1, 3):
            database.clear_pages()
            without_values = within(of_batches(found, parts, times_only=True), start_ms, end_ms)
            assert within(of_batches(found, parts), start_ms, end_ms) == (samples, markers)
            assert [at for *at, _ in without_values[0]] == [at for *at, _ in samples]
            assert without_values[1] == markers
        assert found.samples >= len(samples) + len(markers)  # late ones may replace others


target = st.tuples(
    st.integers(0, 3),  # which target
    st.lists(st.integers(0, 40), min_size=1, max_size=12, unique=True).map(sorted),
    st.lists(st.sampled_from([0.0, 1.0, 2.0, STALE]), min_size=4, max_size=40),
    st.integers(1, 4),  # how many of its series
)
deletion = st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 40))
actions = st.lists(st.one_of(target, st.just("flush"), deletion), max_size=8)
Action = str | tuple[int, list[int], list[float], int] | tuple[int, int, int]


def apply(database: tsdb.Database, action: Action) -> None:
    match action:
        case (int(number), int(one), int(other)):
            matchers = [Matcher("i", MatchOp.EQUAL, str(number))]
            database.delete([matchers], min(one, other), max(one, other))
        case (int(number), list(times), list(pool), int(series)):
            labels = {"__name__": "m", "job": f"j{number % 2}", "target": f"{number}"}
            database.append(
                Batch(
                    SeriesTable.from_dicts([{**labels, "i": f"{i}"} for i in range(series)]),
                    np.repeat(np.arange(series), len(times)),
                    np.tile(np.array(times, np.int64), series),
                    np.resize(np.array(pool), series * len(times)),
                )
            )
        case _:
            database.flush()


@pytest.mark.slow
@given(actions=actions, start=st.integers(-5, 45), length=st.integers(0, 50))
@settings(max_examples=int(os.environ.get("NOVAQL_BATCH_EXAMPLES", "40")))
def test_the_same_samples_as_views(actions: list[Action], start: int, length: int) -> None:
    """Late samples, markers, deletions, blocks and a head. NOVAQL_BATCH_EXAMPLES=2000 for more."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tsdb.open(Path(folder) / "store", sync="os") as database,
    ):
        for action in actions:
            apply(database, action)
        check(database, -FOREVER, FOREVER)
        check(database, start, start + length)


@pytest.mark.slow
@given(actions=actions, start=st.integers(-5, 45), length=st.integers(0, 50))
@settings(max_examples=int(os.environ.get("NOVAQL_BATCH_EXAMPLES", "40")))
def test_what_is_done_for_many_series_tells_the_same_of_few(
    actions: list[Action], start: int, length: int
) -> None:
    """Positions of few bytes, label sets united a few at a time, small batches."""
    with tsdb.memory() as plain:
        for action in actions:
            apply(plain, action)
        expected = of_views(plain.select([], start, start + length))
        series = plain.select([], start, start + length).series.dicts()
    with (
        tempfile.TemporaryDirectory() as folder,
        tsdb.open(Path(folder) / "store", sync="os", compaction=False) as database,
        patch.object(cuts, "MANY_SERIES", 1),
        patch.object(union, "MOST_WAITING", 0),
        patch.object(assemble_batches, "BATCH_VALUES", 16),
    ):
        for action in actions:
            apply(database, action)
            database.flush()
        check(database, start, start + length)
        found = database.select([], start, start + length)
        assert named(of_views(found), found.series.dicts()) == named(expected, series)


def test_parts_of_one_grid_deleted_in_different_places(tmp_path: Path) -> None:
    """Series of one scrape of which different times were deleted share nothing any more."""
    with tsdb.open(tmp_path / "store") as database:
        times = list(range(2000))
        apply(database, (0, times, [1.0, 2.0, 3.0], 4))
        database.flush()
        apply(database, (1, 0, 500))
        apply(database, (2, 100, 200))
        apply(database, (3, 1500, 1900))
        check(database, -FOREVER, FOREVER)
        check(database, 150, 1700)


def test_a_sketch_reads_values_of_series_with_markers_only(tmp_path: Path) -> None:
    with tsdb.open(tmp_path / "store") as database:
        for target in range(3):
            apply(database, (target, list(range(3000)), [1.5, 0.25, 7.0], 4))
        apply(database, (3, list(range(3000)), [1.0, STALE, 2.0], 4))
        database.flush()
        (block,) = database._state.current.blocks
        run = block.layers()[0].run
        assert isinstance(run, SortedRun)
        assert run.unmarked is not None
        marked = ~run.unmarked(np.arange(16))
        assert marked.sum() == 4
        values = run.values
        assert isinstance(values, PagedStream)
        pages = values.first.searchsorted(whole(run.value_start), side="right") - 1
        (page,) = set(pages.tolist()) - set(pages[marked].tolist())
        path = next((tmp_path / "store" / "blocks").iterdir())
        with path.open("r+b") as file:
            file.seek(values.offset.item(page) + 40)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 4]))
        database.clear_pages()
        found = database.select([Matcher("target", MatchOp.NOT_EQUAL, "3")], 0, 3000)
        assert found.batches is not None
        for ref in found.batches:
            assert ref.times_only is not None
            assert len(ref.times_only().values) == 12 * 3000
            with pytest.raises(Corrupted):
                ref.load()


def test_markers_of_a_grid_at_one_place_leave_it_shared() -> None:
    """A target that went away: its series still share their times."""
    times = np.arange(5, dtype=np.int64)
    values = np.ones((4, 5))
    values[:3, 2] = STALE
    values[3, 1] = values[3, 4] = STALE

    batch = split_markers(SeriesBatch.regular(np.arange(4), times, values))

    assert batch.grid[0] == batch.grid[1] == batch.grid[2] != batch.grid[3]
    assert len(batch.times) == 4 + 3
    assert batch.markers is not None
    assert batch.markers.times.tolist() == [2, 2, 2, 1, 4]
    assert batch.offsets.tolist() == [0, 4, 8, 12, 15]
