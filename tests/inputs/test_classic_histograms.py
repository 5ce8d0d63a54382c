from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql import query
from novaql.inputs.read_options import ExposedOptions
from novaql.inputs.tables.table_source import TableSource
from novaql.inputs.text.classic_histograms import ClassicHistograms
from novaql.inputs.text.exposition import ExpositionParser, canonical_bound
from novaql.inputs.text.refined import Refinement
from novaql.model.label_set import labels_of
from novaql.model.series_notation import NamedHint
from novaql.promqltest.script import SeriesValues
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch, HistogramSamples
from novaql.tsdb.model.source import Metadata
from tests.support.histograms.native_histograms import singles
from tests.support.reference.classic_histograms import custom_bucket_series
from tests.support.store.batches import plain

TYPES = {"h": Metadata("histogram"), "g": Metadata("gauge")}
BOUNDS = (-1.0, 0.0, 0.5, 2.0, 1e9)


@st.composite
def classic_series(draw: st.DrawFn) -> list[SeriesValues]:
    """Sound classic histograms at places 0 … 2, with gaps; each has buckets wherever it is."""
    series = []
    for job in ("a", "b")[: draw(st.integers(1, 2))]:
        bounds = sorted(draw(st.sets(st.sampled_from(BOUNDS), max_size=4)))
        with_top = draw(st.booleans()) or not bounds
        ladder = [*bounds, *([math.inf] if with_top else [])]
        columns: list[list[float] | None] = []
        for _ in range(3):
            steps = draw(
                st.none() | st.lists(st.integers(0, 4), min_size=len(ladder), max_size=len(ladder))
            )
            columns.append(None if steps is None else np.cumsum(steps).astype(float).tolist())
        for at, bound in enumerate(ladder):
            labels = {"__name__": "h_bucket", "job": job, "le": canonical_bound(repr(bound))}
            items = tuple(None if c is None else c[at] for c in columns)
            series.append(SeriesValues(labels_of(labels), items, 1))
        if draw(st.booleans()):
            more = 0 if with_top else draw(st.integers(0, 3))
            items = tuple(None if c is None else c[-1] + more for c in columns)
            series.append(SeriesValues(labels_of({"__name__": "h_count", "job": job}), items, 1))
        if draw(st.booleans()):
            items = tuple(None if c is None else -1.5 for c in columns)
            series.append(SeriesValues(labels_of({"__name__": "h_sum", "job": job}), items, 1))
    return draw(st.permutations(series))


def batch_of(series: list[SeriesValues]) -> Batch:
    flat = [
        (row, place, item)
        for row, one in enumerate(series)
        for place, item in enumerate(one.items)
        if isinstance(item, float)
    ]
    return Batch(
        SeriesTable.from_dicts([dict(one.labels) for one in series]),
        np.array([f[0] for f in flat], np.int64),
        np.array([f[1] for f in flat], np.int64),
        np.array([f[2] for f in flat], np.float64),
    )


def natives_of(batch: Batch) -> dict[Any, str]:
    if batch.native is None:
        return {}
    sets = [labels_of(labels) for labels in batch.series]
    rows, times = batch.native.series_index.tolist(), batch.native.timestamps.tolist()
    return {
        (sets[row], time): repr(one.compacted())
        for row, time, one in zip(rows, times, singles(batch.native.histograms), strict=True)
    }


@given(classic_series())
@settings(deadline=None)
def test_histograms_are_those_of_load_with_nhcb(series: list[SeriesValues]) -> None:
    wanted = {
        (one.labels, place): repr(item.histogram.compacted())
        for one in custom_bucket_series(series)
        for place, item in enumerate(one.items)
        if isinstance(item, NamedHint)
    }
    batch = batch_of(series)
    found = ClassicHistograms().apply(batch, TYPES)
    assert natives_of(found) == wanted
    assert len(found.values) == 0
    kept = ClassicHistograms(keep=True).apply(batch, TYPES)
    assert natives_of(kept) == wanted
    assert plain(kept) == plain(batch)


