"""Rows of values added to rows of exact sums: `numerics.exact_sums`, compiled.

`scale`, `high`, `low` and `added` are those of `ExactSums`. Terms are collected in a pair of arrays
`cells`, `values`, of which the first `count` places are used; `with_space` makes them longer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import inner
from novaql.tsdb.runtime.numba_intrinsics import bits_of, float_of

NOT_SIGN = 0x7FFF_FFFF_FFFF_FFFF
LARGE = (1023 + 900) << 52
"""Bits of 2^900, from which on values become terms; infinities and NaN have larger ones."""
EMPTY = -1
GRID_BITS, LOW_BITS, HIGH_BITS = 8, 52, 48
LOWEST = -1074
UNCARRIED = 1 << 11
HIGHEST = 1 << 61
TERMS_A_ROW = 5
"""Terms of a cell, at most, that adding one value to it makes."""


@inner
def largest_bits(part: Any, there: Any, whole: bool) -> int:
    """Bits of the largest absolute value; NaN is larger than all others."""
    top = 0
    if whole:
        for k in range(len(part)):
            top = max(top, bits_of(part[k]) & NOT_SIGN)
    else:
        for k in range(len(part)):
            top = max(top, bits_of(part[k] if there[k] else 0.0) & NOT_SIGN)
    return top


@inner
def scale_for(top: int) -> int:
    """The least scale at which values with bits up to these can be cut."""
    return max(0, ((top >> 52) + 1030 - 1023 - HIGH_BITS) >> 3)


@inner
def high_cutter(scale: int) -> int:
    return (1 + LOW_BITS + GRID_BITS * scale) << 52 | 1 << 51


@inner
def low_cutter(scale: int) -> int:
    return (1 + GRID_BITS * scale) << 52 | 1 << 51


@inner
def add_cut(part: Any, there: Any, whole: bool, high: Any, low: Any, scale: int) -> int:
    """Add a row whose values fit the scale. Returns 0 if no value has bits below the unit."""
    high_bits, low_bits = high_cutter(scale), low_cutter(scale)
    upper, lower = float_of(high_bits), float_of(low_bits)
    left = 0
    if whole:
        for k in range(len(part)):
            value = part[k]
            cut = value + upper
            rest = value - (cut - upper)
            cut_rest = rest + lower
            high[k] += bits_of(cut) - high_bits
            low[k] += bits_of(cut_rest) - low_bits
            left |= bits_of(rest - (cut_rest - lower)) & NOT_SIGN
    else:
        for k in range(len(part)):
            value = part[k] if there[k] else 0.0
            cut = value + upper
            rest = value - (cut - upper)
            cut_rest = rest + lower
            high[k] += bits_of(cut) - high_bits
            low[k] += bits_of(cut_rest) - low_bits
            left |= bits_of(rest - (cut_rest - lower)) & NOT_SIGN
    return left


@inner
def with_space(cells: Any, values: Any, count: int, more: int) -> Any:
    """The same terms in arrays with space for more."""
    if count + more <= len(cells):
        return cells, values
    size = max(2 * len(cells), count + more)
    longer, longer_values = np.empty(size, np.int64), np.empty(size)
    longer[:count] = cells[:count]
    longer_values[:count] = values[:count]
    return longer, longer_values


@inner
def add_left(
    part: Any, there: Any, whole: bool, scale: int, first: int, cells: Any, values: Any, count: int
) -> int:
    """Bits of a row that are below the unit become terms, of cells first, first + 1, …; the new
    count."""
    upper, lower = float_of(high_cutter(scale)), float_of(low_cutter(scale))
    for k in range(len(part)):
        value = part[k] if whole or there[k] else 0.0
        rest = value - ((value + upper) - upper)
        rest -= (rest + lower) - lower
        if rest != 0.0:
            cells[count], values[count] = first + k, rest
            count += 1
    return count


@inner
def without_large(
    part: Any, there: Any, whole: bool, first: int, cells: Any, values: Any, count: int
) -> Any:
    """(the row with 0 where values are absent or large, the new count): those become terms."""
    clean = np.zeros(len(part))
    for k in range(len(part)):
        if whole or there[k]:
            if bits_of(part[k]) & NOT_SIGN < LARGE:
                clean[k] = part[k]
            else:
                cells[count], values[count] = first + k, part[k]
                count += 1
    return clean, count


@inner
def carry_row(high: Any, low: Any) -> int:
    """Bring `low` back into ± 2^51; the largest absolute value of `high`."""
    largest = 0
    for j in range(len(high)):
        carried = (low[j] + (1 << (LOW_BITS - 1))) >> LOW_BITS
        low[j] -= carried << LOW_BITS
        high[j] += carried
        largest = max(largest, abs(high[j]))
    return largest


@inner
def raise_row(
    high: Any, low: Any, old: int, new: int, first: int, cells: Any, values: Any, count: int
) -> int:
    """Count a carried row in larger units, as `ExactSums.raise_to`; the new count of terms."""
    for j in range(len(high)):
        if high[j] == 0 and low[j] == 0:
            continue
        upper, lower = high[j], low[j]
        bits, unit = GRID_BITS * (new - old), LOWEST + GRID_BITS * old
        while bits > 0 and (upper != 0 or lower != 0):
            by = min(bits, HIGH_BITS)
            half = (1 << by) >> 1
            shifted, raised = (lower + half) >> by, (upper + half) >> by
            below = lower - (shifted << by)
            if below != 0:
                cells[count], values[count] = first + j, np.ldexp(float(below), unit)
                count += 1
            lower = shifted + ((upper - (raised << by)) << (LOW_BITS - by))
            upper = raised
            unit += by
            bits -= by
        high[j], low[j] = upper, lower
    carry_row(high, low)
    return count
