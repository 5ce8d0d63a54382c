"""CSV in the long layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from novaql.errors import ArgumentError
from novaql.export.arrow_arrays import numbers, strings
from novaql.export.columns import HISTOGRAM, TIME, VALUE, long_form
from novaql.export.formulas import without_formula
from novaql.export.labels_json import label_bytes
from novaql.export.text_cells import CR_LF, LF, csv_cell, csv_rows, time_cells, value_texts
from novaql.result import NativeCells, Result
from novaql.result.model import FloatFormat
from novaql.text.histograms import histogram_texts
from novaql.text.times import time_texts
from novaql.tsdb.model.labels import Bools

_CHUNK = 1 << 15
CHUNK_BYTES = 64 << 20
"""Bytes of labels in a chunk: the offsets of Arrow's texts have 31 bits."""


def write_csv(
    result: Result,
    out: BinaryIO,
    *,
    float_format: FloatFormat | None = None,
    guard_formulas: bool = False,
) -> None:
    """Write `csv_pieces` with lines that end in LF, as files of programs on this machine do."""
    written = None if float_format is None else _writer(float_format)
    for piece in csv_pieces(result, guard_formulas=guard_formulas, written=written, end=LF):
        out.write(piece)


def csv_pieces(
    result: Result,
    *,
    guard_formulas: bool = False,
    written: Callable[[float], str] | None = None,
    end: pa.Scalar[Any] = CR_LF,
) -> Iterator[bytes]:
    """A header and one row a sample, piece by piece. RFC 4180 in UTF-8, lines end in CR LF.

    Times are RFC 3339 in UTC, values the shortest decimal that reads back as the same float (`NaN`,
    `+Inf`, `-Inf` where it is none), an absent label an empty cell. Native histograms have a column
    of their own, `histogram`, in the form that Prometheus prints them in.

    guard_formulas  put an apostrophe before texts that a spreadsheet would evaluate
    written         writes finite values instead
    end             the end of each line
    """

    def cell(text: str) -> str:
        return csv_cell(without_formula(text) if guard_formulas else text)

    form = long_form(result)
    fixed = [TIME, VALUE] if form.native is None else [TIME, VALUE, HISTOGRAM]
    line_end = end.as_py()
    yield (",".join(map(cell, [*fixed, *form.labels])) + line_end).encode()
    if form.text is not None:
        yield f"{time_texts(form.times_ms)[0]},{cell(form.text)}{line_end}".encode()
        return
    # Every distinct text is quoted once; rows are put together by Arrow, column by column.
    times = time_cells(form.times_ms, time_texts)
    labels = [
        (strings([cell(text) for text in column.values]), column.codes)
        for _, column in form.labels.values()
    ]
    histograms = [] if form.native is None else [histogram_cells(form.native)]
    widest = int(label_bytes(result.series).max(initial=0))
    at_once = max(1, min(_CHUNK, CHUNK_BYTES // (widest + 1)))
    for start in range(0, len(form.values), at_once):
        some = slice(start, start + at_once)
        row = form.row[some]
        cells: list[Any] = [
            times[some],
            value_texts(form.values[some], _part(form.float_there, some), written),
        ]
        cells += [texts.take(numbers(place[some], pa.int32())) for texts, place in histograms]
        cells += [texts.take(numbers(codes[row], pa.int32())) for texts, codes in labels]
        yield csv_rows(*cells, end=end)


def _writer(float_format: FloatFormat) -> Callable[[float], str]:
    """Return a function that writes a value as a cell. Raises `ArgumentError` for a format that
    cannot write numbers."""

    def written(value: float) -> str:
        try:
            made = float_format % value if isinstance(float_format, str) else float_format(value)
        except (TypeError, ValueError) as problem:
            raise ArgumentError("float_format", f"does not write {value}: {problem}") from problem
        return csv_cell(made)

    return written


def _part(values: Bools | None, some: slice) -> Bools | None:
    return None if values is None else values[some]


def histogram_cells(native: NativeCells) -> tuple[pa.Array[Any], NDArray[np.int32]]:
    """Texts of the histograms that occur behind an empty one, and which of them each sample is."""
    histograms, place = native.occurring()
    texts = strings(["", *map(csv_cell, histogram_texts(histograms))])
    which = np.zeros(len(native.which), np.int32)
    which[native.which >= 0] = place + 1
    return texts, which
