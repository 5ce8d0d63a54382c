"""Arrow tables."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from novaql.export.arrow_arrays import numbers, strings
from novaql.export.columns import HISTOGRAM, TIME, VALUE, long_form, wide_form, wide_names
from novaql.export.histogram_arrow import HISTOGRAM_TYPE, histogram_column
from novaql.result import Result
from tsdb.labels import Ints, LabelColumn

TIMESTAMP = pa.timestamp("ms", tz="UTC")
LABEL = pa.dictionary(pa.int32(), pa.string())


def long_table(result: Result) -> pa.Table:
    """One row a sample; the field of a label column has its label name as metadata.

    If there are native histograms, `value` is null in their rows, and the column `histogram`, a
    struct, in the others.
    """
    form = long_form(result)
    times = numbers(form.times_ms, TIMESTAMP)
    if form.text is not None:
        return pa.table({TIME: times, VALUE: strings([form.text])})
    fields: list[pa.Field[Any]] = [
        pa.field(TIME, TIMESTAMP, nullable=False),
        pa.field(VALUE, pa.float64(), nullable=form.native is not None),
    ]
    arrays: list[pa.Array[Any]] = [times, numbers(form.values, pa.float64(), form.float_there)]
    if form.native is not None:
        fields.append(pa.field(HISTOGRAM, HISTOGRAM_TYPE))
        arrays.append(histogram_column(form.native))
    for name, (label, column) in form.labels.items():
        fields.append(pa.field(name, LABEL, metadata={"label": label}))
        arrays.append(_dictionary(column, form.row))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


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


def _dictionary(column: LabelColumn, row: Ints) -> pa.Array[Any]:
    codes = column.codes[row]
    indices = numbers(codes - 1, pa.int32(), codes != 0)
    return pa.DictionaryArray.from_arrays(indices, strings(column.values[1:]))
