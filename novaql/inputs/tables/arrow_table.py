"""Arrow record batches in long or wide form → batches of samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from novaql.errors import InputError
from novaql.inputs.tables.arrow_labels import (
    distinct_series,
    holds_labels,
    label_column,
    map_columns,
)
from novaql.inputs.tables.arrow_numpy import nearest_floats, valid_of
from novaql.inputs.tables.arrow_time import TimeColumn
from novaql.inputs.tables.column_roles import Columns, Layout, find_layout
from novaql.inputs.tables.histogram_column import read_histograms
from novaql.lazy_exports import lazy_module
from novaql.text.series_parser import SeriesTextProblem, parse_series
from novaql.tsdb.model.labels import METRIC_NAME, Bools, Ints, LabelColumn, SeriesTable
from novaql.tsdb.model.samples import Batch, Floats, HistogramSamples

if TYPE_CHECKING:
    import pyarrow as pa
else:  # loaded at the first use
    pa = lazy_module("pyarrow")

ROWS_AT_ONCE = 1 << 20


class ArrowReader:
    """Reads record batches of one schema, in the time unit of the first one.

    Null is no sample, NaN is a value.

    rows_before  number of the first row of the next record batch, for messages
    """

    def __init__(self, layout: Layout, time: TimeColumn, what: str) -> None:
        self.layout = layout
        self.rows_before = 0
        self._what = what
        self._time = time
        self._start = None if layout.start is None else TimeColumn(layout.start, None)

    @classmethod
    def of_schema(cls, schema: pa.Schema, columns: Columns, what: str) -> ArrowReader:
        """A reader of a table. `what` names the table in messages. Raises `InputError`."""
        layout = find_layout(schema, columns, what)
        return cls(layout, TimeColumn(layout.time, columns.time_unit), what)

    def read(self, part: pa.RecordBatch) -> Batch:
        """The samples of a record batch. Raises `InputError` with table, column and row."""
        times, table, index = self.rows_of(part)
        make = self._long if self.layout.long else self._wide
        try:
            batch = make(part, times, table, index)
        except InputError as problem:
            raise InputError(f"{self._what}: {problem}") from problem
        self.rows_before += part.num_rows
        return batch

    def rows_of(self, part: pa.RecordBatch) -> tuple[Ints, SeriesTable, Ints]:
        """The time of each row in milliseconds, the distinct label sets, and the number of that of
        each row. Reads no values. Raises `InputError`."""
        try:
            times = self._time.milliseconds(part.column(self.layout.time), self.rows_before)
            table, index = distinct_series(self._label_columns(part), part.num_rows)
        except InputError as problem:
            raise InputError(f"{self._what}: {problem}") from problem
        return times, table, index

    def _label_columns(self, part: pa.RecordBatch) -> dict[str, LabelColumn]:
        columns: dict[str, LabelColumn] = {}
        for name in self.layout.labels:
            array = part.column(name)
            if holds_labels(array.type):
                found = map_columns(array, name)
            else:
                found = {label_of(part.schema.field(name)): label_column(array, name)}
            for label, column in found.items():
                if label in columns:
                    raise InputError(f"column {name}: the label {label} is given twice")
                columns[label] = column
        for label, value in self.layout.folders.items():
            columns[label] = LabelColumn.constant(value, part.num_rows)
        if self.layout.name is not None:
            columns[METRIC_NAME] = label_column(part.column(self.layout.name), self.layout.name)
        elif self.layout.metric:
            columns[METRIC_NAME] = LabelColumn.constant(self.layout.metric, part.num_rows)
        elif self.layout.long and not self.layout.labels and not any(self.layout.folders.values()):
            # There are only times and values, and a series needs a label.
            columns[METRIC_NAME] = LabelColumn.constant(self.layout.values[0], part.num_rows)
        return columns

    def _long(self, part: pa.RecordBatch, times: Ints, table: SeriesTable, index: Ints) -> Batch:
        starts = self._starts(part)
        native = self._native(part, times, index, starts)
        name = self.layout.values[0]
        values, present = number_column(part.column(name), name)
        if present is not None:
            index, times, values = index[present], times[present], values[present]
            starts = None if starts is None else starts[present]
        return Batch(table, index, times, values, native, starts)

    def _starts(self, part: pa.RecordBatch) -> Ints | None:
        """Start timestamps; 0 for a row without one."""
        if self._start is None:
            return None
        column = part.column(self._start.column)
        if column.null_count == len(column):
            return None
        there = valid_of(column)
        starts = np.zeros(len(column), np.int64)
        starts[there] = self._start.milliseconds(column.drop_null(), self.rows_before)
        return starts

    def _native(
        self, part: pa.RecordBatch, times: Ints, index: Ints, starts: Ints | None
    ) -> HistogramSamples | None:
        """The histograms of the rows that have one."""
        if self.layout.native is None:
            return None
        column = part.column(self.layout.native)
        there = np.flatnonzero(valid_of(column))
        if len(there) == 0:
            return None
        found = read_histograms(column, there, index[there])
        begun = None if starts is None else starts[there]
        return HistogramSamples(index[there], times[there], found, begun)

    def _wide(self, part: pa.RecordBatch, times: Ints, table: SeriesTable, index: Ints) -> Batch:
        names = self.layout.values
        metrics = SeriesTable.from_dicts([series_of_column(name) for name in names])
        counted = len(names)
        # Row r of the label table and column c are the series r * counted + c.
        columns = {
            label: LabelColumn(np.repeat(column.codes, counted), column.values)
            for label, column in table.columns.items()
        }
        for label, column in metrics.columns.items():
            if label in columns and label != METRIC_NAME:
                raise InputError(f"the label {label} is a column and also inside a column's name")
            columns[label] = LabelColumn(np.tile(column.codes, len(table)), column.values)
        series = SeriesTable.from_columns(len(table) * counted, columns)
        picked: list[tuple[Ints, Ints, Floats]] = []
        for number, name in enumerate(names):
            values, present = number_column(part.column(name), name)
            rows, at = index * counted + number, times
            if present is not None:
                rows, at, values = rows[present], at[present], values[present]
            picked.append((rows, at, values))
        joined = [np.concatenate(arrays) for arrays in zip(*picked, strict=True)]
        return Batch(series, joined[0], joined[1], joined[2])


def read_arrow(
    parts: Iterable[pa.RecordBatch], schema: pa.Schema, columns: Columns, what: str
) -> Iterator[Batch]:
    """Batches of samples from record batches; small ones are joined first."""
    reader = ArrowReader.of_schema(schema, columns, what)
    wanted = reader.layout.used
    for part in _rejoined(parts, wanted):
        if part.num_rows:
            yield reader.read(part)


def number_column(array: pa.Array[Any], column: str) -> tuple[Floats, Bools | None]:
    """Values, and whether each is present; None: all are. The others are arbitrary."""
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    try:
        floats = nearest_floats(array)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as problem:
        raise InputError(f"column {column}: {array.type} cannot be read as numbers") from problem
    return floats, None if array.null_count == 0 else valid_of(array)


def _rejoined(parts: Iterable[pa.RecordBatch], names: list[str]) -> Iterator[pa.RecordBatch]:
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for part in parts:
        waiting.append(part.select(names))
        rows += part.num_rows
        if rows >= ROWS_AT_ONCE:
            yield from _joined(waiting)
            waiting, rows = [], 0
    yield from _joined(waiting)


def _joined(parts: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The rows in one batch, or in several if the texts of a column are too long for one."""
    if len(parts) < 2:
        return parts
    return pa.Table.from_batches(parts).combine_chunks().to_batches()


def label_of(field: pa.Field[Any]) -> str:
    """The label of a column: in its metadata in a result of NovaQL, else its name."""
    return (field.metadata or {}).get(b"label", field.name.encode()).decode()


def series_of_column(column: str) -> dict[str, str]:
    """The series that the name of a column of values is, or names. Raises `InputError`."""
    if not column.rstrip().endswith("}"):
        return {METRIC_NAME: column}
    try:
        return parse_series(column.strip(), query_notation=True)
    except SeriesTextProblem as problem:
        raise InputError(
            f"the column name {column!r} is no series: {problem.reason} "
            f"(character {problem.position + 1})"
        ) from problem
