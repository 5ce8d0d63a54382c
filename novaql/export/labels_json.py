"""Label sets as JSON: `[{"__name__":"up","job":"api"},…]`, column by column."""

from __future__ import annotations

from json.encoder import encode_basestring as escaped
from typing import TYPE_CHECKING

import numpy as np
import orjson

from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.labels import Ints, SeriesTable

if TYPE_CHECKING:
    from novaql.export import joined_labels
else:
    joined_labels = lazy_module("novaql.export.joined_labels")  # loads pyarrow

FEW = 200
"""Series below which encoding them one by one is faster."""

LONG = 2000
"""Bytes of labels above which orjson does not encode a series: it crashes the process where
memory for its output cannot be allocated. Python's own encoder raises."""

AT_ONCE = 4 << 20
"""Bytes of labels that one call encodes."""


def label_bytes(series: SeriesTable) -> Ints:
    """[rows] about how many bytes the labels of each series take as text. Of a short label value,
    characters are counted, of which few are escaped."""
    sizes = np.full(series.rows, 2, np.int64)
    for name, column in series.columns.items():
        values, codes, more = column.values, column.codes, len(name) + 6
        if len(values) <= series.rows:
            lengths = np.fromiter(map(_octets, values), np.int64, len(values)) + more
            lengths[0] = 0
            sizes += lengths[codes]
        else:  # a few rows of a large table
            each = (_octets(values[code]) + more if code else 0 for code in codes.tolist())
            sizes += np.fromiter(each, np.int64, len(codes))
    return sizes


def _octets(text: str) -> int:
    return len(text) if len(text) < LONG else len(escaped(text).encode()) - 2


def metric_texts(series: SeriesTable) -> list[bytes]:
    """The label set of each series as an object. Raises `MemoryError`."""
    if series.rows == 0:
        return []
    sizes = label_bytes(series)
    total = int(sizes.sum())
    if total > AT_ONCE:
        bytearray(3 * total)  # of the objects, what they are joined to, and where that is copied
    if int(sizes.max()) <= LONG:
        return list(map(orjson.dumps, series.dicts()))
    return list(map(_object, series.dicts()))


def metric_text(labels: dict[str, str]) -> bytes:
    """One label set as an object. Raises `MemoryError`."""
    size = sum(map(len, labels)) + sum(map(len, labels.values()))
    return orjson.dumps(labels) if size <= LONG else _object(labels)


def _object(labels: dict[str, str]) -> bytes:
    pairs = [f"{escaped(name)}:{escaped(text)}" for name, text in labels.items()]
    return f"{{{','.join(pairs)}}}".encode()


def series_json(series: SeriesTable) -> bytes:
    """A list of objects, label names in order. Raises `MemoryError`."""
    sizes = label_bytes(series)
    ends = np.cumsum(sizes)
    if series.rows == 0 or ends[-1] <= AT_ONCE:
        return _together(series)
    bytearray(3 * int(ends[-1]))  # of the pieces, what they are joined to, and where that is copied
    piece = ends // AT_ONCE
    begins = np.flatnonzero(np.diff(piece, prepend=-1))
    pieces = []
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), series.rows], strict=True):
        part = series.take(np.arange(begin, end))
        if int(sizes[begin:end].max()) > LONG:
            pieces += metric_texts(part)
        else:
            pieces.append(_together(part)[1:-1])
    return b"[%s]" % b",".join(pieces)


def _together(series: SeriesTable) -> bytes:
    """The list of few bytes. Every distinct text is escaped once."""
    columns = [(name, column) for name, column in series.columns.items() if column.codes.any()]
    # Commas go before and after a label that all series have.
    always = next((n for n, (_, column) in enumerate(columns) if column.codes.all()), None)
    if series.rows < FEW or always is None:
        return orjson.dumps(series.dicts())
    return joined_labels.joined_labels(columns, always)
