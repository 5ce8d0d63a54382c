from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.inputs.sample_batches import batch_of_samples
from novaql.inputs.tables import table_source
from novaql.inputs.tables.table_source import TableSource, tidy_batch
from novaql.tsdb.model import batch_views
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Metadata, Source
from tests.support.store.batches import batches, plain, read_plain

ALL = (MIN_TIME_MS, MAX_TIME_MS)


few_times = st.integers(-3, 3)


def source_of(batch: Batch, size: int) -> TableSource:
    """In batches of about `size` samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_source, "BATCH_VALUES", size)
        patch.setattr(table_source, "LARGE", size)
        return TableSource(batch)


@given(batches() | batches(at=few_times), st.sampled_from([1, 4, 1 << 20]))
def test_a_source_answers_with_the_samples_it_was_given(batch: Batch, size: int) -> None:
    assert read_plain(source_of(batch, size)) == plain(batch)


@given(
    batches() | batches(at=few_times),
    st.integers(-(10**6), 10**6) | few_times,
    st.integers(-(10**6), 10**6) | few_times,
    st.sampled_from([1, 4, 1 << 20]),
)
def test_a_range_cuts_both_ends_inclusively(batch: Batch, start: int, end: int, size: int) -> None:
    source = source_of(batch, size)
    expected = {}
    for labels, samples in plain(batch).items():
        if inside := {t: v for t, v in samples.items() if start <= t <= end}:
            expected[labels] = inside
    assert read_plain(source, start, end) == expected
    named = [tuple(sorted(labels.items())) for labels in source.series([], start, end)]
    assert sorted(named) == sorted(expected)


@given(batches())
def test_matchers_choose_series(batch: Batch) -> None:
    source = TableSource(batch)
    up = source.select([Matcher("__name__", MatchOp.EQUAL, "up")], *ALL)
    assert {labels["__name__"] for labels in up.series} <= {"up"}
    expected = sum(len(v) for k, v in plain(batch).items() if dict(k)["__name__"] == "up")
    assert up.samples == expected


@given(batches())
def test_from_batches_equals_the_batch(batch: Batch) -> None:
    tidy = tidy_batch(batch)
    floats = batch_of_samples(tidy.series_index, tidy.timestamps, tidy.values)
    shuffled = np.arange(len(tidy.series))[::-1].copy()
    moved = [replace(part, rows=shuffled[part.rows]) for part in floats.parts(3)]
    source = TableSource.from_batches(tidy.series.take(shuffled), moved)
    assert read_plain(source) == plain(batch)


def small() -> TableSource:
    series = SeriesTable.from_dicts(
        [
            {"__name__": "up", "job": "b"},
            {"__name__": "up", "job": "a"},
            {"__name__": "load", "cpu": "0"},
            {"__name__": "never"},
        ]
    )
    batch = Batch(
        series,
        np.array([0, 1, 0, 1, 2, 2]),
        np.array([10, 10, 20, 20, 5, 50]),
        np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    )
    return TableSource(batch, {"up": Metadata("gauge", "Is it up?")})


def test_metadata_of_the_label_kind() -> None:
    source = small()
    assert isinstance(source, Source)
    assert source.label_names([], *ALL) == ["__name__", "cpu", "job"]
    assert source.label_values("job", [], *ALL) == ["a", "b"]
    assert source.label_values("__name__", [], *ALL) == ["load", "up"]
    assert source.label_values("__name__", [], 6, 49) == ["up"]
    assert source.metadata() == {"up": Metadata("gauge", "Is it up?")}
    assert source.time_range() == (5, 50)
    assert source.samples == 6


def test_series_are_in_order_and_shared_timestamps_make_a_matrix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch_views, "REGULAR_FROM", 0)
    source = small()
    assert [labels.get("job") for labels in source.series([], *ALL)] == [None, "a", "b"]
    selection = source.select([Matcher("__name__", MatchOp.EQUAL, "up")], 15, 25)
    (view,) = selection.views()
    assert view.offsets is None
    assert view.values[np.argsort(view.rows)].tolist() == [[4.0], [3.0]]
    assert view.timestamps.tolist() == [20]


def test_the_later_duplicate_counts_also_between_equal_label_sets() -> None:
    series = SeriesTable.from_dicts([{"__name__": "x"}, {"__name__": "x"}])
    source = TableSource(Batch(series, np.array([1, 0]), np.array([1, 1]), np.array([7.0, 8.0])))
    (view,) = source.select([], *ALL).views()
    assert view.values.ravel().tolist() == [8.0]


@pytest.mark.parametrize("rows", [0, 2])
def test_a_source_without_samples(rows: int) -> None:
    series = SeriesTable.from_dicts([{"__name__": f"m{i}"} for i in range(rows)])
    empty = np.zeros(0, np.int64)
    source = TableSource(Batch(series, empty, empty, np.zeros(0)))
    assert source.select([], *ALL).samples == 0
    assert len(source.series([], *ALL)) == 0
    assert source.time_range() is None
