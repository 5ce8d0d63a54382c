"""The head's runs against sorting everything at once."""

from __future__ import annotations

import tracemalloc
import weakref
from unittest import mock

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from novaql import tsdb
from novaql.tsdb.errors import InvalidBatch
from novaql.tsdb.head.float_run import FloatSamples, build_run, merge_runs
from novaql.tsdb.head.head import BUFFER_SAMPLES, Head
from novaql.tsdb.head.series_ids import Registry
from novaql.tsdb.model.labels import LabelColumn, SeriesTable

arrivals = st.lists(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12)), min_size=1, max_size=30),
    min_size=1,
    max_size=6,
)


def flat_of(head: Head) -> FloatSamples:
    (run,) = head.compact().runs
    assert run.floats is not None
    return run.floats.flat()


def arrays(pairs: list[tuple[int, int]], start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array([series for series, _ in pairs]),
        np.array([time for _, time in pairs]),
        np.arange(start, start + len(pairs), dtype=float),
    )


@given(arrivals)
@settings(deadline=None)
def test_merging_runs_is_like_sorting_at_once(batches: list[list[tuple[int, int]]]) -> None:
    expected: dict[tuple[int, int], float] = {}
    merged = None
    start = 0
    for pairs in batches:
        ids, times, values = arrays(pairs, start)
        start += len(pairs)
        expected.update(zip(pairs, values.tolist(), strict=True))
        run = build_run(ids, times, values)
        merged = run if merged is None else merge_runs(merged, run)
    assert merged is not None
    ids, times, values, _ = merged.flat()
    found = list(zip(ids.tolist(), times.tolist(), values.tolist(), strict=True))
    assert found == sorted((series, time, value) for (series, time), value in expected.items())
    assert merged.duplicates == start - len(expected)
    assert merged.conflicts == merged.duplicates  # every value is another one


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(1, 6))
@settings(deadline=None)
def test_scrapes_keep_one_grid(widths: list[int], series: int) -> None:
    """Runs that follow one another are stitched, and series that share times go on sharing them."""
    merged = None
    now = 0
    for width in widths:
        times = np.tile(np.arange(now, now + width), series)
        run = build_run(np.repeat(np.arange(series), width), times, np.zeros(series * width))
        now += width
        merged = run if merged is None else merge_runs(merged, run)
    assert merged is not None
    assert len(merged.sorted.grid_length) == 1
    assert merged.samples == series * now


