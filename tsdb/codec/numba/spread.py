"""Write pieces of a page of rows from its decoded columns to their places, in one pass. For numba.

`row_pages` does it in NumPy, for whole pages. Only the requested values are computed: there is no
intermediate array of the page's values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from novaql.tsdb.codec.numba.holes import STALE_BITS
from novaql.tsdb.runtime.compiled import inner, kernel
from novaql.tsdb.runtime.numba_intrinsics import keep_alive, pointer

FLOATS, SHORT, LONG = 0, 1, 2
INTS = types.Array(types.int64, 1, "C", readonly=True)
TABLE = types.Array(types.int64, 2, "C", readonly=True)
NUMBERS = types.Array(types.float64, 1, "C", readonly=True)
FLAGS = types.Array(types.boolean, 1, "C", readonly=True)
OUT = types.Array(types.float64, 1, "C")
NOTES = types.Array(types.int64, 1, "C")


@inner
def _numbers(
    kind: Any, at: Any, shift: Any, short: Any, long: Any, floats: Any, out: Any, size: Any
) -> Any:
    """Write `size` numbers of a row to `out`, from `at` in its column on. Arrays are pointers."""
    if kind == SHORT:
        for n in range(size):
            out[n] = np.float64(short[at + n]) + shift
    elif kind == LONG:
        for n in range(size):
            out[n] = np.float64(long[at + n]) + shift
    else:
        for n in range(size):
            out[n] = floats[at + n]


@inner
def _add(
    kind: Any, at: Any, shift: Any, short: Any, long: Any, floats: Any, out: Any, size: Any
) -> Any:
    """Add `size` numbers of a row to `out`: as `_numbers`."""
    if kind == SHORT:
        for n in range(size):
            out[n] += np.float64(short[at + n]) + shift
    elif kind == LONG:
        for n in range(size):
            out[n] += np.float64(long[at + n]) + shift
    else:
        for n in range(size):
            out[n] += floats[at + n]


@inner
def _note(markers: Any, place: Any) -> None:
    """Count a marker, and add its place if the array is long enough."""
    markers[0] += 1
    if markers[0] < len(markers):
        markers[markers[0]] = place


@kernel(TABLE, INTS, INTS, FLAGS, INTS, INTS)
def needs(groups: Any, lengths: Any, order: Any, linked: Any, starts: Any, sizes: Any) -> Any:
    """[G] how many numbers of each group's column `spread` reads, from its beginning on."""
    rows = len(lengths)
    begins = np.empty(rows + 1, np.int64)
    begins[0] = 0
    for row in range(rows):
        begins[row + 1] = begins[row] + lengths[row]
    group_of, column = np.empty(rows, np.int64), np.empty(rows, np.int64)
    at = 0
    for group in range(len(groups)):
        place = 0
        for _ in range(groups[group, 0]):
            row = order[at] if len(order) else at
            group_of[row], column[row] = group, place
            place += lengths[row]
            at += 1
    found = np.zeros(len(groups), np.int64)
    for piece in range(len(starts)):
        if sizes[piece] == 0:
            continue
        row = np.searchsorted(begins, starts[piece], side="right") - 1
        end = starts[piece] + sizes[piece]
        while row < rows and begins[row] < end:
            last = min(end, begins[row + 1]) - begins[row]
            part = row
            while True:
                group = group_of[part]
                found[group] = max(found[group], column[part] + last)
                if len(linked) == 0 or not linked[part]:
                    break
                part -= 1
            row += 1
    return found


