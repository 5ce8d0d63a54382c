"""Work on native histograms in pieces, with a checkpoint between two pieces.

A histogram may have hundreds of buckets, and a window hundreds of histograms: work that is small
for floats takes minutes, and gigabytes, if all of it is done at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.native.rate import Differences, differences
from novaql.evaluator.kernels.native.sums import RunTotals
from novaql.evaluator.kernels.windows import Bools, Ints
from novaql.tsdb.model.histograms import Histograms, concat_histograms

BUCKETS_AT_ONCE = 1 << 19
"""Buckets that are processed between two checkpoints: some tenths of a second."""

_SCALARS = 8
"""The work for the scalar fields of a histogram, in buckets."""


def bucket_weights(histograms: Histograms) -> Ints:
    """[N] the approximate work for each, in buckets."""
    return histograms.positive.sizes + histograms.negative.sizes + _SCALARS


def pieces(context: Context, weights: Ints) -> Iterator[slice]:
    """Neighbours of about `BUCKETS_AT_ONCE` together, one at least; a checkpoint before each."""
    ends = np.cumsum(weights)
    first = 0
    while first < len(weights):
        context.checkpoint()
        before = int(ends[first - 1]) if first else 0
        stop = int(np.searchsorted(ends, before + BUCKETS_AT_ONCE, "right"))
        yield slice(first, max(stop, first + 1))
        first = max(stop, first + 1)


def run_totals(
    context: Context,
    histograms: Histograms,
    rows: Ints,
    starts: Ints,
    total: Callable[..., RunTotals],
) -> RunTotals:
    """`total` (such as `run_sums`) of runs of rows.

    rows    numbers of histograms, any number of times
    starts  [G] where each run begins in `rows`
    """
    if not len(starts):
        return total(histograms.take(rows), starts)
    ends = np.append(starts[1:], len(rows))
    weights = np.add.reduceat(bucket_weights(histograms)[rows], starts)
    found = []
    for some in pieces(context, weights):
        first, last = starts[some][0], ends[some][-1]
        found.append(_total_of(histograms, rows[first:last], starts[some] - first, total))
    return _joined(found)


def _total_of(
    histograms: Histograms, rows: Ints, starts: Ints, total: Callable[..., RunTotals]
) -> RunTotals:
    """Totals of runs of rows. Histograms are copied if most of those between are not used."""
    first, last = int(rows.min()), int(rows.max()) + 1
    if last - first > len(rows):
        return total(histograms.take(rows), starts)
    return total(histograms.between(first, last), starts, rows=rows - first)


def window_totals(
    context: Context,
    histograms: Histograms,
    lo: Ints,
    hi: Ints,
    total: Callable[..., RunTotals],
) -> RunTotals:
    """`run_totals` of windows, which are the rows lo[c] to hi[c] - 1; none is empty."""
    found = []
    for some in window_pieces(context, histograms, lo, hi):
        sizes = hi[some] - lo[some]
        starts = np.cumsum(sizes) - sizes
        rows = np.arange(int(sizes.sum())) + np.repeat(lo[some] - starts, sizes)
        found.append(_total_of(histograms, rows, starts, total))
    return _joined(found) if found else total(histograms.take(lo), lo)


def _joined(found: Sequence[RunTotals]) -> RunTotals:
    if len(found) == 1:
        return found[0]
    return RunTotals(
        concat_histograms([one.histograms for one in found]),
        np.concatenate([one.mixed for one in found]),
        np.concatenate([one.conflicting_resets for one in found]),
        np.concatenate([one.bounds_differed for one in found]),
    )


def window_pieces(context: Context, histograms: Histograms, lo: Ints, hi: Ints) -> Iterator[slice]:
    """Pieces of windows, by the number of buckets in them."""
    before = np.append(0, np.cumsum(bucket_weights(histograms)))
    yield from pieces(context, before[hi] - before[lo])


def _difference_pieces(
    context: Context, histograms: Histograms, lo: Ints, hi: Ints
) -> Iterator[slice]:
    """Pieces of windows for differences, which process a histogram of several windows once, and
    copy those at the ends. lo, hi: windows in order of series and time."""
    weights = bucket_weights(histograms)
    before = np.append(0, np.cumsum(weights))
    reached = np.append(0, np.maximum.accumulate(hi))[: len(hi)]
    fresh = np.maximum(before[hi] - before[np.maximum(lo, reached)], 0)
    yield from pieces(context, fresh + weights[lo] + weights[hi - 1])


def window_differences(
    context: Context,
    histograms: Histograms,
    lo: Ints,
    hi: Ints,
    *,
    counter: bool,
    started: Bools | None,
    from_zero: Bools,
) -> Differences:
    """`differences` of windows, which are in order of series and time."""
    found = []
    for some in _difference_pieces(context, histograms, lo, hi):
        first, last = int(lo[some].min()), int(hi[some].max())
        found.append(
            differences(
                histograms.between(first, last),
                lo[some] - first,
                hi[some] - first,
                counter=counter,
                started=None if started is None else started[first:last],
                from_zero=from_zero[some],
                checkpoint=context.checkpoint,
            )
        )
    if not found:
        return differences(histograms.between(0, 0), lo, hi, counter=counter)
    names = (
        "first_count", "mixed", "not_counter", "not_gauge", "bounds_differed_subtracting",
        "bounds_differed_adding",
    )  # fmt: skip
    return Differences(
        concat_histograms([one.histograms for one in found]),
        *(np.concatenate([getattr(one, name) for one in found]) for name in names),
    )
