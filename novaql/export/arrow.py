"""Arrow tables."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from novaql.export.arrow_arrays import label_array, numbers, strings
from novaql.export.columns import HISTOGRAM, START, TIME, VALUE, long_form, wide_form, wide_names
from novaql.export.histogram_arrow import HISTOGRAM_TYPE, histogram_column
from novaql.result import NativeCells, Result

TIMESTAMP = pa.timestamp("ms", tz="UTC")
LABEL = pa.dictionary(pa.int32(), pa.string())

SAMPLES_AT_ONCE = 1 << 16
"""In a batch of a stream: about two megabytes."""


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
    return pa.Table.from_arrays(long.arrays(0, long.samples), schema=long.schema)


def long_stream(result: Result) -> Iterator[bytes]:
    """Yield the same table as a stream of Arrow's IPC format, piece by piece."""
    sink = _Sink()
    if result.text is not None:
        table = long_table(result)
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        yield sink.taken()
        return
    long = _Long(result)
    with pa.ipc.new_stream(sink, long.schema) as writer:
        for first in range(0, long.samples, SAMPLES_AT_ONCE):
            arrays = long.arrays(first, min(first + SAMPLES_AT_ONCE, long.samples))
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=long.schema))
            yield sink.taken()
    yield sink.taken()


class _Sink(io.BytesIO):
    """A file that Arrow writes to, and whose content is taken from it."""

    def taken(self) -> bytes:
        content = self.getvalue()
        self.seek(0)
        self.truncate()
        return content


class _Long:
    """The long layout of samples, any stretch of it as arrays."""

    def __init__(self, result: Result) -> None:
        form = self._form = long_form(result)
        self.samples = len(form.values)
        columns = form.labels.values()
        self._labels = [(column.codes, strings(column.values[1:])) for _, column in columns]
        labels = {name: label for name, (label, _) in form.labels.items()}
        self.schema = long_schema(labels, histograms=form.native is not None)

    def arrays(self, first: int, last: int) -> list[pa.Array[Any]]:
        """The columns of samples from one number up to another one, exclusively."""
        form, some = self._form, slice(first, last)
        there = form.float_there
        arrays: list[pa.Array[Any]] = [
            numbers(form.times_ms[some], TIMESTAMP),
            numbers(form.values[some], pa.float64(), None if there is None else there[some]),
        ]
        if form.native is not None:
            which = form.native.which[some]
            arrays.append(histogram_column(NativeCells(form.native.histograms, which)))
        row = form.row[some]
        for codes, texts in self._labels:
            arrays.append(label_array(codes[row], texts))
        return arrays


def wide_table(result: Result) -> pa.Table:
    """One row a time, one column a series; null where there is no sample."""
    if result.text is not None:
        return long_table(result)
    form = wide_form(result)
    names = wide_names(result)
    columns = [
        numbers(values, pa.float64(), None if form.valid is None else form.valid[row])
        for row, values in enumerate(form.values)
    ]
    times = numbers(form.times_ms, TIMESTAMP)
    return pa.Table.from_arrays([times, *columns], names=[TIME, *names])