@kernel(TABLE, INTS, INTS, INTS, FLAGS, TABLE, NUMBERS, INTS, INTS, INTS, INTS, OUT, NOTES)
def spread(
    groups: Any,
    lengths: Any,
    firsts: Any,
    order: Any,
    linked: Any,
    exceptions: Any,
    powers: Any,
    words: Any,
    places: Any,
    starts: Any,
    sizes: Any,
    out: Any,
    markers: Any,
) -> bool:
    """Write the pieces. Returns whether a NaN is among their values.

    groups      [G, 4 or more] rows, type, decimal places, and where in `words` its column begins
    lengths     [R] of the rows
    firsts      [R] in the order of the groups
    order       [R] row at each place of that order, or [0]: the order of the rows
    linked      [R] rows that are added to the row before, or [0]
    exceptions  [2, E] increasing positions, and bits of the value there
    words       decoded columns, each from a word of 8 bytes on
    places      [P] in `out` of the pieces, which begin at `starts` and have `sizes` values; each
                ends within the page
    markers     [M] markers[0] grows by the number of staleness markers; their places in `out` are
                appended, as far as the array reaches

    `outline` has checked that rows, order, links and exceptions are those of the page.
    """
    # Where each row begins in the page.
    rows = len(lengths)
    begins = np.empty(rows + 1, np.int64)
    begins[0] = 0
    for row in range(rows):
        begins[row + 1] = begins[row] + lengths[row]
    # For each row: type, decimal places, the first number of its column, and the number added to
    # it.
    kind, decimals, column = (
        np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int64)
    )  # fmt: skip
    shift = np.zeros(rows)
    halves = words.view(np.int32)
    short, long, floats = pointer(halves, 0), pointer(words, 0), pointer(words.view(np.float64), 0)
    at = 0
    for group in range(len(groups)):
        place = groups[group, 3] * (2 if groups[group, 1] == SHORT else 1)
        for _ in range(groups[group, 0]):
            row = order[at] if len(order) else at
            kind[row], decimals[row], column[row] = groups[group, 1], groups[group, 2], place
            if kind[row] == SHORT:
                shift[row] = np.float64(firsts[at]) - np.float64(short[place])
            elif kind[row] == LONG:
                shift[row] = np.float64(firsts[at]) - np.float64(long[place])
            place += lengths[row]
            at += 1
    bits = out.view(np.int64)
    nan = False
    row = 0
    # `some` has the sum of linked rows up to row `summed`, of their places [low, high). The next
    # row of the same places adds to it. -1: nothing. It has as many places as the longest piece.
    summed, low, high = -1, 0, 0
    most = 0
    if len(linked):
        for piece in range(len(places)):
            most = max(most, sizes[piece])
    total = np.empty(most)
    some = pointer(total, 0)
    for piece in range(len(places)):
        start, left, to = starts[piece], sizes[piece], places[piece]
        if not begins[row] <= start < begins[row + 1]:
            row = np.searchsorted(begins, start, side="right") - 1
        while left > 0:
            a = start - begins[row]
            size = min(left, lengths[row] - a)
            here = pointer(out, to)
            # The numbers of the row: of a linked one the sum of the rows back to one that is not.
            if len(linked) and linked[row]:
                if not (0 <= summed <= row and low == a and high == a + size):
                    summed = -1
                head = row
                while linked[head] and head > summed:
                    head -= 1
                if head != summed:
                    _numbers(
                        kind[head], column[head] + a, shift[head], short, long, floats, some, size
                    )
                    summed = head
                low, high = a, a + size
                while summed < row:
                    summed += 1
                    _add(
                        kind[summed], column[summed] + a, shift[summed],
                        short, long, floats, some, size,
                    )  # fmt: skip
                for n in range(size):
                    here[n] = some[n]
            else:
                _numbers(kind[row], column[row] + a, shift[row], short, long, floats, here, size)
            if decimals[row] > 0:  # a division rounds correctly, as parsing the decimal does
                power = powers[decimals[row]]
                for n in range(size):
                    here[n] /= power
            # Exceptions replace numbers; markers among floats are found below.
            if exceptions.shape[1]:
                first = np.searchsorted(exceptions[0], start)
                for number in range(first, exceptions.shape[1]):
                    distance = exceptions[0, number] - start
                    if distance >= size:
                        break
                    bits[to + distance] = exceptions[1, number]
                    nan |= here[distance] != here[distance]
                    if bits[to + distance] == STALE_BITS and kind[row] != FLOATS:
                        _note(markers, to + distance)
            if kind[row] == FLOATS:
                any_nan = False
                for n in range(size):
                    any_nan |= here[n] != here[n]
                nan |= any_nan
                for n in range(size if any_nan else 0):
                    if bits[to + n] == STALE_BITS:
                        _note(markers, to + n)
            start, to, left = start + size, to + size, left - size
            if left > 0:
                row += 1
    keep_alive(total)
    return nan
