"""A page of values as rows that are alike: whole numbers, grouped by how much they change.

Three things make it small. Floats that are decimal numbers are written as whole ones. A row that
is a part of the row after it, as the buckets of one histogram are, is taken off that. And rows of
one size of change are strung together, each going on where the one before ends, so that one
pcodec column with one set of statistics holds them all.

Nothing here may lose a bit: whatever does not come back is an exception, or stays a float.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.codec.columns import FLUSH_LEVEL, decode_into, encode_numbers
from novaql.tsdb.codec.decimal import MOST, POWERS, WholeRows, to_whole
from novaql.tsdb.codec.packed import pack
from novaql.tsdb.codec.row_heads import (
    EQUAL,
    EXCEPTIONAL,
    EXCEPTIONS,
    FLOATS,
    GROUP,
    HEAD,
    LINKED,
    ORDERED,
    TYPES,
    Group,
    RowHeads,
    read_heads,
    scratch,
)
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats

_CLEARLY = 0.95
_LONG_ROW = 128
RECENT, LONG_ENOUGH = (256, 1280), 896
"""How many samples of a row stand together, the newest ones first, and then always the last number;
shorter rows stay whole."""
_GROUP_FROM = {False: 3072, True: 2048}
"""A group of fewer values takes in the next one: its statistics would cost more than they save, or
more time, where that counts (False) and not the last byte."""


def encode_rows(values: Floats, lengths: Ints, linked: Bools, level: int) -> bytes:
    """FORMAT.md, "Page of rows".

    values   [N] the rows one after the other
    lengths  [R] of each row, none of them 0
    linked   [R] whether a row may be near the row before, being larger by a part; a hint

    Long rows are written as several, the newest samples of all before older ones: a column is
    decoded from its beginning on, as far as somebody wants it.
    """
    age = np.zeros(len(lengths), np.int64)
    if level > FLUSH_LEVEL and not linked.any():
        lengths, age = _by_age(lengths)
        linked = np.zeros(len(lengths), np.bool_)
    rows = to_whole(values, lengths)
    starts = np.cumsum(lengths) - lengths
    numbers, used = _unlinked(rows, starts, lengths, linked)
    change = np.diff(numbers, prepend=numbers[:1])
    change[starts] = 0
    enough = _GROUP_FROM[level > FLUSH_LEVEL]
    order, groups = _grouped(rows.places, _sizes(change, starts, lengths), lengths, age, enough)
    flags = EXCEPTIONAL * bool(len(rows.exceptions)) + LINKED * bool(used.any())
    flags += ORDERED * (not _counts_up(order)) + EQUAL * _same(lengths)
    heads, bodies, firsts = [], [], []
    for members in groups:
        place = int(rows.places[members[0]])
        column, first = _column(values, numbers, change, starts[members], lengths[members], place)
        body = encode_numbers(column, level)
        kind = next(k for k, dtype in enumerate(TYPES) if column.dtype == dtype)
        heads.append(GROUP.pack(len(members), len(body), kind, place))
        bodies.append(body)
        firsts.append(first)
    pieces = [HEAD.pack(len(lengths), len(groups), flags), *heads]
    pieces.append(pack(lengths[:1] if flags & EQUAL else lengths, level))
    pieces.append(pack(np.concatenate(firsts), level))
    if flags & ORDERED:
        pieces.append(pack(order, level))
    if flags & LINKED:
        pieces.append(np.packbits(used).tobytes())
    if flags & EXCEPTIONAL:
        bits = values[rows.exceptions].view(np.int64)
        pieces += [EXCEPTIONS.pack(len(bits)), pack(rows.exceptions, level), pack(bits, level)]
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


def _by_age(lengths: Ints) -> tuple[Ints, Ints]:
    """Rows cut into stretches of `RECENT` from the newest sample on: lengths, and how many of each
    row are newer."""
    if int(lengths.max()) < LONG_ENOUGH:
        return lengths, np.zeros(len(lengths), np.int64)
    steps = np.append(RECENT, np.full(int(lengths.max()) // RECENT[-1], RECENT[-1]))
    newer = np.cumsum(steps) - steps
    # The oldest stretch is half to one and a half times as long as the next one would be.
    counts = np.where(
        lengths < LONG_ENOUGH, 1, np.searchsorted(newer[1:] + steps[1:] // 2, lengths) + 1
    )
    row = np.repeat(np.arange(len(lengths)), counts)
    age = np.cumsum(counts)[row] - 1 - np.arange(len(row))
    oldest = age == counts[row] - 1
    return np.where(oldest, lengths[row] - newer[age], steps[age]), age


def _grouped(
    places: Ints, sizes: Ints, lengths: Ints, age: Ints, enough: int
) -> tuple[Ints, list[Ints]]:
    """Rows in the order in which they are written, and the same cut into groups of `enough`."""
    order = np.lexsort((sizes, places))
    groups: list[Ints] = []
    begin = 0
    filled = 0
    for at in range(1, len(order) + 1):
        filled += int(lengths[order[at - 1]])
        if at < len(order):
            here, following = order[at - 1], order[at]
            if places[here] == places[following] and (
                sizes[here] == sizes[following] or filled < enough
            ):
                continue
        some = order[begin:at]
        groups.append(some[np.lexsort((some, age[some]))])
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


def decode_rows(data: bytes, at: int, count: int, *, passing: bool = False) -> Floats:
    """The values of a page again. Raises `Undecodable`; never reads or makes more than `count`.

    passing  they are looked at now or never: the next page of this thread takes their place
    """
    heads = read_heads(data, at, count)
    lengths, width = heads.lengths, heads.width
    values = _rows(heads, scratch("values", np.float64, count) if passing else np.empty(count))
    if heads.linked is not None:
        _add_linked(values, lengths, heads.linked, width)
    _scale(values, heads.groups, lengths, heads.order, width)
    if heads.exceptions is not None:
        values.view(np.int64)[heads.exceptions[0]] = heads.exceptions[1]
    return values


def _rows(heads: RowHeads, values: Floats) -> Floats:
    """Whole numbers, and floats, of all rows, written to `values`."""
    groups, lengths, order, width = heads.groups, heads.lengths, heads.order, heads.width
    firsts = heads.firsts.astype(np.float64)
    written = heads.written
    ends = np.cumsum(written)
    kind = groups[0].kind
    if all(group.kind == kind for group in groups):
        groups_alike = [groups]
    else:
        groups_alike = [[group] for group in groups]
    row, begin, end = 0, 0, 0
    for alike in groups_alike:
        column, begins = scratch("column", TYPES[alike[0].kind], int(ends[-1]) - begin), begin
        first_row = row
        for group in alike:
            row += group.rows
            end = int(ends[row - 1])
            decode_into(heads.source.bytes(group.bytes), column[begin - begins : end - begins])
            begin = end
        some = slice(first_row, row)
        found = column[: end - begins]
        rows = some if order is None else order[some]
        if alike[0].kind == FLOATS:
            shift = None
        else:
            shift = firsts[some] - found[ends[some] - written[some] - begins]
        if width:
            _put_equal(values.reshape(-1, width), rows, found.reshape(-1, width), shift)
        elif order is None:
            values[begins:end] = found
            if shift is not None:
                values[begins:end] += np.repeat(shift, written[some])
        else:
            starts = np.cumsum(lengths) - lengths
            _put_ragged(values, starts[rows], written[some], found, shift)
    return values


def _put_equal(
    matrix: Floats, rows: slice | Ints, found: NDArray[np.generic], shift: Floats | None
) -> None:
    matrix[rows] = found
    if shift is None:
        return
    if isinstance(rows, slice):
        matrix[rows] += shift[:, None]
    elif len(rows) == len(matrix):
        by_row = np.empty_like(shift)
        by_row[rows] = shift
        matrix += by_row[:, None]
    else:
        matrix[rows] += shift[:, None]


def _put_ragged(
    values: Floats, starts: Ints, lengths: Ints, found: NDArray[np.generic], shift: Floats | None
) -> None:
    positions = flat_positions(starts, lengths)
    values[positions] = found if shift is None else found + np.repeat(shift, lengths)


def _add_linked(values: Floats, lengths: Ints, linked: Bools, width: int) -> None:
    """Rows in order of how many links lead to them, so that what a row is added to is whole."""
    number = np.arange(len(linked))
    depth = number - np.maximum.accumulate(np.where(linked, -1, number))
    starts = np.cumsum(lengths) - lengths
    if width >= _LONG_ROW:
        matrix = values.reshape(-1, width)
        for row in np.flatnonzero(linked).tolist():
            matrix[row] += matrix[row - 1]
        return
    for level in range(1, int(depth.max()) + 1):
        rows = np.flatnonzero(depth == level)
        positions = flat_positions(starts[rows], lengths[rows])
        values[positions] += values[positions - np.repeat(lengths[rows], lengths[rows])]


def _scale(
    values: Floats, groups: list[Group], lengths: Ints, order: Ints | None, width: int
) -> None:
    """Divide whole numbers by the power of ten of their decimal places."""
    places = {group.places for group in groups}
    if places <= {0, -1}:
        return
    if len(places) == 1:
        values /= POWERS[places.pop()]
        return
    by_group = np.repeat([group.places for group in groups], [group.rows for group in groups])
    of_row = by_group
    if order is not None:
        of_row = np.empty_like(by_group)
        of_row[order] = by_group
    scaled = np.flatnonzero(of_row > 0)
    if width:
        matrix = values.reshape(-1, width)
        matrix[scaled] /= POWERS[of_row[scaled], None]
    else:
        starts = np.cumsum(lengths) - lengths
        positions = flat_positions(starts[scaled], lengths[scaled])
        values[positions] /= np.repeat(POWERS[of_row[scaled]], lengths[scaled])
