"""The growth of histograms over windows, from which rate, increase, delta, irate and idelta are
computed.

Extrapolation to the ends of a window is one more `scale`. For irate and idelta a window is the
last two rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.kernels.native.arithmetic import (
    Combined,
    add,
    choose,
    subtract,
    with_hint,
    zero_like,
)
from novaql.evaluator.kernels.native.layout import coarsened, has_one_layout
from novaql.evaluator.kernels.native.pairs import combined_buckets
from novaql.evaluator.kernels.native.resets import resets_before
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.histograms import (
    Buckets,
    Floats,
    Histograms,
    ResetHint,
    Small,
    concat_histograms,
)
from novaql.tsdb.model.labels import Bools, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Differences:
    """What became of C windows.

    histograms      the differences, gauges; without meaning where mixed
    first_count     [C] observations that the first row of the window had counted
    mixed           [C] exponential and custom rows: there is no result
    not_counter     [C] a gauge was used as a counter
    not_gauge       [C] a counter was used as a gauge
    bounds_differed_subtracting, bounds_differed_adding
                    [C] only the custom bounds that both sides had remain
    """

    histograms: Histograms
    first_count: Floats
    mixed: Bools
    not_counter: Bools
    not_gauge: Bools
    bounds_differed_subtracting: Bools
    bounds_differed_adding: Bools


def differences(
    h: Histograms,
    lo: Ints,
    hi: Ints,
    *,
    counter: bool,
    started: Bools | None = None,
    from_zero: Bools | None = None,
    checkpoint: Callable[[], None] = lambda: None,
) -> Differences:
    """Last row less first row of each window, at the coarsest resolution of the window.

    lo, hi     [C] rows lo[c] to hi[c] - 1 are the window c: at least two, of one series in order
               of time
    counter    add the row before each reset; if the second row follows a reset, the first one is
               ignored, whatever its layout
    started    [N] resets before a row that are known from elsewhere, as from start timestamps
    from_zero  [C] the counter began inside the window: its first row counts in full, too
    checkpoint called before each addition of a row to all windows that have a reset there
    """
    if counter:
        return _of_counters(h, lo, hi, started, from_zero, checkpoint)
    gauge = (h.hint[lo] == ResetHint.GAUGE) & (h.hint[hi - 1] == ResetHint.GAUGE)
    mixed = h.is_custom[lo] != h.is_custom[hi - 1]
    nowhere = np.zeros(len(lo), np.bool_)
    if has_one_layout(h):
        less = _of_one_layout(h, lo, hi - 1, nowhere)
    else:
        less = subtract(h.take(hi - 1), h.take(lo))
    return Differences(
        less.histograms,
        h.count[lo],
        mixed,
        nowhere,
        ~gauge & ~mixed,
        less.bounds_differed,
        nowhere,
    )


def _of_counters(
    h: Histograms,
    lo: Ints,
    hi: Ints,
    started: Bools | None,
    from_zero: Bools | None,
    checkpoint: Callable[[], None],
) -> Differences:
    reset = resets_before(h)
    hinted = h.hint == ResetHint.RESET
    if started is not None:
        reset, hinted = reset | started, hinted | started
    ignored = reset[lo + 1]
    begin = lo + ignored
    custom = np.concatenate([[0], np.cumsum(h.is_custom)])
    of_custom = custom[hi] - custom[begin]
    mixed = (of_custom != 0) & (of_custom != hi - begin)
    not_counter = _gauges(h, lo, hi, mixed, h.is_custom[begin] != h.is_custom[hi - 1])

    nowhere = np.zeros(len(lo), np.bool_)
    added = nowhere.copy()
    if has_one_layout(h):
        less = _of_one_layout(h, lo, hi - 1, ignored)
    else:
        first = h.take(lo)
        if ignored.any():
            first = choose(ignored, zero_like(h.take(lo + 1)), first)
        last = h.take(hi - 1)
        last = coarsened(last, np.where(mixed, last.schema, _least(h.schema, begin, hi)))
        less = subtract(last, first)
        # A reset by the hint of the second row adds the ignored first row: nothing, except its
        # bounds.
        nothing = np.flatnonzero(ignored & hinted[lo + 1] & h.is_custom[lo + 1])
        added[nothing] = add(less.histograms.take(nothing), first.take(nothing)).bounds_differed
    total, differed = with_rows_before_resets(less.histograms, h, reset, lo + 2, hi, checkpoint)
    added |= differed
    if from_zero is not None and from_zero.any():
        whole = add(total, h.take(lo))
        total = choose(from_zero, whole.histograms, total)
        added |= from_zero & whole.bounds_differed
        mixed = mixed | (from_zero & ~whole.compatible)
    return Differences(
        with_hint(total, ResetHint.GAUGE),
        h.count[lo],
        mixed,
        not_counter,
        nowhere,
        less.bounds_differed & ~mixed,
        added & ~mixed,
    )


def _of_one_layout(h: Histograms, first: Ints, last: Ints, ignored: Bools) -> Combined:
    """Rows `last` less rows `first`, or less nothing where `ignored`."""

    def less(values: Floats) -> Floats:
        return values[last] - np.where(ignored, 0.0, values[first])

    def sides(side: Buckets) -> Buckets:
        return combined_buckets(side, last, side, np.where(ignored, -1, first), -1.0)

    with np.errstate(invalid="ignore", over="ignore"):
        found = Histograms(
            h.schema[last],
            np.full(len(last), ResetHint.GAUGE, np.int8),
            less(h.count),
            less(h.sum),
            less(h.zero_count),
            h.zero_threshold[last],
            sides(h.positive),
            sides(h.negative),
            h.bounds[last],
            h.custom_bounds,
        )
    nowhere = np.zeros(len(last), np.bool_)
    return Combined(found, ~nowhere, nowhere, nowhere)


def _gauges(h: Histograms, lo: Ints, hi: Ints, mixed: Bools, ends_differ: Bools) -> Bools:
    """[C] windows with gauges; of mixed ones those that are known before the mix is found."""
    gauge = h.hint == ResetHint.GAUGE
    so_far = np.concatenate([[0], np.cumsum(gauge)])
    at_ends = gauge[lo] | gauge[hi - 1]
    found: Bools = np.where(mixed, ends_differ & at_ends, so_far[hi] > so_far[lo])
    return found


def _least(values: Small, lo: Ints, hi: Ints) -> NDArray[np.int8]:
    """[C] least value of each window lo[c]:hi[c]; none is empty."""
    if not len(lo) or (values == values[0]).all():
        return values[lo]
    ends = np.stack([lo, hi], axis=1).ravel()
    least: NDArray[np.int8] = np.minimum.reduceat(np.append(values, np.int8(127)), ends)[::2]
    return least


def with_rows_before_resets(
    total: Histograms,
    h: Histograms,
    reset: Bools,
    begin: Ints,
    end: Ints,
    checkpoint: Callable[[], None] = lambda: None,
) -> tuple[Histograms, Bools]:
    """total [C] and, for every row of begin[c]:end[c] that follows a reset, the row before it.

    Also [C] whether custom bounds differed. Resets are added in order, the k-th of all windows
    together.
    """
    differed = np.zeros(len(total), np.bool_)
    resets = np.flatnonzero(reset)
    place, stop = np.searchsorted(resets, begin), np.searchsorted(resets, end)
    some = np.flatnonzero(stop > place)
    if not len(some):
        return total, differed
    befores = resets - 1
    more, differed[some] = _with_rows(
        total.take(some), h, befores, place[some], stop[some], checkpoint
    )
    if len(some) == len(total):
        return more, differed
    source = np.arange(len(total))
    source[some] = len(total) + np.arange(len(some))
    return concat_histograms([total, more]).take(source), differed


def _with_rows(
    total: Histograms,
    h: Histograms,
    rows: Ints,
    place: Ints,
    stop: Ints,
    checkpoint: Callable[[], None],
) -> tuple[Histograms, Bools]:
    """total [C] and the rows of h rows[place[c]:stop[c]], which are one or more."""
    differed = np.zeros(len(total), np.bool_)
    order = np.argsort(place - stop, kind="stable")
    place, number = place[order], (stop - place)[order]
    done: list[Histograms] = []
    total = total.take(order)
    for nth in range(int(number[0]) + 1):
        checkpoint()
        active = int(np.searchsorted(-number, -nth, side="left"))
        if active < len(total):
            done.append(total.take(np.arange(active, len(total))))
            total = total.take(np.arange(active))
        if active:
            more = add(total, h.take(rows[place[:active] + nth]))
            total = more.histograms
            differed[order[:active]] |= more.bounds_differed
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return concat_histograms(done[::-1]).take(back), differed
