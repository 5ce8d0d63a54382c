"""The shortest decimal that reads back as a float64, and its text: functions for numba.

The algorithm is Schubfach (Raffaello Giulietti, "The Schubfach way to render doubles", 2020), as
its author's implementation in Java's `Double.toString`. `tests/text/test_shortest.py` compares it
with `repr`; `benchmarks/shortest_decimals.py` does so for any number of random bit patterns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.text.powers_of_ten import HIGH, LEAST, LOW
from novaql.tsdb.runtime.compiled import inner
from novaql.tsdb.runtime.numba_intrinsics import bits_of, high_product, put_word, word_at

LONGEST = 25
"""The most bytes of a text: `-0.0000012345678901234567`. Writing one may change the 15 after it."""

Word = Any
"""An unsigned integer of 64 bits."""
Int = Any
"""A signed one."""
Bytes = Any
"""A pointer to bytes: an array would be passed as seven arguments, and its references counted."""

_POWERS = np.array([10**n for n in range(20)], np.uint64)
_FRACTION = np.uint64((1 << 52) - 1)
_HIDDEN = np.uint64(1 << 52)
_ZERO, _ONE, _TWO = np.uint64(0), np.uint64(1), np.uint64(2)
_TEN, _HUNDRED, _10_4, _10_8, _10_16 = (np.uint64(10**n) for n in (1, 2, 4, 8, 16))
_DIGITS = np.uint64(0x3030303030303030)
"""Eight times `0`."""
_SMALL = np.uint64(0x3030303030302E30)
"""The text `0.000000`."""


@inner
def _round_to_odd(high: Word, low: Word, x: Word) -> Word:
    """The upper 64 bits of the product with a power of ten; bit 0 is set if others are lost."""
    carried = high_product(low, x)
    middle = high * x + carried
    upper = high_product(high, x) + np.uint64(middle < carried)
    return upper | np.uint64(middle > _ONE)


@inner
def shortest(bits: Word) -> tuple[Word, Int]:
    """Return digits and a power of ten of the shortest decimal of a positive finite float.

    If there are several, it is the nearest. The digits may end in zeros.
    """
    fraction = bits & _FRACTION
    exponent = np.int64(bits >> np.uint64(52))
    if exponent:
        c, q = _HIDDEN | fraction, exponent - 1075
    else:
        c, q = fraction, np.int64(-1074)
    odd = c & _ONE
    # The float below a power of two is half as far away as the one above.
    closer = fraction == _ZERO and exponent > 1
    # Everything is computed in quarters of the last bit: the limits of the interval of decimals
    # that are rounded to this float are `c4 - 2` (or `- 1`) and `c4 + 2`.
    c4 = c << _TWO
    k = (q * 1262611 - (524031 if closer else 0)) >> 22  # floor(log10 of the interval's width)
    h = np.uint64(q + ((-k * 1741647) >> 19) + 1)  # floor(log2(10^-k)) = (-k * 1741647) >> 19
    high, low = HIGH[-k - LEAST], LOW[-k - LEAST]
    lower = _round_to_odd(high, low, (c4 - (_ONE if closer else _TWO)) << h) + odd
    value = _round_to_odd(high, low, c4 << h)
    upper = _round_to_odd(high, low, (c4 + _TWO) << h) - odd
    # Both candidates are computed: which one it is cannot be predicted.
    s = value >> _TWO
    tenth = s // _TEN
    below = tenth * np.uint64(40)
    down, up = lower <= below, below + np.uint64(40) <= upper
    # One digit less: at most one of the two neighbours is in the interval.
    shorter = (s >= _TEN) & (down != up)
    tenth += np.uint64(up)
    below = s << _TWO
    down, up = lower <= below, below + np.uint64(4) <= upper
    middle = below + _TWO
    away = np.uint64(value > middle) | (np.uint64(value == middle) & s)
    s += np.uint64(up) if down != up else away & _ONE
    return (tenth, k + 1) if shorter else (s, k)


@inner
def _count(digits: Word) -> Int:
    """The number of decimal digits of an integer below 10^18; 0 has one."""
    # A float's exponent is the number of bits; 1233 / 4096 is log10(2).
    some = digits | _ONE
    bits = (bits_of(np.float64(np.int64(some))) >> 52) - 1022
    count = (bits * 1233) >> 12
    return count + np.int64(some >= _POWERS[count])


@inner
def _eight(number: Word) -> Word:
    """Eight digits of a number below 10^8 as bytes, the first digit in the lowest byte."""
    # Halves, quarters, single digits, side by side in one word; x // 100 = x * 10486 >> 20 and
    # x // 10 = x * 103 >> 10 for the sizes that occur.
    upper = number // _10_4
    word = upper | ((number - upper * _10_4) << np.uint64(32))
    tops = ((word * np.uint64(10486)) >> np.uint64(20)) & np.uint64(0x0000007F0000007F)
    word = tops | ((word - tops * _HUNDRED) << np.uint64(16))
    tops = ((word * np.uint64(103)) >> np.uint64(10)) & np.uint64(0x000F000F000F000F)
    return tops | ((word - tops * _TEN) << np.uint64(8))


@inner
def _put_digits(digits: Word, count: Int, out: Bytes, at: Int) -> None:
    """Write digits at `out[at : at + count]`; up to 7 bytes after them change, too."""
    if count > 8:
        top = digits // _10_16
        digits -= top * _10_16
        out[at] = top | np.uint64(48)  # the next word replaces it if there are 16 digits or less
        at += np.int64(count > 16)
        length = min(count, 16) - 8
        first = digits // _10_8
        _put_first(first, length, out, at)
        put_word(out, at + length, _eight(digits - first * _10_8) | _DIGITS)
    else:
        _put_first(digits, count, out, at)


@inner
def put_digits(digits: Word, out: Bytes, at: Int) -> Int:
    """Write an integer below 10^18 and return its end; up to 7 bytes after it change, too."""
    count = _count(digits)
    _put_digits(digits, count, out, at)
    return at + count


@inner
def _put_first(digits: Word, count: Int, out: Bytes, at: Int) -> None:
    """Write 1 to 8 digits as a word; the bytes after them are written later."""
    put_word(out, at, (_eight(digits) | _DIGITS) >> np.uint64(8 * (8 - count)))


@inner
def without_zeros(digits: Word, exponent: Int) -> tuple[Word, Int]:
    """The same decimal without zeros at the end of its digits."""
    tops = digits // _TEN
    if tops * _TEN != digits:
        return digits, exponent
    digits, exponent = tops, exponent + 1
    for _ in range(2):  # at most 17 digits
        tops = digits // _10_8
        if tops * _10_8 == digits:
            digits, exponent = tops, exponent + 8
    tops = digits // _10_4
    if tops * _10_4 == digits:
        digits, exponent = tops, exponent + 4
    tops = digits // _HUNDRED
    if tops * _HUNDRED == digits:
        digits, exponent = tops, exponent + 2
    tops = digits // _TEN
    if tops * _TEN == digits:
        digits, exponent = tops, exponent + 1
    return digits, exponent


@inner
def write_float(value: float, out: Bytes, at: Int) -> Int:
    """Write a value as Prometheus's API writes it (`floats.py`), and return the end of its text.

    `out` has space for `LONGEST` + 15 bytes.
    """
    size = abs(value)
    if not size < np.inf:
        if size == np.inf:
            out[at] = 43 if value > 0 else 45  # +Inf or -Inf
            out[at + 1], out[at + 2], out[at + 3] = 73, 110, 102
            return at + 4
        out[at], out[at + 1], out[at + 2] = 78, 97, 78  # NaN
        return at + 3
    out[at] = 45  # -
    at += np.int64(np.signbit(value))
    if size < 9.0e15 and np.rint(size) == size:
        return put_digits(np.uint64(np.int64(size)), out, at)

    # A value with up to three decimals is m / 1000 rounded to a float, for a whole m. Below 10^15,
    # m / 1000 reads back as the same float, as all decimals of 15 digits do.
    thousandths = np.rint(size * 1e3)
    if thousandths < 1e15 and thousandths / 1e3 == size:
        digits, exponent = np.uint64(np.int64(thousandths)), np.int64(-3)
        tenth, hundredth = digits // _TEN, digits // _HUNDRED
        if hundredth * _HUNDRED == digits:
            digits, exponent = hundredth, np.int64(-1)
        elif tenth * _TEN == digits:
            digits, exponent = tenth, np.int64(-2)
    else:
        digits, exponent = without_zeros(*shortest(np.uint64(bits_of(size))))
    count = _count(digits)
    point = count + exponent  # the number of digits before the decimal point

    if -6 < point <= 0:  # 0.00ddd
        put_word(out, at, _SMALL)
        _put_digits(digits, count, out, at + 2 - point)
        return at + 2 - point + count
    if 0 < point < count:  # dd.ddd
        _put_digits(digits, count, out, at)
        # Make space for the point: at most 16 digits are after it.
        near, far = word_at(out, at + point), word_at(out, at + point + 8)
        out[at + point] = 46
        put_word(out, at + point + 1, near)
        put_word(out, at + point + 9, far)
        return at + count + 1
    if 0 < point <= 21:  # ddd000
        _put_digits(digits, count, out, at)
        for n in range(count, point):
            out[at + n] = 48
        return at + point
    # d.ddde±xx
    _put_digits(digits, count, out, at + 1)
    out[at] = out[at + 1]
    if count > 1:
        out[at + 1] = 46
        at += count + 1
    else:
        at += 1
    out[at] = 101  # e
    out[at + 1] = 45 if point <= 0 else 43
    power = np.uint64(abs(point - 1))
    width = 3 if power >= _HUNDRED else 2
    _put_digits(power, width, out, at + 2)
    return at + 2 + width
