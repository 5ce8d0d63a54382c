"""Merging runs of very many series takes little memory beside the samples."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from novaql.tsdb.head.float_run import FloatRun, FloatSamples, build_run, merge_runs
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.samples import timestamp_groups
from novaql.tsdb.parts.sorted_run import move_pieces

MIB = 1 << 20


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def peak_mib() -> float:
    return tracemalloc.get_traced_memory()[1] / MIB


@pytest.mark.usefixtures("traced")
def test_short_ranges_are_moved_without_the_positions_of_all_numbers() -> None:
    """16 MiB of numbers in ranges of 31 and 33; all positions would be six times as much."""
    lengths = np.tile([31, 33], 1 << 15)
    starts = np.cumsum(lengths) - lengths
    numbers = np.arange(int(lengths.sum()), dtype=np.float64)
    places = starts + 7 * np.arange(len(lengths))
    out = np.full(int(places[-1] + lengths[-1]), -1.0)
    expected = out.copy()
    expected[flat_positions(places, lengths)] = numbers
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0] / MIB
    move_pieces(out, places, numbers, starts, lengths)
    assert peak_mib() - before < 24
    assert (out == expected).all()


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_timestamps_of_many_series_are_grouped_a_portion_at_a_time() -> None:
    """16 MiB of timestamps; what compares all of them at once takes several times as much."""
    series = 1 << 19
    lengths = np.full(series, 4)
    lengths[7::9] = 3
    kind = np.arange(series) % 5
    offsets = np.append(0, np.cumsum(lengths))
    step = np.arange(int(offsets[-1])) - np.repeat(offsets[:-1], lengths)
    times = 15_000 * step + np.repeat(kind, lengths)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0] / MIB
    group, _ = timestamp_groups(times, offsets, lengths)
    assert peak_mib() - before < 64
    expected = 2 * kind + (lengths == 3)
    pairs = np.unique(np.column_stack([group, expected]), axis=0)
    assert len(pairs) == len(np.unique(group)) == len(np.unique(expected)) == 10


def run(series: int, scrapes: range) -> FloatRun:
    """Every seventh series lacks the first scrape."""
    ids = np.tile(np.arange(series), len(scrapes))
    times = np.repeat(15_000 * np.array(scrapes), series)
    some = ~((ids % 7 == 0) & (times == times[0]))
    return build_run(*FloatSamples(ids, times, np.sin(ids + times)).take(some))


@pytest.mark.usefixtures("traced")
def test_a_merge_takes_its_result_and_little_more() -> None:
    older, newer = run(60_000, range(24)), run(60_000, range(24, 32))
    result_mib = 8 * (older.samples + newer.samples) / MIB
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0] / MIB
    merged = merge_runs(older, newer)
    assert merged.samples == older.samples + newer.samples
    assert peak_mib() - before < 3.6 * result_mib
