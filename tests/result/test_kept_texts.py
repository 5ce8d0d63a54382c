"""The text of an answer made of an earlier one's is the text made anew, byte for byte."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from novaql.export.compiled_text import TEXTS
from novaql.export.json_values import ValueStyle
from novaql.export.matrix_json import KeptTexts
from novaql.export.prometheus_json import result_json, result_pieces
from novaql.result import Result, ResultKind
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.compiled import Functions
from tests.result.test_prometheus_json import matrices

pytest.importorskip("numba", reason="compiled texts need numba: pip install 'novaql[fast]'")

ODD_VALUES = [0.0, -0.0, 1.0, -2.5, 0.1, 1 / 3, 1e300, np.nan, np.inf, -np.inf, 5e-324, 123456.75]


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    TEXTS.prepare()
    assert TEXTS.ready() is not None


def text_of(result: Result, style: ValueStyle, texts: KeptTexts | None, key: object) -> bytes:
    return b"".join(result_pieces(result, style, texts=texts, key=key))


@settings(max_examples=60)
@given(st.data(), st.integers(0, 2**32), st.sampled_from(ValueStyle))
def test_panels_that_move_and_change(data: DataObject, seed: int, style: ValueStyle) -> None:
    """One panel asked for again and again: it moves either way, samples come late or go, series
    appear, go, and change places."""
    rng = np.random.default_rng(seed)
    every, rows = 60, data.draw(st.integers(1, 5))
    values: Floats = rng.choice(ODD_VALUES, (rows, every))
    there = rng.random((rows, every)) < data.draw(st.sampled_from([0.3, 0.9, 1.0]))
    names = [str(n) for n in range(rows)]
    texts, step = KeptTexts(1 << 20), data.draw(st.sampled_from([15_000, 60_000, 1]))
    start, count = 20, data.draw(st.integers(2, 20))
    for _ in range(12):
        change = data.draw(st.integers(0, 6))
        if change == 0:
            row, at = rng.integers(rows), rng.integers(every)
            values[row, at] = rng.choice(ODD_VALUES)
        elif change == 1:
            row, at = rng.integers(rows), rng.integers(every)
            there[row, at] = ~there[row, at]
        elif change == 2:
            there[rng.integers(rows)] = rng.random() < 0.5
        elif change == 3:
            names[rng.integers(rows)] = data.draw(st.text(max_size=5))
        start = min(max(0, start + data.draw(st.integers(-3, 4))), every - count)
        shown = slice(start, start + count)
        labels = SeriesTable.from_dicts([{"n": name} for name in names])
        valid = there[:, shown].copy()
        result = Result(
            ResultKind.MATRIX,
            labels,
            (np.arange(start, start + count) + 1_000_000) * step,
            values[:, shown].copy(),
            None if valid.all() else valid,
        )
        assert text_of(result, style, texts, "panel") == result_json(result, style)


def test_only_what_is_new_is_written() -> None:
    """Of a panel that moved a step, a column."""
    compiled = TEXTS.ready()
    assert compiled is not None
    columns: list[int] = []

    def counted(*arguments: object) -> object:
        values = arguments[0]
        assert isinstance(values, np.ndarray)
        columns.append(values.shape[1])
        return compiled.kinds_of(*arguments)

    noting = Functions(**vars(compiled) | {"kinds_of": counted})
    texts, rng = KeptTexts(1 << 24), np.random.default_rng(1)
    values = rng.random((7, 200))
    labels = SeriesTable.from_dicts([{"n": str(n)} for n in range(7)])
    for start in range(5):
        times = np.arange(start, start + 100) * 15_000
        shown = Result(ResultKind.MATRIX, labels, times, values[:, start : start + 100])
        text = texts.written(noting, shown, ValueStyle.TEXT, "key")
        assert b"[" + bytes(text) + b"]" == result_json(shown, ValueStyle.TEXT)
    assert columns == [100, 1, 1, 1, 1]


@settings(max_examples=60)
@given(st.data(), st.integers(0, 2**32), st.booleans())
def test_columns_that_stay_where_they_are_are_not_compared(
    data: DataObject, seed: int, partly: bool
) -> None:
    """Views of one array to which nobody writes, as the cache of results gives them."""
    compiled = TEXTS.ready()
    assert compiled is not None
    rng, every, rows = np.random.default_rng(seed), 80, data.draw(st.integers(1, 5))
    values: Floats = rng.choice(ODD_VALUES, (rows, every))
    there = rng.random((rows, every)) < 0.7
    texts, start, count = KeptTexts(1 << 20), 30, data.draw(st.integers(2, 20))
    labels = SeriesTable.from_dicts([{"n": str(n)} for n in range(rows)])

    def fail(*_: object) -> None:
        raise AssertionError("compared")

    sure = Functions(**vars(compiled) | {"equal_columns": fail})
    for turn in range(12):
        start = min(max(0, start + data.draw(st.integers(-4, 6))), every - count)
        shown, mask = values[:, start : start + count], there[:, start : start + count]
        shown.setflags(write=False)
        mask.setflags(write=False)
        times = np.arange(start, start + count) * 15_000
        valid = mask if partly else None
        result = Result(ResultKind.MATRIX, labels, times, shown, valid)
        chosen = sure if turn else compiled
        text = texts.written(chosen, result, ValueStyle.TEXT, "panel")
        assert b"[" + bytes(text) + b"]" == result_json(result, ValueStyle.TEXT)


def test_views_of_what_somebody_writes_to_are_compared() -> None:
    texts, values = KeptTexts(1 << 20), np.ones((2, 10))
    labels = SeriesTable.from_dicts([{"n": "0"}, {"n": "1"}])
    for value in (1.0, 2.0, 3.0):
        values[1, 4] = value
        result = Result(ResultKind.MATRIX, labels, np.arange(9) * 1000, values[:, :9])
        text = text_of(result, ValueStyle.TEXT, texts, "panel")
        assert text == result_json(result, ValueStyle.TEXT)


def test_several_threads_ask_for_one_panel_at_different_times() -> None:
    """Each gets its own text, whoever leaves the one that others begin with."""
    rng, texts, count = np.random.default_rng(7), KeptTexts(1 << 24), 60
    values: Floats = rng.choice([*ODD_VALUES, 0.123456789], (9, 400))
    labels = SeriesTable.from_dicts([{"n": str(n)} for n in range(9)])
    wrong: list[int] = []

    def ask(begin: int) -> None:
        for start in range(begin, 300):
            shown = values[:, start : start + count]
            shown.setflags(write=False)
            times = np.arange(start, start + count) * 15_000
            result = Result(ResultKind.MATRIX, labels, times, shown)
            if text_of(result, ValueStyle.TEXT, texts, "panel") != result_json(
                result, ValueStyle.TEXT
            ):
                wrong.append(start)

    threads = [threading.Thread(target=ask, args=(3 * number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert texts.stats().entries == 1


@given(matrices(), matrices(), st.sampled_from(ValueStyle))
def test_any_answer_after_any_other(one: Result, other: Result, style: ValueStyle) -> None:
    """A question may be answered otherwise the next time: nothing hangs on the key."""
    texts = KeptTexts(1 << 20)
    for result in (one, other, one):
        assert text_of(result, style, texts, None) == result_json(result, style)


@settings(max_examples=30)
@given(matrices(), st.sampled_from(ValueStyle), st.integers(1, 40))
def test_pieces_are_the_whole(result: Result, style: ValueStyle, points: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("novaql.export.prometheus_json.POINTS_AT_ONCE", points)
        pieces = [*result_pieces(result, style)]
    assert b"".join(pieces) == result_json(result, style)


def test_room_is_kept_to() -> None:
    texts = KeptTexts(100_000)
    labels = SeriesTable.from_dicts([{"n": "1"}])
    for key in range(50):
        result = Result(ResultKind.MATRIX, labels, np.arange(300) * 1000, np.ones((1, 300)))
        text_of(result, ValueStyle.TEXT, texts, key)
        assert texts.stats().bytes <= 100_000
    assert 0 < texts.stats().entries < 50
