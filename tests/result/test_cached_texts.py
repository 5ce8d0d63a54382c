"""Texts that a growing matrix caches: answers are the same bytes as without them."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql import ResultCache, query, tsdb
from novaql.export.compiled_text import TEXTS
from novaql.export.json_values import ValueStyle
from novaql.export.prometheus_json import result_json
from novaql.export.series_limit import first_series
from novaql.result import Result, ResultKind
from novaql.result.append_only_matrix import (
    CELL_WORDS,
    AppendOnlyMatrix,
    CachedTexts,
    Cells,
)
from novaql.tsdb.model.labels import Bools, SeriesTable
from novaql.tsdb.model.samples import Batch, Floats
from tests.support.execution.switches import few_points

pytest.importorskip("numba", reason="compiled texts need numba: pip install 'novaql[fast]'")

VALUES = [
    *(0.0, -0.0, 1.0, -2.5, 0.1, 1 / 3, 1e300, np.nan, np.inf, -np.inf, 5e-324, 123456.75),
    *(-1.2345678901234567e-6, -2.2250738585072014e-308, 9007199254740993.0, 1e21, 1e-5),
]
"""The first two of the last line have texts that do not fit into a cell."""


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    TEXTS.prepare()
    assert TEXTS.ready() is not None


def write(values: Floats, cells: Cells) -> None:
    TEXTS.call.write_cells(values, cells)


def grown(
    values: Floats, valid: Bools | None, begin: int, most_text_bytes: int = 1 << 20
) -> AppendOnlyMatrix:
    """A matrix that had `begin` columns and then the others, one at a time."""
    first = None if valid is None else valid[:, :begin].copy()
    matrix = AppendOnlyMatrix.of(values[:, :begin].copy(), first)
    for j in range(begin, values.shape[1]):
        mask = None if valid is None else valid[:, j : j + 1]
        some, retain = values[:, j : j + 1], len(matrix)
        matrix = matrix.append(some, mask, retain=retain, most_text_bytes=most_text_bytes)
    return matrix


def result_of(matrix: AppendOnlyMatrix) -> Result:
    values, valid = matrix.views()
    series = SeriesTable.from_dicts([{"n": str(n)} for n in range(len(values))])
    times = np.arange(len(matrix)) * 15_000
    texts = CachedTexts(matrix, values)
    return Result(ResultKind.MATRIX, series, times, values, valid, texts=texts)


def check(result: Result, style: ValueStyle, limit: int = 0) -> None:
    with few_points(0):
        found = result_json(first_series(result, limit), style)
        assert found == result_json(first_series(replace(result, texts=None), limit), style)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.booleans(), st.integers(0, 3), st.sampled_from(ValueStyle))
def test_answers_are_the_same(seed: int, masked: bool, limit: int, style: ValueStyle) -> None:
    rng = np.random.default_rng(seed)
    values: Floats = rng.choice([*VALUES, *rng.random(len(VALUES))], (4, 40))
    matrix = grown(values, rng.random(values.shape) < 0.8 if masked else None, 5)
    ends = sorted(rng.integers(1, 41, 4).tolist())
    for end in ends:
        begin = int(rng.integers(0, end))
        check(result_of(matrix.columns(begin, end)), style, limit)
        assert (matrix.views()[0] == values)[~np.isnan(values)].all()


def test_only_new_columns_are_written() -> None:
    values = np.random.default_rng(1).random((3, 30))
    matrix = grown(values, None, 10)
    written: list[int] = []

    def write_some(values: Floats, cells: Cells) -> None:
        written.append(values.shape[1])
        write(values, cells)

    shown = result_of(matrix.columns(0, 20))
    assert shown.texts is not None
    cells = shown.texts.cells(shown.values, write_some)
    assert cells is not None
    assert cells.shape == (3, 20, CELL_WORDS)
    later = result_of(matrix.columns(5, 30))
    assert later.texts is not None
    cells = later.texts.cells(later.values, write_some)
    assert cells is not None
    texts = [[row[j].tobytes() for j in range(25)] for row in cells]

    assert written == [20, 10]
    assert [[text[: text[-1]].decode() for text in row] for row in texts] == [
        [repr(value) for value in row] for row in values[:, 5:].tolist()
    ]


def test_other_values_than_those_of_the_view_have_no_texts() -> None:
    result = result_of(grown(np.arange(60.0).reshape(3, 20), None, 10))
    check(result, ValueStyle.TEXT)  # texts exist

    check(result[::-1], ValueStyle.TEXT)
    check(result[1:], ValueStyle.TEXT)
    check(replace(result, values=result.values + 1), ValueStyle.TEXT)
    assert result.texts is not None
    assert result.texts.cells(result.values[:], write) is None


def test_a_matrix_that_has_not_grown_has_no_texts_and_one_that_has_counts_them() -> None:
    new = AppendOnlyMatrix.of(np.ones((3, 10)), None)
    refreshed = grown(np.ones((3, 20)), None, 10)
    columns = refreshed.buffer.values.shape[1]
    before = refreshed.nbytes

    assert new.nbytes == 3 * 10 * 8
    shown = result_of(new)
    assert shown.texts is not None
    assert shown.texts.cells(shown.values, write) is None
    assert before == 3 * columns * 8 * (1 + CELL_WORDS)
    check(result_of(refreshed), ValueStyle.TEXT)
    assert refreshed.nbytes == before


def test_texts_of_a_large_matrix_are_not_cached() -> None:
    size = grown(np.ones((3, 20)), None, 19).buffer.values.size * 8 * CELL_WORDS

    for most, cached in ((size, True), (size - 1, False)):
        matrix = grown(np.ones((3, 20)), None, 19, most)
        shown = result_of(matrix)
        assert shown.texts is not None
        assert (shown.texts.cells(shown.values, write) is not None) == cached
        assert (matrix.nbytes == matrix.buffer.values.nbytes) != cached


def test_results_come_before_texts() -> None:
    """A cache that is more than half full of results caches no texts; a small one none at all."""
    entry_bytes = 10 * 61 * 8
    for limit, others, expected in (
        (200 * entry_bytes, 0, True),
        (200 * entry_bytes, 150, False),
        (20 * entry_bytes, 0, False),
    ):
        store = tsdb.memory()
        table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(10)])
        times = np.tile(np.arange(200, dtype=np.int64) * 1000, 10)
        store.append(Batch(table, np.repeat(np.arange(10), 200), times, times / 7))
        cache = ResultCache(limit)
        for number in range(others):
            query(f"m + {number}", store, start=0, end=60, step=1, cache=cache)
        for end in (60, 61):
            query("m", store, start=end - 60, end=end, step=1, cache=cache)
        result = query("m", store, start=2, end=62, step=1, cache=cache)

        assert result.texts is not None
        assert (result.texts.cells(result.values, write) is not None) == expected
        assert cache.stats().bytes <= limit


def test_a_second_thread_does_not_wait() -> None:
    shown = result_of(grown(np.ones((3, 20)), None, 10))
    texts = shown.texts
    assert texts is not None

    def write_beside(values: Floats, cells: Cells) -> None:
        assert texts.cells(shown.values, write) is None
        write(values, cells)

    assert texts.cells(shown.values, write_beside) is not None


def test_after_a_failure_the_texts_are_written_again() -> None:
    shown = result_of(grown(np.ones((3, 20)), None, 10))
    assert shown.texts is not None

    def fail(*_: object) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        shown.texts.cells(shown.values, fail)
    check(shown, ValueStyle.TEXT)


def test_a_pickled_result_has_no_texts() -> None:
    result = result_of(grown(np.ones((3, 20)), None, 10))

    copied = pickle.loads(pickle.dumps(result))

    assert copied.texts is None
    assert copied == result
