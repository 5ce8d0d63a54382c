"""Markers taken out by compiled code: the batch is the one that NumPy makes."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.tsdb.codec.numba.compiled import PAGES
from novaql.tsdb.codec.numba.decoder import CompiledHoles
from novaql.tsdb.model.samples import STALE
from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.read.staleness import split_markers
from novaql.tsdb.runtime.compiled import Mode

pytestmark = pytest.mark.skipif(find_spec("numba") is None, reason="numba is an extra")


@st.composite
def batches(draw: st.DrawFn) -> SeriesBatch:
    """Series that share grids, with markers anywhere."""
    grid_lengths = np.array(draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
    series = st.integers(0, len(grid_lengths) - 1)
    grid = np.sort(np.array(draw(st.lists(series, min_size=1, max_size=8))))
    lengths = grid_lengths[grid]
    values = np.arange(float(lengths.sum()))
    values[0] = np.nan  # a NaN is no marker
    marks = st.lists(st.integers(0, len(values) - 1), max_size=12)
    values[np.array(draw(marks), np.int64)] = STALE
    return SeriesBatch(
        rows=np.arange(len(grid)),
        values=values,
        offsets=np.append(0, np.cumsum(lengths)),
        grid=grid,
        times=np.arange(int(grid_lengths.sum())) * 1000,
        grid_offsets=np.append(0, np.cumsum(grid_lengths)),
    )


@given(batches())
def test_the_same_is_left(batch: SeriesBatch) -> None:
    with PAGES.forced(Mode.ON):
        assert PAGES.ready() is not None

    plain = split_markers(batch)
    found = split_markers(replace(batch, values=batch.values.copy()), CompiledHoles())

    assert found.values.view(np.int64).tolist() == plain.values.view(np.int64).tolist()
    for name in ("rows", "offsets", "grid", "times", "grid_offsets"):
        assert getattr(found, name).tolist() == getattr(plain, name).tolist()
    assert (found.markers is None) == (plain.markers is None)
    if found.markers is not None and plain.markers is not None:
        assert found.markers.offsets.tolist() == plain.markers.offsets.tolist()
        assert found.markers.times.tolist() == plain.markers.times.tolist()
