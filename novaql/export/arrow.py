"""Arrow tables."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise, repeat
from typing import Any

import numpy as np
import pyarrow as pa

from novaql.export.arrow_arrays import (
    LabelRows,
    Reserve,
    labels_reserved,
    numbers,
    strings,
    unreserved,
)
from novaql.export.columns import (
    HISTOGRAM,
    START,
    TIME,
    VALUE,
    column_names,
    long_form,
    wide_form,
    wide_names,
)
from novaql.export.histogram_arrow import HISTOGRAM_TYPE, histogram_column
from novaql.export.wide_message import wide_message
from novaql.result import NativeCells, Points, Result, native_where, points_at
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.runtime.buffer_pool import BUFFERS

TIMESTAMP = pa.timestamp("ms", tz="UTC")
LABEL = pa.dictionary(pa.int32(), pa.string())

SAMPLES_AT_ONCE = 1 << 16
"""Samples in a batch of a stream: about two megabytes."""
SMALL_SAMPLES = 1 << 12
"""Samples in a stream that Arrow writes to its own memory: a hundred kilobytes."""

WIDE_AT_ONCE, WIDE_ROWS = 1 << 19, 128
"""Cells in a batch of the wide layout: four megabytes, since each batch describes all columns; and
the least rows, since a reader makes an array for each column of a batch."""

_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
"""The last message of Arrow's IPC format: no more bytes follow."""


def long_schema(labels: Mapping[str, str], *, histograms: bool, starts: bool = False) -> pa.Schema:
    """The schema of the long layout. labels: column name → label name."""
    fields: list[pa.Field[Any]] = [
        pa.field(TIME, TIMESTAMP, nullable=False),
        pa.field(VALUE, pa.float64(), nullable=histograms),
    ]
    if histograms:
        fields.append(pa.field(HISTOGRAM, HISTOGRAM_TYPE))
    if starts:
        fields.append(pa.field(START, TIMESTAMP, metadata={"novaql": START}))
    return pa.schema([*fields, *label_fields(labels)])


def label_fields(labels: Mapping[str, str]) -> list[pa.Field[Any]]:
    """A field for each label. labels: column name → label name."""
    return [pa.field(column, LABEL, metadata={"label": label}) for column, label in labels.items()]


def long_table(result: Result) -> pa.Table:
    """One row a sample; the field of a label column has its label name as metadata.

    If there are native histograms, `value` is null in their rows, and the column `histogram`, a
    struct, in the others.
    """
    if result.text is not None:
        form = long_form(result)
        times = numbers(form.times_ms, TIMESTAMP)
        return pa.table({TIME: times, VALUE: strings([result.text])})
    long = _Long(result)
    return pa.Table.from_arrays(long.arrays(0, result.series.rows), schema=long.schema)


def long_stream(result: Result, *, reserve: Reserve = unreserved) -> Iterator[memoryview]:
    """Yield `long_table` as a stream of Arrow's IPC format, piece by piece.

    reserve  see `labels_reserved`
    """
    if result.text is not None:
        table = long_table(result)
        yield _small_stream(table.schema, table.to_batches())
        return
    long, ends = _Long(result, reserve), cells_before(result)
    if ends[-1] <= SMALL_SAMPLES:
        yield _small_stream(long.schema, [long.batch(0, result.series.rows)])
        return
    sink = _Sink()
    with pa.ipc.new_stream(sink, long.schema) as writer:
        for first, last in row_ranges(ends):
            writer.write_batch(long.batch(first, last))
            yield sink.taken()
    yield sink.taken()