def read(text: str) -> Batch:
    parser = ExpositionParser(openmetrics=False, default_time_ms=7)
    return parser.feed(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        'h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_count 1\n',  # not cumulative
        'h_bucket{le="1"} -1\nh_bucket{le="+Inf"} 1\n',
        'h_bucket{le="1"} NaN\nh_bucket{le="+Inf"} 1\n',
        'h_bucket{le="+Inf"} 1\nh_count 2\n',  # counts differ
        'h_bucket{le="1"} 3\nh_count 2\n',
        'h_bucket{le="-Inf"} 1\nh_bucket{le="+Inf"} 1\n',
        'h_bucket{le="wide"} 1\nh_bucket{le="NaN"} 1\n',
        "h_count 2\nh_sum 1\n",
        'g_bucket{le="+Inf"} 1\ng_count 1\n',  # no histogram by type
    ],
)
def test_what_is_no_sound_histogram_stays_classic(text: str) -> None:
    batch = read(text)
    found = ClassicHistograms().apply(batch, TYPES)
    assert found.native is None
    assert plain(found) == plain(batch)


def test_other_series_and_unsound_histograms_stay_beside_converted_ones() -> None:
    batch = read(
        'up 1\nh_bucket{a="x",le="+Inf"} 2\nh_count{a="x"} 2\nh_sum{a="x"} 0.5\n'
        'h_bucket{a="y",le="+Inf"} 2\nh_count{a="y"} 3\nh_bucket{a="x",le="odd"} 9\n'
    )
    found = ClassicHistograms().apply(batch, TYPES)
    assert [labels for labels, _ in natives_of(found)] == [labels_of({"__name__": "h", "a": "x"})]
    assert [dict(key)["__name__"] for key in plain(found)] == [
        "up", "h_bucket", "h_count", "h_bucket",
    ]  # fmt: skip
    again = ClassicHistograms()
    assert again.apply(batch, TYPES).series is again.apply(batch, TYPES).series


def test_a_histogram_that_is_native_already_is_left_alone() -> None:
    batch = read('h 1\nh_bucket{le="+Inf"} 2\n')
    row = np.array([[labels["__name__"] for labels in batch.series].index("h")])
    empty = np.zeros(1)
    none = Histograms.none()
    one = Histograms(
        np.zeros(1, np.int8), np.zeros(1, np.int8), empty, empty, empty, empty,
        type(none.positive).none(1), type(none.negative).none(1), np.full(1, -1, np.int32),
    )  # fmt: skip
    native = HistogramSamples(row, np.array([7]), one)
    both = Batch(batch.series, batch.series_index, batch.timestamps, batch.values, native)
    found = ClassicHistograms().apply(both, TYPES)
    assert found is both


def test_starts_go_with_the_histogram_and_queries_see_it() -> None:
    parser = ExpositionParser(openmetrics=True, default_time_ms=60_000)
    batch = parser.feed(
        b"# TYPE h histogram\n"
        b'h_bucket{le="1.0"} 1.0\nh_bucket{le="2.0"} 3.0\nh_bucket{le="+Inf"} 4.0\n'
        b"h_count 4.0\nh_sum 6.0\nh_created 20.0\n# EOF\n"
    )
    options = ExposedOptions(convert_classic=True, start_timestamps=True)
    found = Refinement(options).apply(batch, parser.metadata, created=True)
    assert found.native is not None
    assert found.native.starts is not None
    assert found.native.starts.tolist() == [20_000]
    source = TableSource(found)
    for text, value in (
        ("histogram_count(h)", 4.0),
        ("histogram_sum(h)", 6.0),
        ("histogram_quantile(0.5, h)", 1.5),
        ("histogram_fraction(0, 2, h)", 0.75),
    ):
        assert query(text, source, time=60).values.ravel().tolist() == [value]
