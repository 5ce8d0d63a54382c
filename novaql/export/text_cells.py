"""Columns of text put together by Arrow's kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from novaql.export.arrow_arrays import booleans, numbers, strings
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats

# The stubs of Arrow's kernels have fewer argument types than the kernels.
compute: Any = pc

# As Arrow's own scalars, because a Python text would make Arrow import pandas.
NOTHING, COMMA, CR_LF, LF = strings(["", ",", "\r\n", "\n"])


def csv_cell(text: str) -> str:
    """A text as a field of CSV."""
    if any(c in text for c in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def value_texts(
    values: Floats, there: Bools | None = None, written: Callable[[float], str] | None = None
) -> pa.Array[Any]:
    """Return shortest decimals, `NaN`, `+Inf`, `-Inf`; "" where the value is absent.

    written  writes a finite value instead of the shortest decimal
    """
    cells: pa.Array[Any]
    if written is None:
        cells = numbers(values, pa.float64()).cast(pa.string())
    else:  # one call for each value, because it may be any function
        cells = strings([written(one) if isfinite(one) else "" for one in values.tolist()])
    odd = ~np.isfinite(values)
    if odd.any():
        names = np.array(["NaN", "+Inf", "-Inf"])
        which = np.where(np.isnan(values), 0, np.where(values > 0, 1, 2))[odd]
        cells = compute.replace_with_mask(cells, booleans(odd), strings(names[which].tolist()))
    if there is not None:
        cells = compute.if_else(booleans(there), cells, NOTHING)
    return cells


def time_cells(times_ms: Ints, write: Callable[[Ints], Sequence[str]]) -> pa.Array[Any]:
    """Return the text of each time; equal ones are written once."""
    distinct, instant = np.unique(times_ms, return_inverse=True)
    return strings(write(distinct)).take(numbers(instant.astype(np.int64), pa.int64()))


def csv_rows(*cells: pa.Array[Any], end: pa.Scalar[Any] = CR_LF) -> bytes:
    """Return lines of CSV, each with one cell of each array."""
    *before, last = cells
    ended = compute.binary_join_element_wise(last, NOTHING, end)
    return joined_bytes(compute.binary_join_element_wise(*before, ended, COMMA))


def joined_bytes(texts: pa.Array[Any]) -> bytes:
    """Return all texts, concatenated."""
    start, end = np.frombuffer(memoryview(_buffer(texts, 1)), np.int32)[
        [texts.offset, texts.offset + len(texts)]
    ]
    return _buffer(texts, 2)[int(start) : int(end)].to_pybytes()


def _buffer(texts: pa.Array[Any], number: int) -> pa.Buffer:
    buffer = texts.buffers()[number]
    assert buffer is not None
    return buffer
