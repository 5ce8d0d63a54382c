"""Arithmetic, comparison and functions of single values, as whole-array operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from novaql.evaluator.kernels.windows import Bools, Floats


def power(left: Floats, right: Floats) -> Floats:
    """As `pow` of C and Go. `np.power` takes the square root for an exponent of 0.5, which is
    another number for -Inf and for -0."""
    half = np.any(np.equal(right, 0.5))
    return np.float_power(left, right) if half else np.power(left, right)


ARITHMETIC: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,  # C's fmod: the sign of the left side
    "^": power,
    "atan2": np.arctan2,
}

COMPARISON: Mapping[str, Callable[[Floats, Floats], Bools]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}


def sgn(x: Floats) -> Floats:
    """-1, 0 or 1; 0 and NaN are returned unchanged."""
    return np.where((x == 0) | np.isnan(x), x, np.sign(x))


FUNCTIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sgn": sgn,
    "sqrt": np.sqrt,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "cos": np.cos,
    "cosh": np.cosh,
    "sin": np.sin,
    "sinh": np.sinh,
    "tan": np.tan,
    "tanh": np.tanh,
    "deg": lambda x: x * 180 / np.pi,
    "rad": lambda x: x * np.pi / 180,
}


WORDS = 2.0**64
"""The first whole number that 64 bits do not hold."""


def _of_words(combine: np.ufunc) -> Callable[[Floats, Floats], Floats]:
    def function(x: Floats, mask: Floats) -> Floats:
        fits = (x >= 0) & (x < WORDS) & (mask >= 0) & (mask < WORDS)
        left, right = (np.where(fits, one, 0.0).astype(np.uint64) for one in (x, mask))
        return np.where(fits, combine(left, right).astype(np.float64), np.nan)

    return function


BITWISE: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "bitmap_and": _of_words(np.bitwise_and),
    "bitmap_or": _of_words(np.bitwise_or),
    "bitmap_xor": _of_words(np.bitwise_xor),
}
"""Operations on the bits of whole numbers, without fractions; NaN outside of 0 to 2^64."""


def round_to(x: Floats, nearest: Floats) -> Floats:
    """The nearest multiple of `nearest`, ties up. Dividing by the inverse leaves 0.1 exact."""
    inverse = 1.0 / nearest
    return np.floor(x * inverse + 0.5) / inverse


def maximum(x: Floats, y: Floats) -> Floats:
    """The larger one, as Go's `math.Max`: +Inf beats NaN, NaN beats numbers, 0 beats -0."""
    out = np.maximum(x, y)
    with np.errstate(invalid="ignore"):  # of infinities, whose sum is not used
        out = np.where((x == 0) & (y == 0), x + y, out)
    return np.where(np.isposinf(x) | np.isposinf(y), np.inf, out)


def minimum(x: Floats, y: Floats) -> Floats:
    """The smaller one, as Go's `math.Min`: -Inf beats NaN, NaN beats numbers, -0 beats 0."""
    return -maximum(-x, -y)


def clamp(x: Floats, low: Floats, high: Floats) -> Floats:
    """Between low and high. Of NaN among the three and infinities, see `maximum` and `minimum`."""
    return maximum(low, minimum(high, x))
