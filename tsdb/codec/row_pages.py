"""Encodes a page of values as rows of whole numbers, grouped by how much they change.

Three transformations make it small. Floats that are decimal numbers become whole numbers. A row
that is contained in the next row, such as a bucket of a histogram in the next larger one, is
subtracted from it. And rows with changes of similar size are concatenated, each shifted to continue
where the one before ends, so that one pcodec column with one set of statistics has them all.

The encoding is lossless: values that do not convert back are exceptions, or their row remains
floats.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

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

T = TypeVar("T", bound=np.generic)
_CLEARLY = 0.95
_LONG_ROW = 128
RECENT, LONG_ENOUGH = (256, 1280), 896
"""A row of at least `LONG_ENOUGH` samples is divided into its newest 256 samples and stretches of
1280, so that a read of recent samples decodes only the beginning of a column. Both are multiples of
256, pcodec's batch."""
_GROUP_FROM = {False: 3072, True: 2048}
"""A group of fewer values is joined with the next one: its statistics would cost more than they
save. Decoding time favours large groups (False), the size of merged blocks smaller ones (True)."""


def encode_rows(values: Floats, lengths: Ints, linked: Bools, level: int) -> bytes:
    """Encode as in FORMAT.md, "Page of rows".

    values   [N] the rows one after another
    lengths  [R] of each row, none of them 0
    linked   [R] whether a row may be slightly larger than the row before; a hint

    Long rows are written as several, the newest samples of all before older ones, since a column is
    decoded from its beginning up to the last value that is needed.
    """
    age = np.zeros(len(lengths), np.int64)
    if level > FLUSH_LEVEL and not linked.any():
        lengths, age = _by_age(lengths)
        linked = np.zeros(len(lengths), np.bool_)
    # 1. Whole numbers, less the row before where rows are linked, and their changes within rows.
    rows = to_whole(values, lengths)
    starts = np.cumsum(lengths) - lengths
    numbers, used = _unlinked(rows, starts, lengths, linked)
    change = np.diff(numbers, prepend=numbers[:1])
    change[starts] = 0
    # 2. Groups of rows with the same decimal place and similar changes: one pcodec column each.
    enough = _GROUP_FROM[level > FLUSH_LEVEL]
    order, groups = _grouped(rows.places, _sizes(change, starts, lengths), lengths, age, enough)
    flags = EXCEPTIONAL * bool(len(rows.exceptions)) + LINKED * bool(used.any())
    flags += ORDERED * bool((order != np.arange(len(order))).any()) + EQUAL * _same(lengths)
    heads, bodies, firsts = [], [], []
    for members in groups:
        place = int(rows.places[members[0]])
        rows_of = partial(_rows_of, starts=starts, lengths=lengths, members=members)
        column, first = _column(values, numbers, change, rows_of, starts[members], place)
        body = encode_numbers(column, level)
        kind = next(k for k, dtype in enumerate(TYPES) if column.dtype == dtype)
        heads.append(GROUP.pack(len(members), len(body), kind, place))
        bodies.append(body)
        firsts.append(first)
    # 3. The header, without parts that follow from others; then the columns.
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
    """Return the numbers with linked rows replaced by differences to the row before, if that is
    smaller."""
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
    # Rows are adjacent and equally long, so the same sample of the row before is `back` earlier.
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
    """Return about the number of bits that the changes of each row take."""
    change = np.diff(numbers, prepend=numbers[:1])
    change[begins] = 0
    weights: Floats = np.add.reduceat(np.log2(1.0 + np.abs(change)), begins)
    return weights


def _sizes(change: Ints, starts: Ints, lengths: Ints) -> Ints:
    """Return the size class of each row: about the binary logarithm of its mean change."""
    mean = np.add.reduceat(np.abs(change).astype(np.float64), starts) / lengths
    sizes: Ints = np.rint(np.log2(mean + 2.0**-10)).astype(np.int64)
    return sizes


def _by_age(lengths: Ints) -> tuple[Ints, Ints]:
    """Divide rows into stretches of `RECENT`, beginning with the newest sample. Returns lengths,
    and how many stretches of the row are newer than each."""
    if int(lengths.max()) < LONG_ENOUGH:
        return lengths, np.zeros(len(lengths), np.int64)
    steps = np.append(RECENT, np.full(int(lengths.max()) // RECENT[-1], RECENT[-1]))
    newer = np.cumsum(steps) - steps
    # The oldest stretch takes the remainder: half to one and a half times `RECENT`.
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
    """Return rows in the order in which they are written, and this order divided into groups of
    `enough` values."""
    order = np.lexsort((sizes, places))
    place, size, ends = places[order], sizes[order], np.cumsum(lengths[order])
    changes = np.flatnonzero((place[1:] != place[:-1]) | (size[1:] != size[:-1])) + 1
    groups: list[Ints] = []
    begin = before = 0
    for at in [*changes.tolist(), len(order)]:
        filled = int(ends[at - 1]) - before
        if at < len(order) and place[at - 1] == place[at] and filled < enough:
            continue
        some = order[begin:at]
        # The newest stretches of all rows come first in the column.
        groups.append(some[np.lexsort((some, age[some]))])
        begin, before = at, int(ends[at - 1])
    return np.concatenate(groups), groups


def _rows_of(column: NDArray[T], *, starts: Ints, lengths: Ints, members: Ints) -> NDArray[T]:
    """Return some rows of a column, one after another."""
    if _same(lengths):
        return column.reshape(len(lengths), -1)[members].ravel()
    return column[flat_positions(starts[members], lengths[members])]


def _column(
    values: Floats,
    numbers: Ints,
    change: Ints,
    rows_of: Callable[[NDArray[Any]], NDArray[Any]],
    starts: Ints,
    place: int,
) -> tuple[NDArray[np.generic], Ints]:
    """Return the column of a group of rows for pcodec, and the first number of each row.

    rows_of  returns the rows of the group from a column of the page
    """
    if place < 0:
        return rows_of(values), np.zeros(len(starts), np.int64)
    changes = rows_of(change)
    # The running sum of the changes continues each row where the one before ends; `changes` is 0
    # at the start of each row. As floats its steps are exact below `MOST`; beyond 2^60 it would
    # overflow, so the numbers are encoded as they are.
    if float(np.abs(changes).sum(dtype=np.float64)) >= MOST << 9:
        return rows_of(numbers), numbers[starts]
    running = np.cumsum(changes)
    level = int(np.abs(running).max())
    if level < 1 << 31:
        return running.astype(np.int32), numbers[starts]
    return running if level < MOST else rows_of(numbers), numbers[starts]


def _same(lengths: Ints) -> bool:
    return bool((lengths == lengths[0]).all())


def decode_rows(data: bytes, at: int, count: int, *, passing: bool = False) -> Floats:
    """Decode the values of a page. Raises `Undecodable`; never reads or allocates more than
    `count`.

    passing  the result is valid until this thread decodes the next page
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
    """Write the whole numbers, and floats, of all rows to `values`."""
    # `ends` are positions in the order of the groups: row i of that order has the values
    # [ends[i] - written[i], ends[i]). `begin` and `end` bound the groups that are being decoded.
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
        else:  # undo the concatenation: each row begins at its own first number
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
    """Add to linked rows the row before, in order of the length of the chain of links, so that the
    row before is complete."""
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
