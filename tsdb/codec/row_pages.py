"""A page of values as rows that are alike: whole numbers, grouped by how much they change.

Three things make it small. Floats that are decimal numbers are written as whole ones. A row that
is a part of the row after it, as the buckets of one histogram are, is taken off that. And rows of
one size of change are strung together, each going on where the one before ends, so that one
pcodec column with one set of statistics holds them all.

Nothing here may lose a bit: whatever does not come back is an exception, or stays a float.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from tsdb.codec.columns import Undecodable, decode_into, encode_numbers
from tsdb.codec.packed import Unpacker, pack
from tsdb.codec.pieces import flat_positions
from tsdb.codec.whole_numbers import MOST, PLACES, POWERS, WholeRows, to_whole
from tsdb.labels import Bools, Ints
from tsdb.tile import Floats

_HEAD = Struct("<IHB")  # rows, groups, flags
_GROUP = Struct("<IIBb")  # rows, bytes, number type, decimal places
_EXCEPTIONS = Struct("<I")
_ORDERED, _LINKED, _EXCEPTIONAL, _EQUAL = 1, 2, 4, 8
_FLOATS, _SHORT, _LONG = 0, 1, 2
_TYPES = (np.float64, np.int32, np.int64)
_CLEARLY = 0.95
_GROUP_FROM = 1024
"""A group of fewer values takes in the next one: its statistics would cost more than they save."""


def encode_rows(values: Floats, lengths: Ints, linked: Bools, level: int) -> bytes:
    """FORMAT.md, "Page of rows".

    values   [N] the rows one after the other
    lengths  [R] of each row, none of them 0
    linked   [R] whether a row may be near the row before, being larger by a part; a hint
    """
    rows = to_whole(values, lengths)
    starts = np.cumsum(lengths) - lengths
    numbers, used = _unlinked(rows, starts, lengths, linked)
    change = np.diff(numbers, prepend=numbers[:1])
    change[starts] = 0
    order, groups = _grouped(rows.places, _sizes(change, starts, lengths), lengths)
    flags = _EXCEPTIONAL * bool(len(rows.exceptions)) + _LINKED * bool(used.any())
    flags += _ORDERED * (not _counts_up(order)) + _EQUAL * _same(lengths)
    heads, bodies, firsts = [], [], []
    for members in groups:
        place = int(rows.places[members[0]])
        column, first = _column(values, numbers, change, starts[members], lengths[members], place)
        body = encode_numbers(column, level)
        kind = next(k for k, dtype in enumerate(_TYPES) if column.dtype == dtype)
        heads.append(_GROUP.pack(len(members), len(body), kind, place))
        bodies.append(body)
        firsts.append(first)
    pieces = [_HEAD.pack(len(lengths), len(groups), flags), *heads]
    pieces.append(pack(lengths[:1] if flags & _EQUAL else lengths, level))
    pieces.append(pack(np.concatenate(firsts), level))
    if flags & _ORDERED:
        pieces.append(pack(order, level))
    if flags & _LINKED:
        pieces.append(np.packbits(used).tobytes())
    if flags & _EXCEPTIONAL:
        bits = values[rows.exceptions].view(np.int64)
        pieces += [_EXCEPTIONS.pack(len(bits)), pack(rows.exceptions, level), pack(bits, level)]
    return b"".join(pieces + bodies)


def _unlinked(rows: WholeRows, starts: Ints, lengths: Ints, linked: Bools) -> tuple[Ints, Bools]:
    """Numbers in which linked rows are differences to the row before, where that is smaller."""
    possible = linked.copy()
    possible[:1] = False
    possible[1:] &= (lengths[1:] == lengths[:-1]) & (rows.places[1:] == rows.places[:-1])
    possible &= rows.places >= 0
    candidates = np.flatnonzero(possible)
    if len(candidates) == 0:
        return rows.numbers, possible
    positions = flat_positions(starts[candidates], lengths[candidates])
    back = np.repeat(lengths[candidates], lengths[candidates])
    plain = rows.numbers[positions]
    apart = plain - rows.numbers[positions - back]
    begins = np.cumsum(lengths[candidates]) - lengths[candidates]
    gains = _weight(apart, begins) < _CLEARLY * _weight(plain, begins)
    numbers = rows.numbers.copy()
    taken = np.repeat(gains, lengths[candidates])
    numbers[positions[taken]] = apart[taken]
    used = np.zeros(len(lengths), np.bool_)
    used[candidates[gains]] = True
    return numbers, used


def _weight(numbers: Ints, begins: Ints) -> Floats:
    """About how many bits the changes of each row take."""
    change = np.diff(numbers, prepend=numbers[:1])
    change[begins] = 0
    weights: Floats = np.add.reduceat(np.log2(1.0 + np.abs(change)), begins)
    return weights


def _sizes(change: Ints, starts: Ints, lengths: Ints) -> Ints:
    """Size class of each row: about the binary logarithm of its mean change."""
    mean = np.add.reduceat(np.abs(change).astype(np.float64), starts) / lengths
    sizes: Ints = np.rint(np.log2(mean + 2.0**-10)).astype(np.int64)
    return sizes


def _grouped(places: Ints, sizes: Ints, lengths: Ints) -> tuple[Ints, list[Ints]]:
    """Rows in the order in which they are written, and the same cut into groups."""
    order = np.lexsort((sizes, places))
    groups: list[Ints] = []
    begin = 0
    filled = 0
    for at in range(1, len(order) + 1):
        filled += int(lengths[order[at - 1]])
        if at < len(order):
            here, following = order[at - 1], order[at]
            if places[here] == places[following] and (
                sizes[here] == sizes[following] or filled < _GROUP_FROM
            ):
                continue
        groups.append(np.sort(order[begin:at]))
        begin, filled = at, 0
    return np.concatenate(groups), groups


def _column(
    values: Floats, numbers: Ints, change: Ints, starts: Ints, lengths: Ints, place: int
) -> tuple[NDArray[np.generic], Ints]:
    """What pcodec is given for a group of rows, and what each row begins with."""
    positions = flat_positions(starts, lengths)
    if place < 0:
        return values[positions], np.zeros(len(starts), np.int64)
    changes = change[positions]
    if float(np.abs(changes).sum(dtype=np.float64)) >= MOST << 9:  # strung together they overflow
        return numbers[positions], numbers[starts]
    strung = np.cumsum(changes)
    level = int(np.abs(strung).max())
    if level < 1 << 31:
        return strung.astype(np.int32), numbers[starts]
    return strung if level < MOST else numbers[positions], numbers[starts]


def _counts_up(order: Ints) -> bool:
    return bool((order == np.arange(len(order))).all())


def _same(lengths: Ints) -> bool:
    return bool((lengths == lengths[0]).all())


@dataclass(frozen=True, slots=True)
class _Group:
    rows: int
    bytes: int
    kind: int
    places: int


def decode_rows(data: bytes, at: int, count: int) -> Floats:
    """The values of a page again. Raises `Undecodable`; never reads or makes more than `count`."""
    source = Unpacker(data, at)
    rows, group_count, flags = source.fields(_HEAD)
    if rows > count or group_count > rows:
        raise Undecodable(f"{rows} rows in {group_count} groups of {count} values")
    groups = [_Group(*source.fields(_GROUP)) for _ in range(group_count)]
    if sum(group.rows for group in groups) != rows:
        raise Undecodable("groups of rows do not add up")
    lengths = np.repeat(source.ints(min(1, rows)), rows) if flags & _EQUAL else source.ints(rows)
    if (lengths <= 0).any() or int(lengths.sum()) != count:
        raise Undecodable("lengths of rows do not add up")
    firsts = source.ints(rows).astype(np.float64)
    order = source.ints(rows) if flags & _ORDERED else np.arange(rows)
    if flags & _ORDERED and not _counts_up(np.sort(order)):
        raise Undecodable("the order of rows names one twice")
    linked = np.zeros(rows, np.bool_)
    if flags & _LINKED:
        packed = np.frombuffer(source.bytes(-(-rows // 8)), np.uint8)
        linked = np.unpackbits(packed, count=rows).view(np.bool_)
        if linked[:1].any() or (lengths[1:] != lengths[:-1])[linked[1:]].any():
            raise Undecodable("a row is linked to no row like it")
    places, bits = np.empty(0, np.int64), np.empty(0, np.int64)
    if flags & _EXCEPTIONAL:
        (exceptions,) = source.fields(_EXCEPTIONS)
        if exceptions > count:
            raise Undecodable("more exceptions than values")
        places, bits = source.ints(exceptions), source.ints(exceptions)
        if exceptions and not 0 <= int(places.min()) <= int(places.max()) < count:
            raise Undecodable("an exception is outside the page")
    if flags & _EQUAL:
        values = _equal_rows(source, groups, int(lengths[0]), firsts, order, linked)
    else:
        values = _ragged_rows(source, groups, lengths, firsts, order, linked)
    values.view(np.int64)[places] = bits
    return values


def _checked(group: _Group) -> None:
    if group.kind >= len(_TYPES) or not -1 <= group.places <= PLACES:
        raise Undecodable(f"a group of type {group.kind} with {group.places} places")


def _equal_rows(
    source: Unpacker,
    groups: list[_Group],
    width: int,
    firsts: Floats,
    order: Ints,
    linked: Bools,
) -> Floats:
    """Rows of one length are a matrix, and everything is done to all of them at once."""
    values = np.empty((len(order), width))
    ordered = _counts_up(order)
    any_linked = bool(linked.any())
    powers = np.ones(len(order))
    at = 0
    for group in groups:
        _checked(group)
        column = np.empty((group.rows, width), _TYPES[group.kind])
        decode_into(source.bytes(group.bytes), column.reshape(-1))
        end = at + group.rows
        rows = slice(at, end) if ordered else order[at:end]
        if group.kind == _FLOATS:
            values[rows] = column
        else:
            shift = (firsts[at:end] - column[:, 0])[:, None]
            moved = np.add(column, shift, dtype=np.float64)
            if group.places > 0:
                if any_linked:
                    powers[order[at:end]] = POWERS[group.places]
                else:
                    moved /= POWERS[group.places]
            values[rows] = moved
        at = end
    if any_linked:
        for row in np.flatnonzero(linked).tolist():
            values[row] += values[row - 1]
        scaled = np.flatnonzero(powers != 1.0)
        if len(scaled):
            values[scaled] /= powers[scaled, None]
    return values.reshape(-1)


def _ragged_rows(
    source: Unpacker,
    groups: list[_Group],
    lengths: Ints,
    firsts: Floats,
    order: Ints,
    linked: Bools,
) -> Floats:
    starts = np.cumsum(lengths) - lengths
    values = np.empty(int(lengths.sum()))
    powers = np.ones(len(lengths))
    whole = len(groups) == 1 and _counts_up(order)
    at = 0
    for group in groups:
        _checked(group)
        rows = order[at : at + group.rows]
        sizes = lengths[rows]
        column = np.empty(int(sizes.sum()), _TYPES[group.kind])
        decode_into(source.bytes(group.bytes), column)
        if group.kind == _FLOATS:
            moved = column.view(np.float64)
        else:
            begins = np.cumsum(sizes) - sizes
            shift = firsts[at : at + group.rows] - column[begins]
            moved = np.add(column, np.repeat(shift, sizes), dtype=np.float64)
            if group.places > 0:
                powers[rows] = POWERS[group.places]
        if whole:
            values = moved
        else:
            values[flat_positions(starts[rows], sizes)] = moved
        at += group.rows
    _add_linked(values, starts, lengths, linked)
    scaled = powers != 1.0
    if scaled.all():
        values /= powers[0] if (powers == powers[0]).all() else np.repeat(powers, lengths)
    elif scaled.any():
        positions = flat_positions(starts[scaled], lengths[scaled])
        values[positions] /= np.repeat(powers[scaled], lengths[scaled])
    return values


def _add_linked(values: Floats, starts: Ints, lengths: Ints, linked: Bools) -> None:
    """Rows in order of how many links lead to them, so that what a row is added to is whole."""
    if not linked.any():
        return
    number = np.arange(len(linked))
    depth = number - np.maximum.accumulate(np.where(linked, -1, number))
    for level in range(1, int(depth.max()) + 1):
        rows = np.flatnonzero(depth == level)
        positions = flat_positions(starts[rows], lengths[rows])
        values[positions] += values[positions - np.repeat(lengths[rows], lengths[rows])]
