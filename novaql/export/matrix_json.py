"""The JSON text of series of floats, written by the compiled functions of `matrix_text`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from json.encoder import encode_basestring as escaped

import numpy as np
from numpy.typing import NDArray

from novaql.export.compiled_text import POINT_BYTES, SERIES_BYTES, SPARE
from novaql.export.json_values import ValueStyle
from novaql.result import Result, ResultKind
from novaql.result.append_only_matrix import CELL_WORDS, Cells
from novaql.tsdb.model.labels import Codes, Ints, SeriesTable
from novaql.tsdb.runtime.buffer_pool import BUFFERS
from novaql.tsdb.runtime.compiled import Functions
from novaql.tsdb.runtime.parallel import ordered_parallel

_AT_ONCE = 8
"""Pieces in memory at the same time."""


def is_plain(result: Result) -> bool:
    """Whether the compiled functions can write it: series of floats."""
    native = result.native if result.raw is None else result.raw.native
    return result.kind in (ResultKind.MATRIX, ResultKind.VECTOR) and native is None


def plain_pieces(
    compiled: Functions, result: Result, ranges: Sequence[tuple[int, int]], style: ValueStyle
) -> Iterator[memoryview]:
    """Yield the series of these ranges of rows as JSON objects with commas between them.

    Idle cores write pieces, too. Series without a point are omitted.
    """
    cells = None
    if result.texts is not None:
        cells = result.texts.cells(result.values, compiled.write_cells)
    held = memoryview(b"")  # the last piece: the comma at its end is not part of the text
    for first in range(0, len(ranges), _AT_ONCE):
        some = ranges[first : first + _AT_ONCE]
        texts: list[memoryview] = []

        def write(number: int, some: Sequence[tuple[int, int]] = some) -> memoryview:
            first, last = some[number]
            part = result if len(ranges) == 1 else result.rows(first, last)
            return _series(compiled, part, style, None if cells is None else cells[first:last])

        ordered_parallel(len(some), write, texts.append, alone=False)
        for text in texts:
            if len(text):
                if len(held):
                    yield held
                held = text
    yield held[:-1]


def _series(
    compiled: Functions, result: Result, style: ValueStyle, cells: Cells | None
) -> memoryview:
    """Return series as JSON objects with a comma after each.

    cells  cached texts of the values
    """
    labels, texts, ends = _label_texts(result.series)
    lengths = np.append(np.diff(ends), 0)
    count = result.values.size if result.raw is None else len(result.raw.values)
    size = int(lengths[labels].sum()) + SERIES_BYTES * len(labels) + POINT_BYTES * count
    out = BUFFERS.ints((size + SPARE) // 8 + 1).view(np.uint8)
    shown = labels, texts, ends
    how = style is ValueStyle.TEXT, result.kind is ResultKind.MATRIX, out
    if result.raw is None:
        mask = np.zeros((0, 0), np.bool_) if result.valid is None else result.valid
        known = np.zeros((0, 0, CELL_WORDS), np.uint64) if cells is None else cells
        end = compiled.write_steps(result.values, mask, known, result.times_ms, *shown, *how)
    else:
        raw = result.raw
        end = compiled.write_points(raw.values, raw.times_ms, raw.offsets, *shown, *how)
    return out[:end].data


def _label_texts(series: SeriesTable) -> tuple[Codes, NDArray[np.uint8], Ints]:
    """Return for each label of each series the number of its text, -1 if it is absent: [S, L]; the
    texts `"name":"value",`, concatenated; and where each begins and the last ends."""
    labels = np.full((series.rows, len(series.columns)), -1, np.int32)
    texts: list[bytes] = []
    for number, (name, column) in enumerate(series.columns.items()):
        occurs = np.zeros(len(column.values), np.bool_)
        occurs[column.codes] = True
        occurs[0] = False
        used = occurs.nonzero()[0]
        place = np.full(len(column.values), -1, np.int32)
        place[used] = np.arange(len(texts), len(texts) + len(used))
        labels[:, number] = place[column.codes]
        key = escaped(name)
        texts += [f"{key}:{escaped(column.values[code])},".encode() for code in used.tolist()]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return labels, np.frombuffer(b"".join([*texts, bytes(SPARE)]), np.uint8), ends
