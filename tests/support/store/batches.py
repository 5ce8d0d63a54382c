"""Hypothesis strategies and plain views for batches of samples."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import strategies as st

from novaql.tsdb.model.exemplars import Exemplars
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import STALE, Batch
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Source

Key = tuple[tuple[str, str], ...]
Plain = dict[Key, dict[int, bytes]]
"""Label set → time → the eight bytes of the value."""

label_values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
label_names = st.sampled_from(["job", "instance", "le", "a", "B", "zone"])
metric_names = st.sampled_from(["up", "http_requests_total", "node_load1", "temp:5m"])
floats = st.floats(width=64) | st.just(STALE)
times = st.integers(-(10**6), 10**6) | st.integers(1_700_000_000_000, 1_700_000_100_000)


@st.composite
def label_sets(draw: st.DrawFn, values: st.SearchStrategy[str] = label_values) -> dict[str, str]:
    labels = draw(st.dictionaries(label_names, values, max_size=3))
    return {"__name__": draw(metric_names), **labels}


@st.composite
def batches(
    draw: st.DrawFn,
    values: st.SearchStrategy[float] = floats,
    at: st.SearchStrategy[int] = times,
    text: st.SearchStrategy[str] = label_values,
    max_series: int = 5,
    max_samples: int = 30,
) -> Batch:
    """Batches in any order, sometimes with the same time twice."""
    sets = draw(
        st.lists(
            label_sets(text),
            min_size=1,
            max_size=max_series,
            unique_by=lambda x: tuple(sorted(x.items())),
        )
    )
    samples = draw(
        st.lists(st.tuples(st.integers(0, len(sets) - 1), at, values), max_size=max_samples)
    )
    return Batch(
        SeriesTable.from_dicts(sets),
        np.array([s[0] for s in samples], np.int64),
        np.array([s[1] for s in samples], np.int64),
        np.array([s[2] for s in samples], np.float64),
    )


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def plain(batch: Batch) -> Plain:
    """The content of a batch, one sample at a time; the last of two equal times counts."""
    sets = [tuple(sorted(labels.items())) for labels in batch.series]
    out: Plain = {}
    for row, time, value in zip(
        batch.series_index.tolist(), batch.timestamps.tolist(), batch.values, strict=True
    ):
        out.setdefault(sets[row], {})[time] = bits(value)
    return out


def read_plain(source: Source, start: int = MIN_TIME_MS, end: int = MAX_TIME_MS) -> Plain:
    """The same view of everything that a source selects in a range."""
    selection = source.select([], start, end)
    sets = [tuple(sorted(labels.items())) for labels in selection.series]
    assert len(set(sets)) == len(sets)
    out: Plain = {}
    for ref in selection.batches:
        views = [view.ragged() for view in selection.views_of(ref)]
        assert ref.samples == sum(view.sample_count for view in views)
        for view in views:
            for row, first, end in zip(
                view.rows.tolist(), view.bounds[:-1], view.bounds[1:], strict=True
            ):
                stamps = view.timestamps[first:end].tolist()
                assert stamps == sorted(set(stamps))
                assert sets[row] not in out
                if stamps:
                    out[sets[row]] = dict(
                        zip(stamps, map(bits, view.values[first:end]), strict=True)
                    )
    return out


def one_exemplar(time: int) -> Batch:
    """An exemplar, and no sample."""
    none = np.empty(0, np.int64)
    labels = SeriesTable.from_dicts([{"trace_id": "abc"}])
    exemplars = Exemplars(np.array([0]), np.array([time]), np.array([0.5]), labels)
    series = SeriesTable.from_dicts([{"__name__": "m", "i": "0"}])
    return Batch(series, none, none, np.zeros(0), exemplars=exemplars)
