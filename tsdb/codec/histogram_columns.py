"""Encodes native histograms: plain columns for the log, packed ones for the pages of blocks.

Both are lossless. Custom bounds are stored elsewhere: a histogram refers to its set by index.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.codec.columns import FLUSH_LEVEL, Undecodable, decode_numbers, encode_numbers
from novaql.tsdb.model.histograms import COLUMNS, Buckets, Histograms
from novaql.tsdb.model.labels import Ints

Bounds = tuple[tuple[float, ...], ...]
_COUNT = Struct("<I")
_COLUMN = Struct("<II")  # numbers, bytes
_LOGGED = [(name, np.dtype(dtype).newbyteorder("<")) for name, dtype in COLUMNS.items()]
_PAGED = [(name, np.int16 if dtype is np.int8 else dtype) for name, dtype in COLUMNS.items()]
"""Types of the columns in the log and in pages: pcodec has no numbers of one byte."""
_COLUMNS_OF_PAGE = len(_PAGED) + 2 * 4
"""Beside these columns, a page has four for positive and four for negative buckets."""


def encode_plain(h: Histograms) -> list[bytes]:
    """Encode as in FORMAT.md, "Histograms" of the log."""
    pieces = [getattr(h, name).astype(dtype, copy=False).tobytes() for name, dtype in _LOGGED]
    for side in (h.positive, h.negative):
        pieces += [
            _COUNT.pack(len(side.index)),
            side.sizes.astype("<u4").tobytes(),
            side.index.astype("<i4").tobytes(),
            side.population.astype("<f8", copy=False).tobytes(),
        ]
    pieces.append(_COUNT.pack(len(h.custom_bounds)))
    for bounds in h.custom_bounds:
        pieces += [_COUNT.pack(len(bounds)), np.array(bounds, "<f8").tobytes()]
    return pieces


def decode_plain(data: bytes, at: int, count: int) -> Histograms:
    """Decode `count` histograms from an offset. Raises `ValueError` or `struct.error`."""

    def column(dtype: Any, size: int) -> NDArray[np.generic]:
        nonlocal at
        found = np.frombuffer(data, dtype, size, at)
        at += found.nbytes
        return found

    def number() -> int:
        nonlocal at
        at += _COUNT.size
        found: int = _COUNT.unpack_from(data, at - _COUNT.size)[0]
        return found

    columns: dict[str, Any] = {
        name: column(dtype, count).astype(COLUMNS[name]) for name, dtype in _LOGGED
    }
    bounds, sides = columns["bounds"], []
    for _ in range(2):
        total = number()
        offsets = np.append(0, np.cumsum(column("<u4", count).astype(np.int64))).astype(np.int64)
        index = column("<i4", total).astype(np.int32)
        if offsets[-1] != total:
            raise ValueError("sizes of buckets do not add up")
        sides.append(Buckets(offsets, index, column("<f8", total).astype(np.float64)))
    sets = tuple(tuple(column("<f8", number()).tolist()) for _ in range(number()))
    if len(bounds) and not -1 <= int(bounds.min()) <= int(bounds.max()) < len(sets):
        raise ValueError("a histogram names custom bounds that are not there")
    return Histograms(positive=sides[0], negative=sides[1], custom_bounds=sets, **columns)


def encode_page(h: Histograms, level: int = FLUSH_LEVEL) -> bytes:
    """Encode as in FORMAT.md, "Page of histograms": columns, each with its length before it."""
    columns = [getattr(h, name).astype(dtype, copy=False) for name, dtype in _PAGED]
    for side in (h.positive, h.negative):
        fresh, layouts = _layouts(side)
        columns += [
            fresh.astype(np.uint16), layouts.sizes.astype(np.uint32), layouts.index,
            side.population[_by_bucket(side)],
        ]  # fmt: skip
    packed = [encode_numbers(column, level) for column in columns]
    heads = [_COLUMN.pack(len(c), len(p)) for c, p in zip(columns, packed, strict=True)]
    return b"".join(heads + packed)


def decode_page(data: bytes, count: int, sets: Bounds) -> Histograms:
    """Decode the histograms of a page. Raises `Undecodable`."""
    try:
        columns = _Columns(data)
        scalars: dict[str, Any] = {
            name: columns.next(dtype, count).astype(COLUMNS[name]) for name, dtype in _PAGED
        }
        positive, negative = (_decode_side(columns, count) for _ in range(2))
    except (StructError, ValueError, IndexError) as problem:
        raise Undecodable(f"a page of histograms: {problem}") from problem
    return Histograms(positive=positive, negative=negative, custom_bounds=sets, **scalars)


class _Columns:
    """The columns of a page, one after another."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._head = 0
        self._at = _COLUMNS_OF_PAGE * _COLUMN.size

    def next(self, dtype: type[np.generic], count: int | None = None) -> NDArray[np.generic]:
        stated, length = _COLUMN.unpack_from(self._data, self._head)
        self._head += _COLUMN.size
        piece = self._data[self._at : self._at + length]
        self._at += length
        return decode_numbers(piece, dtype, stated if count is None else count)


def _decode_side(columns: _Columns, count: int) -> Buckets:
    fresh = columns.next(np.uint16, count)
    sizes = columns.next(np.uint32).astype(np.int64)
    index = columns.next(np.int32).astype(np.int32)
    population = columns.next(np.float64)
    offsets = np.append(0, np.cumsum(sizes)).astype(np.int64)
    layouts = Buckets(offsets, index, np.zeros(len(index)))
    rows = layouts.take(np.cumsum(fresh, dtype=np.int64) - 1)
    out = np.empty(len(population))
    out[_by_bucket(rows)] = population
    return Buckets(rows.offsets, rows.index, out)


def _layouts(side: Buckets) -> tuple[NDArray[np.bool_], Buckets]:
    """Return whether each row has other bucket numbers than the row before, and the rows that
    have."""
    sizes = side.sizes
    rows = len(sizes)
    if rows == 0:
        return np.zeros(0, np.bool_), side
    fresh = np.append(True, sizes[1:] != sizes[:-1])
    row = side.rows()
    alike = np.flatnonzero(~fresh[row])
    differs = side.index[alike] != side.index[alike - sizes[row[alike]]]
    fresh[row[alike[differs]]] = True
    return fresh, side.take(np.flatnonzero(fresh))


def _by_bucket(side: Buckets) -> Ints:
    """Return the order in which populations are written: one bucket through all rows, then the
    next."""
    order: Ints = np.argsort(side.index, kind="stable")
    return order
