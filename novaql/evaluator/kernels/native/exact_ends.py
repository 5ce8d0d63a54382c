"""Growth of histograms over windows with exact ends: `anchored` and `smoothed`.

The floats' kernel is `novaql.evaluator.kernels.extended`; histograms are interpolated and corrected
for resets as there, except that a reset found at an end is never counted twice.
"""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.native.arithmetic import add, choose, subtract, with_hint
from novaql.evaluator.kernels.native.interpolate import between
from novaql.evaluator.kernels.native.rate import Differences, with_rows_before_resets
from novaql.evaluator.kernels.native.resets import detect_reset, resets_before
from novaql.tsdb.model.histograms import Floats, Histograms, ResetHint, concat_histograms
from novaql.tsdb.model.labels import Bools, Ints


def exact_differences(
    h: Histograms,
    first: Ints,
    last: Ints,
    *,
    left_share: Floats,
    right_share: Floats,
    counter: bool,
) -> Differences:
    """Value at the right end less that at the left end of each window.

    first, last  [C] rows around the window, first ≤ last, of one series in order of time
    left_share   [C] how far from row `first` to the next one the left end lies: 0 is the row
    right_share  [C] how far from the row before `last` to it the right end lies: 1 is the row
    counter      add the value before each reset inside
    """
    mixed, gauges = _checked(h, first, last)
    following = np.minimum(first + 1, len(h) - 1)
    left = between(h.take(first), h.take(following), left_share, counter=counter)
    right = between(h.take(np.maximum(last - 1, 0)), h.take(last), right_share, counter=counter)
    less = subtract(right.histograms, left.histograms)
    subtracting = (
        left.bounds_differed_subtracting | right.bounds_differed_subtracting | less.bounds_differed
    )
    adding = left.bounds_differed_adding | right.bounds_differed_adding
    total = less.histograms
    at_ends = np.minimum(left.histograms.hint, right.histograms.hint) == ResetHint.GAUGE
    if counter:
        total, differed = _corrected(
            total, h, first, last, left.histograms, right.histograms, left_share > 0
        )
        adding = adding | differed
    nowhere = np.zeros(len(first), np.bool_)
    return Differences(
        with_hint(total, ResetHint.GAUGE),
        h.count[first],
        mixed,
        gauges if counter else nowhere,
        nowhere if counter else ~at_ends & ~mixed,
        subtracting & ~mixed,
        adding & ~mixed,
    )


def _checked(h: Histograms, first: Ints, last: Ints) -> tuple[Bools, Bools]:
    """[C] windows that mix exponential and custom rows; windows with gauges before a mix."""
    change = np.flatnonzero(np.diff(h.is_custom)) + 1
    nearest = np.append(change, len(h))[np.searchsorted(change, first, side="right")]
    mixed: Bools = nearest <= last
    gauges = np.concatenate([[0], np.cumsum(h.hint == ResetHint.GAUGE)])
    return mixed, gauges[np.minimum(nearest, last + 1)] > gauges[first]


def _corrected(
    total: Histograms,
    h: Histograms,
    first: Ints,
    last: Ints,
    left: Histograms,
    right: Histograms,
    interpolated: Bools,
) -> tuple[Histograms, Bools]:
    """total and the values before resets: from the left end over the rows between to the right end.

    A left end that was interpolated over a reset has that reset behind it; then the sum continues
    from the row after it. Also [C] whether custom bounds differed.
    """
    before = resets_before(h)
    following = np.minimum(first + 1, len(h) - 1)
    behind = interpolated & before[following]
    begin = first + 1 + behind
    inner = begin < last
    start = choose(behind, h.take(following), left)

    at_begin = inner & detect_reset(start, h.take(np.minimum(begin, len(h) - 1)))
    total, differed = _added_where(at_begin, total, start)
    total, more = with_rows_before_resets(total, h, before, begin + 1, last)
    newest = choose(inner, h.take(np.maximum(last - 1, 0)), start)
    at_end = (begin <= last) & detect_reset(newest, right)
    total, most = _added_where(at_end, total, newest)
    return total, differed | more | most


def _added_where(mask: Bools, total: Histograms, more: Histograms) -> tuple[Histograms, Bools]:
    """total + more where the mask [C] is set; and where custom bounds differed."""
    differed = np.zeros(len(mask), np.bool_)
    rows = np.flatnonzero(mask)
    if not len(rows):
        return total, differed
    sums = add(total.take(rows), more.take(rows))
    differed[rows] = sums.bounds_differed
    place = np.arange(len(mask))
    place[rows] = len(mask) + np.arange(len(rows))
    return concat_histograms([total, sums.histograms]).take(place), differed
