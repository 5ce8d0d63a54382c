"""CSV in the long layout."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from novaql.export.columns import TIME, VALUE, long_form
from novaql.export.time_text import time_texts
from novaql.result import Result
from tsdb.tile import Floats

END = "\r\n"
_CHUNK = 1 << 17

# The stubs of Arrow's kernels know fewer argument types than the kernels.
compute: Any = pc


def write_csv(result: Result, out: BinaryIO) -> None:
    """Write a header and one row a sample. RFC 4180 in UTF-8, lines end in CR LF.

    Times are RFC 3339 in UTC, values the shortest decimal that reads back as the same float (`NaN`,
    `+Inf`, `-Inf` where it is none), an absent label an empty cell.
    """
    form = long_form(result)
    out.write((",".join(map(_cell, [TIME, VALUE, *form.labels])) + END).encode())
    if form.text is not None:
        out.write(f"{time_texts(form.times_ms)[0]},{_cell(form.text)}{END}".encode())
        return
    # Every distinct text is quoted once; rows are put together by Arrow, column by column.
    distinct, instant = np.unique(form.times_ms, return_inverse=True)
    times = pa.array(time_texts(distinct), pa.string())
    labels = [
        (pa.array([_cell(text) for text in column.values], pa.string()), column.codes)
        for _, column in form.labels.values()
    ]
    for start in range(0, len(form.values), _CHUNK):
        some = slice(start, start + _CHUNK)
        row = form.row[some]
        cells: list[Any] = [
            times.take(pa.array(instant[some], pa.int64())),
            _value_cells(form.values[some]),
        ]
        cells += [texts.take(pa.array(codes[row], pa.int32())) for texts, codes in labels]
        last = compute.binary_join_element_wise(cells.pop(), "", END)
        out.write(_bytes(compute.binary_join_element_wise(*cells, last, ",")))


def _cell(text: str) -> str:
    if any(c in text for c in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _value_cells(values: Floats) -> pa.Array[Any]:
    cells: pa.Array[Any] = pa.array(values, pa.float64(), from_pandas=False).cast(pa.string())
    odd = ~np.isfinite(values)
    if odd.any():
        names = np.array(["NaN", "+Inf", "-Inf"])
        which = np.where(np.isnan(values), 0, np.where(values > 0, 1, 2))[odd]
        cells = compute.replace_with_mask(cells, pa.array(odd), pa.array(names[which], pa.string()))
    return cells


def _bytes(texts: pa.Array[Any]) -> bytes:
    """All texts, one behind the other."""
    bounds = pa.array([0, len(texts)], pa.int32())
    joined: pa.Array[Any] = compute.binary_join(pa.ListArray.from_arrays(bounds, texts), "")
    joined_bytes: bytes = joined[0].as_buffer().to_pybytes()
    return joined_bytes
