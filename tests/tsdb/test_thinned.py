"""A layer without some of its samples says what is left, and nothing else."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from tests.support.stored_histograms import histograms_of, natives_of, simple
from tsdb.head.head import Head
from tsdb.head.native import NativeSamples, build_native
from tsdb.head.run import build_run
from tsdb.part import Layer
from tsdb.stratum import NativeStratum, Stratum
from tsdb.thinned import thinned
from tsdb.tombstones import Intervals

SERIES = 6
samples = st.sets(st.tuples(st.integers(0, SERIES - 1), st.integers(0, 25)), min_size=1)
spans = st.lists(
    st.tuples(st.integers(0, SERIES), st.integers(0, 25), st.integers(0, 25)), max_size=8
)


def columns(pairs: set[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    ordered = sorted(pairs)
    return np.array([n for n, _ in ordered]), np.array([t for _, t in ordered])


@given(samples, spans, st.booleans())
@settings(deadline=None)
def test_what_is_left_is_what_was_not_deleted(
    pairs: set[tuple[int, int]], gone: list[tuple[int, int, int]], with_starts: bool
) -> None:
    ids, times = columns(pairs)
    values = ids * 1000.0 + times
    starts = ids * 10 + times + 1 if with_starts else None
    run = build_run(ids, times, values, starts)
    deleted = Intervals.merged(*np.array(gone, np.int64).reshape(-1, 3).T)
    expected = [
        (n, t) for n, t in sorted(pairs) if not any(r == n and a <= t <= b for r, a, b in gone)
    ]

    layer = thinned(Layer(run.stratum, run.ids), deleted)

    if layer is None:
        assert expected == []
        return
    s = layer.stratum
    assert isinstance(s, Stratum)
    rows = np.arange(len(s.grid_of)) if layer.ids is None else layer.ids
    lengths = s.grid_length[s.grid_of]
    found_times = s.times.ints(s.grid_start[s.grid_of], lengths)
    found_values = s.values.floats(s.value_start, lengths)
    owners = np.repeat(rows, lengths)
    assert list(zip(owners.tolist(), found_times.tolist(), strict=True)) == expected
    assert found_values.tolist() == [n * 1000.0 + t for n, t in expected]
    if s.starts is not None:
        assert s.starts.ints(s.value_start, lengths).tolist() == [
            n * 10 + t + 1 for n, t in expected
        ]
    grids = [tuple(s.times.ints(s.grid_start[g : g + 1], s.grid_length[g : g + 1]).tolist())
             for g in range(len(s.grid_length))]  # fmt: skip
    assert [(g[0], g[-1]) for g in grids] == list(
        zip(s.grid_first.tolist(), s.grid_last.tolist(), strict=True)
    )
    # Parts of a series, too, and several at once.
    inside = np.maximum(lengths - 1, 0)
    assert s.values.floats(s.value_start, inside).tolist() == [
        v for row in rows.tolist() for v in [n * 1000.0 + t for n, t in expected if n == row][:-1]
    ]


def test_series_with_the_same_holes_share_their_times() -> None:
    series, width = 50, 40
    ids = np.repeat(np.arange(series), width)
    run = build_run(ids, np.tile(np.arange(width), series), np.zeros(len(ids)))
    rows = np.arange(10, 40)
    deleted = Intervals.merged(rows, np.full(30, 5), np.full(30, 9))

    layer = thinned(Layer(run.stratum, run.ids), deleted)

    assert layer is not None
    assert sorted(layer.stratum.grid_length.tolist()) == [35, 40]
    out = np.empty((2, 8))
    assert isinstance(layer.stratum, Stratum)
    layer.stratum.values.fill(out, layer.stratum.value_start[[0, 20]])
    assert (out == 0).all()


def test_histograms_are_thinned_as_floats_are() -> None:
    held = [simple(float(n), b0=float(n + 1)) for n in range(6)]
    run = build_native(
        NativeSamples(np.array([3] * 6), np.arange(6), histograms_of(held), np.arange(6) + 1)
    )
    deleted = Intervals.merged(np.array([3, 3]), np.array([0, 2]), np.array([0, 3]))

    layer = thinned(Layer(run.stratum, run.ids), deleted)

    assert layer is not None
    s = layer.stratum
    assert isinstance(s, NativeStratum)
    found = s.values.histograms(s.value_start, s.grid_length[s.grid_of])
    assert natives_of(found) == [held[1], held[4], held[5]]
    assert s.starts is not None
    assert s.starts.ints(s.value_start, s.grid_length).tolist() == [2, 5, 6]


def test_an_untouched_layer_stays_as_it_is() -> None:
    run = build_run(np.array([1]), np.array([1]), np.array([1.0]))
    layer = Layer(run.stratum, run.ids)
    assert thinned(layer, Intervals.of(Head().part().index(), [])) is layer
