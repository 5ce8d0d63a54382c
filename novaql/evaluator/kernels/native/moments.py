"""Mean, standard deviation and variance of the observations of native histograms.

Each observation is assumed to be in the middle of its bucket: the geometric middle, the arithmetic
one of a custom bucket, 0 in the zero bucket.
"""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.numerics.exact_runs import sums_of_runs
from novaql.tsdb.model.histogram_buckets import ladder
from novaql.tsdb.model.histograms import Floats, Histograms


def average(h: Histograms) -> Floats:
    """[N] sum / count."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean: Floats = h.sum / h.count
    return mean


def variance(h: Histograms) -> Floats:
    """[N] population variance around `average`; NaN without observations."""
    rungs = ladder(h)
    rows = rungs.rows()
    lower, upper = rungs.lower, rungs.upper
    with np.errstate(all="ignore"):
        geometric = np.sqrt(upper * lower)
        middle = np.where(
            h.is_custom[rows],
            (upper + lower) / 2,
            np.where((lower <= 0) & (upper >= 0), 0.0, np.where(upper < 0, -geometric, geometric)),
        )
        distance = middle - average(h)[rows]
        squares = rungs.population * distance * distance
        total = np.zeros(len(h))
        filled = np.flatnonzero(rungs.sizes)
        if len(filled):
            (sums,) = sums_of_runs(squares[:, None], rungs.offsets[filled])
            total[filled] = sums.rounded(1)[0][:, 0]
        out: Floats = total / h.count
    return out


def standard_deviation(h: Histograms) -> Floats:
    """[N] the square root of `variance`."""
    with np.errstate(invalid="ignore"):
        out: Floats = np.sqrt(variance(h))
    return out
