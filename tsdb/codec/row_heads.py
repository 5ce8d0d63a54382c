"""The header of a page of rows. FORMAT.md, "Pages of format 3", kind 1."""

from __future__ import annotations

import threading
from struct import Struct
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.tsdb.codec.columns import Undecodable
from novaql.tsdb.codec.decimal import PLACES
from novaql.tsdb.codec.packed import Unpacker
from novaql.tsdb.model.labels import Bools, Ints

HEAD = Struct("<IHB")  # rows, groups, flags
GROUP = Struct("<IIBb")  # rows, bytes, number type, decimal places
EXCEPTIONS = Struct("<I")
ORDERED, LINKED, EXCEPTIONAL, EQUAL = 1, 2, 4, 8
FLOATS, SHORT, LONG = 0, 1, 2
TYPES = (np.float64, np.int32, np.int64)
_MOST_HELD = 1 << 20
"""Largest buffer that a thread retains, in bytes."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows whose column is one pcodec file. kind: index of its type in `TYPES`."""

    rows: int
    bytes: int
    kind: int
    places: int


@dataclass(frozen=True, slots=True, eq=False)
class RowHeads:
    """A page of R rows without its columns, which follow `source`.

    lengths     [R] of the rows, together the values of the page
    width       of every row, if all are equal; otherwise 0
    firsts      [R] in the order of the groups
    order       [R] row at each position of that order; None: 0, 1, 2, …
    linked      [R] rows that are added to the row before; None: none
    exceptions  [2, E] increasing positions in the page, and bit patterns there; None: none
    """

    source: Unpacker
    groups: list[Group]
    lengths: Ints
    width: int
    firsts: Ints
    order: Ints | None
    linked: Bools | None
    exceptions: Ints | None

    @property
    def written(self) -> Ints:
        """Lengths in the order of the groups."""
        return self.lengths if self.order is None or self.width else self.lengths[self.order]


def read_heads(data: bytes, at: int, count: int) -> RowHeads:
    """Read the header of a page of `count` values. Raises `Undecodable`; never allocates more than
    `count` values."""
    source = Unpacker(data, at)
    rows, group_count, flags = source.fields(HEAD)
    if not 0 < rows <= count or group_count > rows:
        raise Undecodable(f"{rows} rows in {group_count} groups of {count} values")
    groups = [
        Group(*fields) for fields in GROUP.iter_unpack(source.bytes(GROUP.size * group_count))
    ]
    if sum(group.rows for group in groups) != rows:
        raise Undecodable("groups of rows do not add up")
    for group in groups:
        if group.kind >= len(TYPES) or not -1 <= group.places <= PLACES:
            raise Undecodable(f"a group of type {group.kind} with {group.places} places")
    width = 0
    if flags & EQUAL:
        width = int(source.ints(1)[0])
        if width * rows != count:
            raise Undecodable("lengths of rows do not add up")
        lengths = np.full(rows, width)
    else:
        lengths = source.ints(rows)
        if int(lengths.min()) <= 0 or int(lengths.max()) > count or int(lengths.sum()) != count:
            raise Undecodable("lengths of rows do not add up")
    firsts = source.ints(rows)
    order = source.ints(rows) if flags & ORDERED else None
    if order is not None and not (np.sort(order) == np.arange(rows)).all():
        raise Undecodable("the order of rows names one twice")
    linked = _links(source, lengths) if flags & LINKED else None
    exceptions = _exceptions(source, count) if flags & EXCEPTIONAL else None
    return RowHeads(source, groups, lengths, width, firsts, order, linked, exceptions)


def _links(source: Unpacker, lengths: Ints) -> Bools:
    rows = len(lengths)
    packed = np.frombuffer(source.bytes(-(-rows // 8)), np.uint8)
    linked = np.unpackbits(packed, count=rows).view(np.bool_)
    if linked[:1].any() or (lengths[1:] != lengths[:-1])[linked[1:]].any():
        raise Undecodable("a row is linked to no row like it")
    return linked


def _exceptions(source: Unpacker, count: int) -> Ints | None:
    (exceptions,) = source.fields(EXCEPTIONS)
    if exceptions > count:
        raise Undecodable("more exceptions than values")
    if exceptions == 0:
        return None
    found = np.empty((2, exceptions), np.int64)
    found[0], found[1] = source.ints(exceptions), source.ints(exceptions)
    places = found[0]
    if not 0 <= int(places.min()) <= int(places.max()) < count:
        raise Undecodable("an exception is outside the page")
    # of another writer; the last exception of a position counts
    if bool((places[1:] <= places[:-1]).any()):
        _, last = np.unique(places[::-1], return_index=True)
        return np.ascontiguousarray(found[:, exceptions - 1 - last])
    return found


_held = threading.local()
Number = TypeVar("Number", bound=np.generic)


def scratch(use: str, dtype: type[Number], count: int) -> NDArray[Number]:
    """Return a buffer of this thread, since new memory costs as much as decoding.

    use  purpose; the next call of this thread with it returns the same buffer
    """
    known: NDArray[np.uint8] | None = getattr(_held, use, None)
    size = count * np.dtype(dtype).itemsize
    if size > _MOST_HELD:
        return np.empty(count, dtype)
    if known is None or len(known) < size:
        known = np.empty(max(size, _MOST_HELD // 4), np.uint8)
        setattr(_held, use, known)
    return known[:size].view(dtype)
