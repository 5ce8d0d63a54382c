"""The two tabular layouts of a result, as plain arrays. Every table format is built from these.

**Long**: one row a sample; columns `time`, `value`, then one a label in order of name. A label that
is called like a column before it gets `label_` put in front, as often as it takes: the label `time`
is the column `label_time`. An absent label is null, never "". If there are native histograms, a
column `histogram` follows on `value`; each row has one of the two, the other is null. In files of
samples that have start timestamps, a column `start` comes next; null where it is not known.

**Wide**: one row a time, in order; column `time`, then one a series, named in PromQL's notation. A
series that would be called `time` is `{"time"}`. Where a series has no float the cell is null.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.result import NativeCells, Result
from novaql.text.labels import quoted, series_texts
from novaql.tsdb.model.labels import Bools, Ints, LabelColumn
from novaql.tsdb.model.samples import Floats

METADATA_KEY = b"novaql.metadata"
"""A key in the schema of a file of samples; its value is JSON: metric → [type, help, unit]."""
TIME, VALUE, HISTOGRAM, START = "time", "value", "histogram", "start"


@dataclass(frozen=True, slots=True, eq=False)
class LongForm:
    """One row a sample, N of them, series after series.

    times_ms, values  [N]; `text` in place of values for a string result
    row               [N] series of each sample
    labels            column name → (label name, its dictionary column, one code per series)
    native            which samples are histograms ([N]); None: none is
    """

    times_ms: Ints
    values: Floats
    row: Ints
    labels: dict[str, tuple[str, LabelColumn]]
    text: str | None = None
    native: NativeCells | None = None


@dataclass(frozen=True, slots=True, eq=False)
class WideForm:
    """One row a time. values, valid: [S, T]; valid None: every cell has a sample."""

    times_ms: Ints
    values: Floats
    valid: Bools | None


def column_names(
    labels: Iterable[str], *, histograms: bool = False, starts: bool = False
) -> dict[str, str]:
    """Column name → label name, by the rule of the long layout."""
    given = list(labels)
    fixed = {TIME, VALUE}
    fixed |= {HISTOGRAM} if histograms else set()
    fixed |= {START} if starts else set()
    taken = {*fixed, *given}
    out = {}
    for label in given:
        column = label
        if label in fixed:
            while column in taken:
                column = f"label_{column}"
            taken.add(column)
        out[column] = label
    return out


def long_form(result: Result) -> LongForm:
    """Every sample of a result as a row. A string result is one row."""
    if result.text is not None:
        return LongForm(
            _first(result.times_ms), np.empty(0), np.zeros(1, np.int64), {}, result.text
        )
    points = result.points()
    series = result.series
    names = column_names(series.names(), histograms=points.native is not None)
    labels = {column: (label, series.column(label).compacted()) for column, label in names.items()}
    row = np.repeat(np.arange(series.rows), np.diff(points.offsets))
    return LongForm(points.times_ms, points.values, row, labels, native=points.native)


def wide_form(result: Result) -> WideForm:
    """The result's floats as a matrix; samples with times of their own are put on all times."""
    if result.raw is None:
        valid = result.valid
        if result.native is not None:
            floats = result.native.which < 0
            valid = floats if valid is None else valid & floats
        return WideForm(result.times_ms, result.values, valid)
    points = result.raw
    times, column = np.unique(points.times_ms, return_inverse=True)
    shape = (result.series.rows, len(times))
    values, valid = np.full(shape, np.nan), np.zeros(shape, np.bool_)
    row = np.repeat(np.arange(shape[0]), np.diff(points.offsets))
    values[row, column] = points.values
    valid[row, column] = True if points.native is None else points.native.which < 0
    return WideForm(times, values, valid)


def wide_names(result: Result) -> list[str]:
    """Column name of each series in the wide layout."""
    names = series_texts(result.series)
    return [f"{{{quoted(TIME)}}}" if name == TIME else name for name in names]


def _first(times_ms: Ints) -> Ints:
    return times_ms[:1] if len(times_ms) else np.zeros(1, np.int64)
