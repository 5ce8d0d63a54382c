"""Results built by hand, and a hypothesis strategy for any result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from novaql.result import Points, Result, ResultKind
from novaql.tsdb.model.labels import SeriesTable

NOON_MS = 1_772_366_400_000  # 2026-03-01T12:00:00Z
NO_TIMES = np.empty(0, np.int64)
LETTERS = st.text("aZ0_:.-é日 ,={}\"'\\\n\x1b\u202e", min_size=1, max_size=6)


def steps(count: int, step_ms: int = 60_000) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return NOON_MS + np.arange(count, dtype=np.int64) * step_ms


def scalar(value: float) -> Result:
    return Result(ResultKind.SCALAR, SeriesTable.unlabelled(), steps(1), np.array([[value]]))


def string(text: str) -> Result:
    return Result(
        ResultKind.STRING, SeriesTable.unlabelled(0), steps(1), np.empty((0, 1)), text=text
    )


def vector(
    rows: Sequence[tuple[Mapping[str, str], float]], *, warnings: Sequence[str] = ()
) -> Result:
    series = SeriesTable.from_dicts([labels for labels, _ in rows])
    values = np.array([value for _, value in rows], float).reshape(-1, 1)
    return Result(ResultKind.VECTOR, series, steps(1), values, warnings=tuple(warnings))


def matrix(rows: Sequence[tuple[Mapping[str, str], Sequence[float | None]]]) -> Result:
    """None: no sample at that step."""
    series = SeriesTable.from_dicts([labels for labels, _ in rows])
    width = len(rows[0][1]) if rows else 0
    valid = np.array([[v is not None for v in values] for _, values in rows], np.bool_)
    values = np.array([[0.0 if v is None else v for v in values] for _, values in rows], float)
    return Result(
        ResultKind.MATRIX,
        series,
        steps(width),
        values.reshape(len(rows), width),
        None if valid.all() else valid.reshape(len(rows), width),
    )


def raw(rows: Sequence[tuple[Mapping[str, str], Sequence[tuple[int, float]]]]) -> Result:
    """Samples with times of their own, given as (milliseconds after noon, value)."""
    flat = [sample for _, samples in rows for sample in samples]
    points = Points(
        np.cumsum([0, *(len(samples) for _, samples in rows)], dtype=np.int64),
        NOON_MS + np.array([at for at, _ in flat], np.int64),
        np.array([value for _, value in flat], float),
    )
    series = SeriesTable.from_dicts([labels for labels, _ in rows])
    return Result(ResultKind.MATRIX, series, NO_TIMES, np.empty((len(rows), 0)), raw=points)


def label_names() -> st.SearchStrategy[str]:
    clashing = st.sampled_from(["time", "value", "label_time", "label_value", "__name__", "a b"])
    return clashing | LETTERS


def label_sets(count: int) -> st.SearchStrategy[list[dict[str, str]]]:
    """`count` distinct label sets."""
    one = st.dictionaries(label_names(), LETTERS, max_size=4)
    return st.lists(
        one, min_size=count, max_size=count, unique_by=lambda labels: tuple(sorted(labels.items()))
    )


@st.composite
def results(draw: st.DrawFn) -> Result:
    """Any result: every kind, any floats, holes, empty ones, labels that clash with columns."""
    kind = draw(st.sampled_from([*ResultKind, "raw"]))
    if kind == ResultKind.STRING:
        return string(draw(st.just("") | LETTERS))
    if kind == ResultKind.SCALAR:
        return scalar(draw(st.floats()))
    rows = draw(st.integers(0, 5))
    sets = draw(label_sets(rows))
    if kind == "raw":
        samples = st.dictionaries(st.integers(0, 10**6), st.floats(), max_size=6)
        return raw([(labels, sorted(draw(samples).items())) for labels in sets])
    width = 1 if kind == ResultKind.VECTOR else draw(st.integers(0, 6))
    values = draw(hnp.arrays(np.float64, (rows, width), elements=st.floats()))
    whole = kind == ResultKind.VECTOR or draw(st.booleans())
    valid = None if whole else draw(hnp.arrays(np.bool_, (rows, width)))
    return Result(
        ResultKind(kind), SeriesTable.from_dicts(sets), steps(width, 15_000), values, valid
    )