@pytest.mark.slow
@pytest.mark.parametrize("step", ["joined", "_order", "timestamp_groups", "merge_mixed"])
@pytest.mark.parametrize("large", [False, True])
def test_a_sort_without_memory_loses_nothing(step: str, large: bool) -> None:
    """Also not what arrives between the failure and the next sort."""
    head, count = Head(), BUFFER_SAMPLES if large else 10
    place = "head.head" if step == "merge_mixed" else "head.float_run"

    def add(begin: int) -> None:
        times = np.arange(begin, begin + count) // 2
        head.add(FloatSamples(np.arange(count) % 2, times, times.astype(float), None))

    add(0)
    head.part()
    for begin in (1, 2):
        add(begin * count)
    with (
        mock.patch(f"novaql.tsdb.{place}.{step}", side_effect=MemoryError),
        pytest.raises(MemoryError),
    ):
        head.part()
    add(3 * count)

    ids, times, values, _ = flat_of(head)
    wanted = sorted({(i % 2, i // 2) for i in range(4 * count)})
    assert list(zip(ids.tolist(), times.tolist(), strict=True)) == wanted
    assert values.tolist() == [float(time) for _, time in wanted]


def test_runs_stay_few_however_often_the_head_is_read() -> None:
    head = Head()
    table = SeriesTable.from_dicts([{"i": str(i)} for i in range(10)])
    ids = head.registry.ids_of(table)
    for step in range(300):
        head.add(FloatSamples(ids, np.full(10, step), np.full(10, float(step))))
        part = head.part()
        assert part.samples == 10 * (step + 1)
        assert len(part.runs) <= 10
    assert head.part() is head.part()
    assert len(head.compact().runs) == 1


def test_large_and_small_batches_keep_their_order() -> None:
    """Of equal samples the later one stands, whichever way they came in."""
    head = Head()
    ids = head.registry.ids_of(SeriesTable.from_dicts([{"a": "b"}]))
    many = np.arange(BUFFER_SAMPLES)
    zeros = np.zeros(BUFFER_SAMPLES, np.int64)
    head.add(FloatSamples(ids, np.array([5]), np.array([1.0])))
    head.add(FloatSamples(ids[zeros], many, np.full(BUFFER_SAMPLES, 2.0)))
    head.add(FloatSamples(ids, np.array([6]), np.array([3.0])))
    _, times, values, _ = flat_of(head)
    assert (times == many).all()
    assert values[[5, 6, 7]].tolist() == [2.0, 3.0, 2.0]


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x", "y"]), min_size=1),
        min_size=1,
        max_size=12,
    )
)
def test_equal_label_sets_have_one_id(label_sets: list[dict[str, str]]) -> None:
    label_sets = [{**labels, "m": "1"} for labels in label_sets]
    registry = Registry()
    at_once = registry.ids_of(SeriesTable.from_dicts(label_sets)).tolist()
    one_by_one = [int(registry.ids_of(SeriesTable.from_dicts([one]))[0]) for one in label_sets]
    assert at_once == one_by_one
    keys = [frozenset((k, v) for k, v in labels.items() if v) for labels in label_sets]
    assert len(registry) == len(set(keys))
    assert [keys.index(key) for key in keys] == [at_once.index(number) for number in at_once]


def test_a_table_with_mostly_foreign_texts_adds_only_its_own() -> None:
    registry = Registry()
    table = SeriesTable.from_dicts([{"pod": f"p{i}"} for i in range(500)])
    registry.ids_of(table.take(np.array([3, 4])))
    column = registry.index().column("pod")
    assert column is not None
    assert column.distinct <= 3


def test_a_registry_does_not_hold_the_tables_that_it_has_looked_up() -> None:
    registry = Registry()
    tables = [SeriesTable.from_dicts([{"i": str(i)}]) for i in range(50)]
    assert [registry.ids_of(table).item() for table in tables] == list(range(50))
    gone = [weakref.ref(table) for table in tables]
    assert [registry.ids_of(table).item() for table in reversed(tables)] == list(range(49, -1, -1))
    del tables
    assert {one() for one in gone} == {None}
    for i in range(200):  # some at addresses of the former
        assert registry.ids_of(SeriesTable.from_dicts([{"i": str(i)}])).item() == i


def test_only_rows_that_are_asked_for_are_entered() -> None:
    registry = Registry()
    table = SeriesTable.from_dicts([{"i": str(i)} for i in range(9)])
    assert registry.ids_for(table, np.array([7, 2, 7])).tolist() == [1, 0, 1]
    assert len(registry) == 2
    assert registry.ids_for(table, np.array([2, 8])).tolist() == [0, 2]


def test_tables_of_a_family_are_looked_up_where_they_grew() -> None:
    registry = Registry()
    whole = SeriesTable.from_dicts([{"i": str(i % 6), "j": "x"} for i in range(8)])
    family = object()
    for rows in (3, 3, 8, 5):
        grown = SeriesTable(rows, whole.take(np.arange(rows)).columns, family)
        assert registry.ids_of(grown).tolist() == [i % 6 for i in range(rows)]
    assert len(registry) == 6


def test_forgotten_tables_are_found_again() -> None:
    registry = Registry()
    tables = [SeriesTable.from_dicts([{"i": str(i)}]) for i in range(400)]
    for _ in range(2):
        assert [int(registry.ids_of(table)[0]) for table in tables] == list(range(400))


def test_labels_of_a_rejected_table_are_distinguished_later() -> None:
    registry = Registry()
    with pytest.raises(InvalidBatch, match="Unicode"):
        registry.ids_of(SeriesTable.from_dicts([{"i": "1", "j": "\ud800"}, {"i": "2", "j": "x"}]))
    with pytest.raises(InvalidBatch, match="Unicode"):
        registry.ids_of(SeriesTable.from_dicts([{"k": "1"}, {"k": "2"}, {"k": "\ud800"}]))
    table = SeriesTable.from_dicts([{"m": "a", "k": one} for one in ("", "1", "2")])
    assert registry.ids_of(table).tolist() == [0, 1, 2]


def test_an_unlabelled_row_is_named_by_its_place_in_the_batch() -> None:
    table = SeriesTable.from_dicts([{"i": "1"}, {"i": "2"}, {}])
    with pytest.raises(InvalidBatch, match="series 2 of the batch has no labels"):
        Registry().ids_for(table, np.array([1, 2]))


@pytest.mark.slow
def test_samples_written_over_and_over_are_not_all_kept() -> None:
    """In memory, where nothing is flushed: a writer sorts when no reader does."""
    database = tsdb.memory()
    table = SeriesTable.from_dicts([{"__name__": "m", "i": str(n)} for n in range(100)])
    rows, times = np.repeat(np.arange(100), 2_000), np.tile(np.arange(2_000), 100)
    tracemalloc.start()
    try:
        for value in range(60):  # 12 M samples of 200 000 series and times
            database.append(tsdb.Batch(table, rows, times, np.full(len(rows), float(value))))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 24 * 5_000_000


@pytest.mark.parametrize(("values", "size"), [(255, 1), (256, 2), (70_000, 4)])
def test_codes_of_labels_are_narrow_and_grow_with_their_values(values: int, size: int) -> None:
    registry = Registry()
    texts = [f"v{number}" for number in range(values)]
    table = SeriesTable.from_columns(values, {"i": LabelColumn.encode(texts)})
    registry.ids_for(table, np.arange(100))
    before = registry.index()
    ids = registry.ids_for(table, np.arange(values))
    assert ids.tolist() == list(range(values))
    column, earlier = registry.index().columns["i"], before.columns["i"]
    assert column.narrow.itemsize == size
    assert column.codes.dtype == np.int32
    assert column.codes.tolist() == list(range(1, values + 1))
    ends = column.codes_of(np.array([0, values - 1])).astype(np.int64)
    assert column.texts(ends) == [texts[0], texts[-1]]
    for text in (texts[0], texts[-1]):
        row = int(text[1:])
        assert column.rows_of(column.find(text)).tolist() == [row]
        assert earlier.rows_of(earlier.find(text)).tolist() == ([row] if row < 100 else [])
