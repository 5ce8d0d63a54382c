"""The term of each sample with the one before: the terms of `neighbours`, over a batch.

Shapes are those of `compiled.strips`.
"""

from __future__ import annotations

from typing import Any

from novaql.evaluator.kernels.compiled.jit import INT, OUT_VECTOR, STRIPS, inner, kernel
from novaql.tsdb.runtime.numba_intrinsics import borrowed


@kernel(STRIPS, INT, INT, INT, OUT_VECTOR)
def strip_pair_terms(strips: Any, term: int, begin: int, end: int, out: Any) -> None:
    """The terms of series begin … end - 1, one for each of their samples; 0 for the first ones.

    term  a position in `strip_compositions.TERMS`
    """
    values, offsets, grid, times, grids, _, _, _, _ = strips
    values, times, out = borrowed(values), borrowed(times), borrowed(out)
    for s in range(begin, end):
        start, stop = offsets[s], offsets[s + 1]
        if start == stop:
            continue
        row, when = values[start:stop], times[grids[grid[s]] : grids[grid[s] + 1]]
        terms = out[start - offsets[begin] : stop - offsets[begin]]
        terms[0] = 0.0
        if term < 3:
            _rises_and_falls(row, term, terms)
        elif term == 4:
            for k in range(1, len(row)):
                terms[k] = row[k] - row[k - 1]
        elif term == 6:
            for k in range(1, len(row)):
                terms[k] = row[k] if row[k] < row[k - 1] else row[k] - row[k - 1]
        else:
            _timed(row, when, term, terms)


@inner
def _rises_and_falls(row: Any, term: int, terms: Any) -> None:
    if term == 0:
        for k in range(1, len(row)):
            terms[k] = row[k] - row[k - 1] if row[k] > row[k - 1] else 0.0
    elif term == 1:
        for k in range(1, len(row)):
            terms[k] = row[k - 1] - row[k] if row[k] < row[k - 1] else 0.0
    else:
        for k in range(1, len(row)):
            terms[k] = row[k - 1] if row[k] < row[k - 1] else 0.0


@inner
def _timed(row: Any, when: Any, term: int, terms: Any) -> None:
    """The terms that depend on the seconds between the samples."""
    if term == 3:
        for k in range(1, len(row)):
            terms[k] = row[k - 1] * ((when[k] - when[k - 1]) / 1000.0)
    elif term == 5:
        for k in range(1, len(row)):
            terms[k] = (row[k] - row[k - 1]) / ((when[k] - when[k - 1]) / 1000.0)
    elif term == 7:
        for k in range(1, len(row)):
            growth = row[k] if row[k] < row[k - 1] else row[k] - row[k - 1]
            terms[k] = growth / ((when[k] - when[k - 1]) / 1000.0)
    else:
        for k in range(1, len(row)):
            terms[k] = (when[k] - when[k - 1]) / 1000.0
