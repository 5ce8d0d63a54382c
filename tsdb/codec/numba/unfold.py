"""Decode many pages in one call, from bytes on disk to the places of their values. For numba.

`outline` reads the head of a page, `pco` decodes its columns, and `spread` writes the pieces. A
call does not hold the interpreter's lock, so two threads do twice as much; with a call for each
page, they wait for each other's lock most of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from novaql.tsdb.codec.columns import BATCH
from novaql.tsdb.codec.numba import outline as outlines
from novaql.tsdb.codec.numba import spread as spreads
from novaql.tsdb.codec.numba.compiled import NANS, OTHER, PLAIN
from novaql.tsdb.codec.numba.pco import F64, I32, I64, decode, workspace
from novaql.tsdb.runtime.compiled import inner, kernel
from novaql.tsdb.runtime.numba_intrinsics import borrowed, keep_alive

SHORT, LONG = 1, 2
PLAIN_PAGE, PAGE_OF_ROWS, PAGE_OF_STEPS = 0, 1, 2
STEPS_BYTES = 14
BYTES = types.Array(types.uint8, 1, "C", readonly=True)
INTS = types.Array(types.int64, 1, "C", readonly=True)
NUMBERS = types.Array(types.float64, 1, "C", readonly=True)
OUT_INTS = types.Array(types.int64, 1, "C")
OUT = types.Array(types.float64, 1, "C")
TABLE = types.Array(types.int64, 2, "C", readonly=True)
PIECES = (BYTES, TABLE, INTS, INTS, INTS)

_outline = inner(outlines.outline)
_settle = inner(outlines.settle)
_number, _unpack = outlines._number, outlines._unpack
_needs = inner(spreads.needs)
_spread = inner(spreads.spread)


@inner
def _columns(data: Any, begin: Any, table: Any, wanted: Any, words: Any, work: Any) -> Any:
    """Decode the columns of a page as far as they are requested. Returns whether that succeeded.

    table  [G, 7] of `outline`: bytes are relative to data[begin], words to `words`
    wanted [G] numbers of each column
    """
    short = words.view(np.int32)
    for group in range(len(table)):
        need, kind, word, values = wanted[group], table[group, 1], table[group, 3], table[group, 6]
        if need == 0:
            continue
        some = min((need + BATCH - 1) // BATCH * BATCH, values)
        if word + ((values + 1) // 2 if kind == SHORT else values) > len(words):
            return False
        at, size = begin + table[group, 4], table[group, 5]
        if kind == SHORT:
            done = decode(data, at, size, I32, short[2 * word : 2 * word + some], work)
        else:
            done = decode(
                data, at, size, I64 if kind == LONG else F64, words[word : word + some], work
            )
        if done != some:
            return False
    return True


@inner
def _page(
    data: Any, begin: Any, end: Any, count: Any, found: Any, powers: Any, words: Any,
    places: Any, starts: Any, sizes: Any, out: Any, markers: Any, work: Any,
) -> Any:  # fmt: skip
    """Decode the page at data[begin:end], of `count` values, with the outline `found`. Returns its
    state."""
    good, later = found[0], found[7]
    table, lengths, firsts = borrowed(found[1]), borrowed(found[2]), borrowed(found[3])
    order, linked, exceptions = borrowed(found[4]), borrowed(found[5]), borrowed(found[6])
    if good and later.max() > 0:
        for number in range(5):
            at, size = begin + later[number, 0], later[number, 1]
            if size == 0:
                continue
            if number == 0:
                listed = lengths
            elif number == 1:
                listed = firsts
            elif number == 2:
                listed = order
            else:
                listed = exceptions[number - 3]
            good &= decode(data, at, size, I64, listed, work) == len(listed)
        good = good and _settle(count, table, lengths, order, linked, exceptions, end - begin)
    if not good:
        return OTHER
    if sizes.sum() == count:
        wanted = table[:, 6].copy()
    else:
        wanted = _needs(table, lengths, order, linked, starts, sizes)
    if not _columns(data, begin, table, wanted, words, work):
        return OTHER
    nan = _spread(
        table, lengths, firsts, order, linked, exceptions, powers, words,
        places, starts, sizes, out, markers,
    )  # fmt: skip
    return NANS if nan else PLAIN


@kernel(*PIECES, NUMBERS, OUT_INTS, OUT, OUT_INTS, OUT_INTS)
def unfold(
    data: Any,
    pages: Any,
    places: Any,
    starts: Any,
    sizes: Any,
    powers: Any,
    words: Any,
    out: Any,
    states: Any,
    markers: Any,
) -> None:
    """Write pieces of pages to their places in `out`: the arguments are those of `decode_pages`.

    words   [W] scratch for the columns of any of the pages: a word for each value and each group
    states  [P] `PLAIN`, `NANS` or `OTHER` of each page; the places of one that is `OTHER` have
            undefined contents
    markers as of `spread`
    """
    owned = workspace()
    work = borrowed(owned[0]), borrowed(owned[1]), borrowed(owned[2])
    data, out, words = borrowed(data), borrowed(out), borrowed(words)
    places, starts, sizes = borrowed(places), borrowed(starts), borrowed(sizes)
    powers, markers = borrowed(powers), borrowed(markers)
    pages, states = borrowed(pages), borrowed(states)
    for page in range(len(pages)):
        states[page] = OTHER
        begin, end, count = pages[page, 0], pages[page, 1], pages[page, 2]
        if end - begin < 8 or data[begin] != PAGE_OF_ROWS:
            continue
        found = _outline(data[begin:end], 1, count)
        first, last = pages[page, 3], pages[page, 4]
        states[page] = _page(
            data, begin, end, count, found, powers, words,
            places[first:last], starts[first:last], sizes[first:last], out, markers, work,
        )  # fmt: skip
        keep_alive(found)
    keep_alive(owned)


@inner
def _line(data: Any, begin: Any, end: Any, line: Any, strays: Any, work: Any) -> Any:
    """Decode all times of a page to `line`. Returns whether that succeeded.

    strays  [len(line)] scratch: how far times are from an even step
    """
    count = len(line)
    if end - begin < 1:
        return False
    kind, page = data[begin], data[begin:end]
    if kind == PLAIN_PAGE:
        return decode(data, begin + 1, end - begin - 1, I64, line, work) == count
    if kind != PAGE_OF_STEPS or len(page) < STEPS_BYTES:
        return False
    rows, step, width = _number(page, 1, 4), _number(page, 5, 8), page[13]
    if rows > count:
        return False
    lengths, bases = np.empty(rows, np.int64), np.empty(rows, np.int64)
    later = np.zeros((2, 2), np.int64)
    at = _unpack(page, STEPS_BYTES, lengths, later[0])
    at = _unpack(page, at, bases, later[1]) if at >= 0 else at
    if at < 0:
        return False
    for number in range(2):
        if later[number, 1] > 0:
            listed = lengths if number == 0 else bases
            if decode(data, begin + later[number, 0], later[number, 1], I64, listed, work) != rows:
                return False
    total = 0
    for row in range(rows):
        if lengths[row] <= 0 or lengths[row] > count - total:
            return False
        for n in range(lengths[row]):
            line[total + n] = bases[row] + n * step
        total += lengths[row]
    if total != count:
        return False
    if width == 0:
        return begin + at == end
    if width == 4:
        short = strays.view(np.int32)[:count]
        if decode(data, begin + at, end - begin - at, I32, short, work) != count:
            return False
        for n in range(count):
            line[n] += short[n]
        return True
    if width != 8 or decode(data, begin + at, end - begin - at, I64, strays[:count], work) != count:
        return False
    for n in range(count):
        line[n] += strays[n]
    return True


@kernel(*PIECES, OUT_INTS, OUT_INTS, OUT_INTS)
def unfold_times(
    data: Any,
    pages: Any,
    places: Any,
    starts: Any,
    sizes: Any,
    words: Any,
    out: Any,
    states: Any,
) -> None:
    """`unfold` for pages of times. `words` has two words for each time of a page."""
    owned = workspace()
    work = borrowed(owned[0]), borrowed(owned[1]), borrowed(owned[2])
    data, words = borrowed(data), borrowed(words)
    for page in range(len(pages)):
        states[page] = OTHER
        count = pages[page, 2]
        line = words[:count]
        if not _line(data, pages[page, 0], pages[page, 1], line, words[count : 2 * count], work):
            continue
        for piece in range(pages[page, 3], pages[page, 4]):
            start, to = starts[piece], places[piece]
            for n in range(sizes[piece]):
                out[to + n] = line[start + n]
        states[page] = PLAIN
    keep_alive(owned)