def _small_stream(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> memoryview:
    """A stream in memory of Arrow's own, which calls no Python for each buffer."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return memoryview(sink.getvalue())


def cells_before(result: Result) -> Ints:
    """[rows + 1] how many samples, or cells of the matrix, there are before each series."""
    if result.raw is not None:
        return result.raw.offsets
    before: Ints = np.arange(result.series.rows + 1) * result.values.shape[1]
    return before


def row_ranges(before: Ints) -> list[tuple[int, int]]:
    """Ranges of rows with about `SAMPLES_AT_ONCE` samples, or one row with more.

    before  `cells_before`
    """
    parts = (before[1:] - 1) // SAMPLES_AT_ONCE
    changes = np.flatnonzero(np.diff(parts)) + 1
    return list(pairwise([0, *changes.tolist(), len(parts)]))


class _Sink(io.RawIOBase):
    """A file that Arrow writes to, and whose content is taken from it.

    It holds views of the arrays, and copies them once into memory that the process has used before:
    to touch new memory takes several times as long.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[memoryview] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = memoryview(data).cast("B")
        self._parts.append(part)
        self.size += len(part)
        return len(part)

    def taken(self) -> memoryview:
        out = BUFFERS.ints(self.size // 8 + 1).view(np.uint8)[: self.size].data
        at = 0
        for part in self._parts:
            out[at : at + len(part)] = part
            at += len(part)
        self._parts.clear()
        self.size = 0
        return out


class _Long:
    """The long layout of a result, any rows of it as arrays."""

    def __init__(self, result: Result, reserve: Reserve = unreserved) -> None:
        self._result = result
        self._histograms = histograms_in(result)
        series, histograms = result.series, self._histograms is not None
        names = column_names(series.names(), histograms=histograms)
        columns = [series.column(label).compacted() for label in names.values()]
        labels_reserved(columns, reserve)
        self._labels = [LabelRows(column) for column in columns]
        self.schema = long_schema(names, histograms=histograms)

    def batch(self, first: int, last: int) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays(self.arrays(first, last), schema=self.schema)

    def arrays(self, first: int, last: int) -> list[pa.Array[Any]]:
        """The columns of the samples of series from one number up to another one, exclusively."""
        points = points_between(self._result, first, last)
        times = numbers(points.times_ms, TIMESTAMP)
        if self._histograms is None:
            arrays = [times, numbers(points.values, pa.float64())]
        else:
            native = points.native or no_cells(self._histograms, len(points.values))
            values = numbers(points.values, pa.float64(), native.which < 0)
            arrays = [times, values, histogram_column(native)]
        series, samples = slice(first, last), np.diff(points.offsets)
        return arrays + [labels.repeated(series, samples) for labels in self._labels]


def points_between(result: Result, first: int, last: int) -> Points:
    """The points of some series, without their labels."""
    if result.raw is not None:
        return result.raw.between(first, last)
    some, native = slice(first, last), result.native
    if native is not None:
        native = NativeCells(native.histograms, native.which[some])
    valid = None if result.valid is None else result.valid[some]
    return points_at(result.times_ms, result.values[some], valid, native)


def histograms_in(result: Result) -> Histograms | None:
    """The histograms of a result; None: no sample is one."""
    if result.raw is not None:
        native = result.raw.native
    else:
        native = native_where(result.native, ... if result.valid is None else result.valid)
    return None if native is None else native.histograms


def no_cells(histograms: Histograms, count: int) -> NativeCells:
    return NativeCells(histograms, np.full(count, -1, np.int32))


def wide_table(result: Result) -> pa.Table:
    """One row a time, one column a series; null where there is no sample."""
    if result.text is not None:
        return long_table(result)
    form = wide_form(result)
    rows = np.ascontiguousarray(form.values)
    valid: Iterable[Bools | None] = repeat(None) if form.valid is None else form.valid
    # Not slices of one array, which cost half: each is pickled with the whole array.
    columns = [numbers(row, pa.float64(), some) for row, some in zip(rows, valid, strict=False)]
    return pa.Table.from_arrays(
        [numbers(form.times_ms, TIMESTAMP), *columns], schema=_wide_schema(result)
    )


def wide_stream(result: Result) -> Iterator[bytes | memoryview]:
    """Yield `wide_table` as a stream of Arrow's IPC format, piece by piece."""
    if result.text is not None:
        yield from long_stream(result)
        return
    form, schema = wide_form(result), _wide_schema(result)
    at_once = max(WIDE_ROWS, WIDE_AT_ONCE // len(schema))
    yield memoryview(schema.serialize())
    for first in range(0, len(form.times_ms), at_once):
        some = slice(first, first + at_once)
        valid = None if form.valid is None else form.valid[:, some]
        yield from wide_message(form.times_ms[some], form.values[:, some], valid)
    yield memoryview(_END_OF_STREAM)


def _wide_schema(result: Result) -> pa.Schema:
    number: pa.DataType = pa.float64()
    columns: list[tuple[str, pa.DataType]] = [(name, number) for name in wide_names(result)]
    return pa.schema([(TIME, TIMESTAMP), *columns])
