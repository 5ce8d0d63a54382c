"""Variance as a function of exact sums of the values and of their squares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.evaluator.kernels.numerics.error_free import (
    Floats,
    Ints,
    accurate_sum,
    square,
    two_product,
)

CANCELLED = 2.0**-40
"""Of n Σx² - (Σx)² to n Σx²: below it the difference is computed with more precision."""


def variance(counts: Ints, total: Sequence[Floats], squares: Sequence[Floats]) -> Floats:
    """Population variance: (n Σx² - (Σx)²) / n².

    counts   n, at least 1
    total    numbers that add up to Σx: three of decreasing size, or more of any size
    squares  numbers that add up to Σx²
    """
    n = counts.astype(np.float64)
    first, second = total[0], total[1]
    product, lost = square(first)
    scaled, scaled_lost = two_product(n, squares[0])
    rest = sum((n * part for part in squares[1:]), scaled_lost - lost)
    difference = (scaled - product) + (rest - 2.0 * first * second)
    inexact = ~(difference > CANCELLED * scaled)
    if len(total) > 3:
        inexact[:] = True
    some = np.flatnonzero(inexact & (counts > 1))
    if len(some):
        flat = difference.reshape(-1)
        flat[some] = _difference(
            n.reshape(-1)[some],
            [part.reshape(-1)[some] for part in total],
            [part.reshape(-1)[some] for part in squares],
        )
    found: Floats = np.where(counts > 1, np.maximum(difference, 0.0) / (n * n), 0.0)
    return found


def _difference(n: Floats, total: Sequence[Floats], squares: Sequence[Floats]) -> Floats:
    """n Σx² - (Σx)², correct in nearly all bits."""
    terms: list[Floats] = []
    for part in _some(squares):
        terms += two_product(n, part)
    parts = _some(total)
    for k, part in enumerate(parts):
        terms += two_product(-part, part)
        for other in parts[k + 1 :]:
            terms += two_product(-2.0 * part, other)
    terms.sort(key=lambda term: float(np.abs(term).max(initial=0.0)))
    return accurate_sum(terms)


def _some(parts: Sequence[Floats]) -> list[Floats]:
    """Those that are not 0 everywhere."""
    return [part for part in parts if part.any()] or [parts[0]]
