"""The buckets of MetricsQL's `histogram`: 18 for each power of ten, from 1e-9 to 1e18."""

from __future__ import annotations

from functools import cache

import numpy as np

from novaql.evaluator.kernels.windows import Floats, Ints

PER_DECADE = 18
LOWEST, HIGHEST = -9, 18
"""Powers of ten between which buckets are."""
COUNT = PER_DECADE * (HIGHEST - LOWEST)


@cache
def bounds() -> tuple[str, ...]:
    """Texts of the bounds: 0, then COUNT + 1 from 1e-9 to 1e18, then +Inf."""
    factor = 10.0 ** (1.0 / PER_DECADE)
    bound, texts = 10.0**LOWEST, ["0", f"{10.0**LOWEST:.3e}"]
    for _ in range(COUNT):
        bound *= factor
        texts.append(f"{bound:.3e}")
    return (*texts, "+Inf")


def bucket_of(values: Floats) -> Ints:
    """Number of the bucket of values from 0 up: bucket n lies between bounds n and n + 1. A power
    of ten belongs to the bucket whose upper bound it is."""
    place = (np.log10(values) - LOWEST) * PER_DECADE
    whole = np.clip(np.floor(place), -1, COUNT)
    closes = (place == whole) & (whole > 0) & (whole < COUNT)
    found: Ints = np.where(closes, whole, whole + 1).astype(np.int64)
    return found


def cumulated(counts: Floats, first_of: Ints) -> Floats:
    """[R, J]: running sums down the rows, which restart at each row that is its own `first_of`.

    first_of: [R] the first row of each row's run.
    """
    found = counts.copy()
    place = np.arange(len(counts)) - first_of
    by_place = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place))
    for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        rows = by_place[begin:end]  # all rows at one place of their runs
        found[rows] += found[rows - 1]
    return found
