"""Native histograms as an Arrow column of structs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from novaql.export.arrow_arrays import numbers, py_buffer, strings
from novaql.model.histogram_rows import HistogramRows
from novaql.result import NativeCells
from novaql.tsdb.model.histogram_buckets import boundary_rules, ladder
from novaql.tsdb.model.histograms import Histograms, ResetHint

BUCKET_TYPE = pa.struct(
    [
        pa.field("rule", pa.int8(), nullable=False),
        pa.field("lower", pa.float64(), nullable=False),
        pa.field("upper", pa.float64(), nullable=False),
        pa.field("population", pa.float64(), nullable=False),
    ]
)
"""A populated bucket. rule: which ends are inside; 0 the upper, 1 the lower, 2 neither, 3 both."""

HISTOGRAM_TYPE = pa.struct(
    [
        pa.field("count", pa.float64(), nullable=False),
        pa.field("sum", pa.float64(), nullable=False),
        pa.field("schema", pa.int8(), nullable=False),
        pa.field("zero_threshold", pa.float64(), nullable=False),
        pa.field("hint", pa.string(), nullable=False),
        pa.field(
            "buckets", pa.list_(pa.field("item", BUCKET_TYPE, nullable=False)), nullable=False
        ),
    ]
)
"""hint: `unknown`, `reset`, `not_reset` or `gauge`. buckets: from the lowest to the highest."""


def histogram_column(native: NativeCells) -> pa.Array[Any]:
    """[N] histograms; null where the sample is a float."""
    there = native.which >= 0
    histograms, place = native.occurring()
    if not len(histograms):
        nothing = HistogramRows()
        nothing.add(0, 0, 0, 0, 0, 0, ((), ()), ((), ()))
        histograms = nothing.histograms()
    rows = np.zeros(len(there), np.int64)
    rows[there] = place
    # Taking null rows would put nulls into the fields too, which may not have any. So null rows
    # have the first histogram, which is not visible.
    structs: Any = _structs(histograms).take(numbers(rows, pa.int64()))
    bits = py_buffer(np.packbits(there, bitorder="little"))
    fields = [structs.field(number) for number in range(HISTOGRAM_TYPE.num_fields)]
    column: pa.Array[Any] = pa.Array.from_buffers(
        HISTOGRAM_TYPE, len(there), [bits], children=fields
    )
    return column


def _structs(h: Histograms) -> pa.Array[Any]:
    rungs = ladder(h)
    parts = [
        numbers(boundary_rules(h, rungs), pa.int8()),
        numbers(rungs.lower, pa.float64()),
        numbers(rungs.upper, pa.float64()),
        numbers(rungs.population, pa.float64()),
    ]
    items = pa.Array.from_buffers(BUCKET_TYPE, len(rungs.population), [None], children=parts)
    offsets = py_buffer(rungs.offsets.astype(np.int32))
    lists = pa.Array.from_buffers(
        HISTOGRAM_TYPE.field("buckets").type, len(h), [None, offsets], children=[items]
    )
    hints = strings([hint.name.lower() for hint in ResetHint])
    fields = [
        numbers(h.count, pa.float64()),
        numbers(h.sum, pa.float64()),
        numbers(h.schema, pa.int8()),
        numbers(h.zero_threshold, pa.float64()),
        hints.take(numbers(h.hint.astype(np.int32), pa.int32())),
        lists,
    ]
    structs: pa.Array[Any] = pa.Array.from_buffers(HISTOGRAM_TYPE, len(h), [None], children=fields)
    return structs
