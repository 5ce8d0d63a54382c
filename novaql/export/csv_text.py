"""CSV in the long layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from novaql.errors import ArgumentError
from novaql.export.arrow import (
    cells_before,
    histograms_in,
    no_cells,
    points_between,
    row_ranges,
)
from novaql.export.arrow_arrays import (
    Reserve,
    labels_reserved,
    numbers,
    strings,
    unreserved,
)
from novaql.export.columns import HISTOGRAM, TIME, VALUE, column_names
from novaql.export.formulas import without_formula
from novaql.export.labels_json import label_bytes
from novaql.export.text_cells import CR_LF, LF, csv_cell, csv_rows, time_cells, value_texts
from novaql.result import NativeCells, Result
from novaql.result.model import FloatFormat
from novaql.text.histograms import histogram_texts
from novaql.text.times import time_texts

_CHUNK = 1 << 15
CHUNK_BYTES = 1 << 20
"""Bytes of labels in a chunk."""


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
    reserve: Reserve = unreserved,
) -> Iterator[bytes]:
    """A header and one row a sample, piece by piece. RFC 4180 in UTF-8, lines end in CR LF.

    Times are RFC 3339 in UTC, values the shortest decimal that reads back as the same float (`NaN`,
    `+Inf`, `-Inf` where it is none), an absent label an empty cell. Native histograms have a column
    of their own, `histogram`, in the form that Prometheus prints them in.

    guard_formulas  put an apostrophe before texts that a spreadsheet would evaluate
    written         writes finite values instead
    end             the end of each line
    reserve         see `labels_reserved`
    """

    def cell(text: str) -> str:
        return csv_cell(without_formula(text) if guard_formulas else text)

    histograms, series = histograms_in(result), result.series
    fixed = [TIME, VALUE] if histograms is None else [TIME, VALUE, HISTOGRAM]
    names = (
        {}
        if result.text is not None
        else column_names(series.names(), histograms=histograms is not None)
    )
    line_end = end.as_py()
    yield (",".join(map(cell, [*fixed, *names])) + line_end).encode()
    if result.text is not None:
        yield f"{time_texts(result.times_ms[:1])[0]},{cell(result.text)}{line_end}".encode()
        return
    # Every distinct label is quoted once; rows are put together by Arrow, column by column.
    columns = [series.column(label).compacted() for label in names.values()]
    labels_reserved(columns, reserve)
    labels = [(strings([cell(text) for text in one.values]), one.codes) for one in columns]
    widest = int(label_bytes(series).max(initial=0))
    at_once = max(1, min(_CHUNK, CHUNK_BYTES // (widest + 1)))
    for first, last in row_ranges(cells_before(result)):
        points = points_between(result, first, last)
        row = np.repeat(np.arange(first, last), np.diff(points.offsets))
        native = points.native
        if histograms is not None and native is None:
            native = no_cells(histograms, len(row))
        for start in range(0, len(row), at_once):
            some = slice(start, start + at_once)
            cells: list[Any] = [time_cells(points.times_ms[some], time_texts)]
            if native is None:
                cells.append(value_texts(points.values[some], None, written))
            else:
                which = native.which[some]
                cells.append(value_texts(points.values[some], which < 0, written))
                texts, place = histogram_cells(NativeCells(native.histograms, which))
                cells.append(texts.take(numbers(place, pa.int32())))
            cells += [texts.take(numbers(codes[row[some]], pa.int32())) for texts, codes in labels]
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


def histogram_cells(native: NativeCells) -> tuple[pa.Array[Any], NDArray[np.int32]]:
    """Texts of the histograms that occur behind an empty one, and which of them each sample is."""
    histograms, place = native.occurring()
    texts = strings(["", *map(csv_cell, histogram_texts(histograms))])
    which = np.zeros(len(native.which), np.int32)
    which[native.which >= 0] = place + 1
    return texts, which
