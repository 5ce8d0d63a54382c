"""A few samples that are written over and over take the memory of a few."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.model.histograms import Buckets, Histograms
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch, HistogramSamples
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS

MB = 1 << 20
ROWS = 100_000
SERIES = SeriesTable.from_dicts([{"__name__": "m", "i": str(number)} for number in range(10)])
INDEX = np.arange(ROWS) % 10
NOTHING = np.zeros(0, np.int64)


def floats(value: float, first_ms: int = 0, step_ms: int = 0) -> Batch:
    times = first_ms + step_ms * (np.arange(ROWS) // 10)
    return Batch(SERIES, INDEX, times, np.full(ROWS, value))


def histograms(value: float) -> Batch:
    zero, small = np.zeros(ROWS), np.zeros(ROWS, np.int8)
    held = Histograms(
        small, small, zero, np.full(ROWS, value), zero, zero, Buckets.none(ROWS),
        Buckets.none(ROWS), np.full(ROWS, -1, np.int32),
    )  # fmt: skip
    native = HistogramSamples(INDEX, np.zeros(ROWS, np.int64), held)
    return Batch(SERIES, NOTHING, NOTHING, np.zeros(0), native)


@pytest.mark.slow
@pytest.mark.parametrize("on_disk", [True, False])
def test_floats(tmp_path: Path, on_disk: bool) -> None:
    store = tsdb.open(tmp_path, sync="os") if on_disk else tsdb.memory()
    tracemalloc.start()
    try:
        for value in range(60):  # 137 MiB of ids, times and values
            store.append(floats(float(value)))
        assert tracemalloc.get_traced_memory()[1] < 100 * MB
    finally:
        tracemalloc.stop()
    found = store.select([], MIN_TIME_MS, MAX_TIME_MS)
    assert found.samples == 10
    assert {v for view in found.views() for v in view.values.ravel().tolist()} == {59.0}
    assert store.append(floats(60.0)).duplicates == ROWS
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("on_disk", [True, False])
def test_histograms(tmp_path: Path, on_disk: bool) -> None:
    store = tsdb.open(tmp_path, sync="os") if on_disk else tsdb.memory()
    tracemalloc.start()
    try:
        for value in range(30):  # 180 MiB
            store.append(histograms(float(value)))
        assert tracemalloc.get_traced_memory()[1] < 130 * MB
    finally:
        tracemalloc.stop()
    found = store.select([], MIN_TIME_MS, MAX_TIME_MS)
    assert found.samples == 10
    sums = {v for ref in found.histograms for v in ref.load().histograms.sum.tolist()}
    assert sums == {29.0}
    store.close()


def test_other_samples_between_them_stay(tmp_path: Path) -> None:
    with tsdb.open(tmp_path, sync="os") as store:
        for value in range(16):
            store.append(floats(float(value)))
            if value % 8 == 0:
                store.append(floats(-1.0, first_ms=-20_000_000 * (value + 1), step_ms=1000))
        views = store.select([], MIN_TIME_MS, MAX_TIME_MS).views()
        assert sum(view.values.size for view in views) == 10 + 2 * ROWS
