"""Functions over ranges that MetricsQL defines and PromQL lacks, and what several of them share."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from novaql.evaluator.kernels import (
    neighbours,
    over_time,
    rate,
    sample_times,
    spreads,
    strip_ends,
    strips,
    tallies,
)
from novaql.evaluator.kernels import strip_compositions as composed
from novaql.evaluator.kernels.neighbours import Term
from novaql.evaluator.kernels.range_function import (
    PlainKernel,
    RangeFunction,
    WindowKernel,
    of_values,
    plain,
)
from novaql.evaluator.kernels.strips import StripKernel, StripRollup, Strips, flagged
from novaql.evaluator.kernels.windows import Bools, Floats, Windows


def _tallied(holds: tallies.Holds) -> tuple[RangeFunction, RangeFunction, RangeFunction]:
    """Count, share and sum of the samples for which a comparison holds."""

    def hits(values: Floats, strips: Strips) -> Floats:
        return holds(values, strips.spec.scalars[0][:1]).astype(np.float64)

    def those(values: Floats, strips: Strips) -> Floats:
        return np.where(holds(values, strips.spec.scalars[0][:1]), values, 0.0)

    def function(
        kernel: Callable[[Windows, Floats, tallies.Holds], tuple[Floats, Bools]],
        compiled: StripKernel,
    ) -> RangeFunction:
        rollup = StripRollup(compiled, accepts=strips.same_at_all_steps)
        return of_values(lambda w, s, t: kernel(w, s[0], holds), rollup, slides=True)

    return (
        function(tallies.counted, composed.mapped(composed.sums, hits)),
        function(tallies.shared, composed.mapped(composed.means, hits)),
        function(tallies.summed, composed.mapped(composed.sums, those)),
    )


_EQUAL, _GREATER, _LESS = _tallied(operator.eq), _tallied(operator.gt), _tallied(operator.le)
_OTHER = _tallied(operator.ne)


def _sums_of_pairs(term: Term) -> RangeFunction:
    compiled = StripRollup(composed.of_pairs(composed.sums, term))
    return of_values(plain(lambda w: neighbours.sum_between(w, term)), compiled, slides=True)


def _of_times(
    kernel: Callable[..., tuple[Floats, Bools]], samples: int = 1, *, retains_name: bool = False
) -> RangeFunction:
    def windows(w: Windows, *scalars: Floats) -> tuple[Floats, Bools]:
        found, valid = kernel(w, *scalars)
        return np.broadcast_to(found, w.shape).copy(), valid

    return RangeFunction(
        lambda w, s, t: windows(w, *s),
        StripRollup(composed.of_times(kernel), samples),
        retains_name=retains_name,
        floats_only=True,
    )


def _hoeffding(*, upper: bool) -> RangeFunction:
    parts = composed.means, composed.maxima, composed.minima
    counts = strips.repeated(lambda s: np.maximum(s.hi - s.lo, 1).astype(np.float64))
    fill = composed.joined(
        partial(spreads.hoeffding, upper=upper), *parts, counts, composed.scalar(0)
    )
    return of_values(
        lambda w, s, t: spreads.hoeffding_over_time(w, s[0], upper=upper),
        StripRollup(fill),
        retains_name=True,
        slides=True,
    )


_lifetime = composed.of_times(lambda w, *_: sample_times.lifetime(w))
_last_gap = composed.of_times(lambda w, *_: (neighbours.last_gap(w), w.counts >= 2))
_to_end = composed.of_times(lambda w, *_: sample_times.lag(w))
_delta = composed.joined(np.subtract, strips.newest, strips.oldest)
_increase = composed.joined(np.add, _delta, composed.of_pairs(composed.sums, neighbours.reset))


def _of_ends(kernel: PlainKernel, compiled: StripKernel, samples: int) -> RangeFunction:
    """A function whose work does not grow with the samples in a window."""
    return RangeFunction(plain(kernel), StripRollup(compiled, samples), floats_only=True)


def _timestamp(windows: Windows) -> tuple[Floats, Bools]:
    return windows.times_at(windows.hi - 1) / 1000.0, windows.counts > 0


_EXTREMES: Mapping[str, tuple[PlainKernel, StripKernel]] = {
    "min": (over_time.min_over_time, composed.minima),
    "max": (over_time.max_over_time, composed.maxima),
    "avg": (over_time.avg_over_time, composed.means),
}


def _of_pairs(term: Term, choice: str) -> RangeFunction:
    kernel, compiled = _EXTREMES[choice]
    return of_values(
        plain(lambda w: neighbours.of_pairs(w, term, kernel)),
        StripRollup(composed.of_pairs(compiled, term), 2),
        slides=True,
    )


OF_PAIRS: Mapping[str, RangeFunction] = {
    f"{name}:{choice}": _of_pairs(term, choice)
    for name, term in (
        ("rollup_delta", neighbours.change),
        ("rollup_deriv", neighbours.slope),
        ("rollup_increase", neighbours.growth),
        ("rollup_rate", neighbours.speed),
        ("rollup_scrape_interval", neighbours.gap),
    )
    for choice in _EXTREMES
}
"""`rollup_rate:min`, …: the functions by which the plan replaces `rollup_rate` and similar ones.
Texts of queries have no such names."""


def _retaining_names(kernel: WindowKernel, compiled: StripRollup | None = None) -> RangeFunction:
    return of_values(kernel, compiled, retains_name=True)


METRICSQL_FUNCTIONS: Mapping[str, RangeFunction] = {
    "count_eq_over_time": _EQUAL[0],
    "count_ne_over_time": _OTHER[0],
    "count_gt_over_time": _GREATER[0],
    "count_le_over_time": _LESS[0],
    "share_eq_over_time": _EQUAL[1],
    "share_gt_over_time": _GREATER[1],
    "share_le_over_time": _LESS[1],
    "sum_eq_over_time": _EQUAL[2],
    "sum_gt_over_time": _GREATER[2],
    "sum_le_over_time": _LESS[2],
    "sum2_over_time": of_values(
        plain(spreads.sum2_over_time),
        StripRollup(composed.mapped(composed.sums, lambda v, _: np.square(v))),
        slides=True,
    ),
    "range_over_time": of_values(
        plain(spreads.range_over_time),
        StripRollup(composed.joined(np.subtract, composed.maxima, composed.minima)),
        slides=True,
    ),
    "median_over_time": _retaining_names(
        plain(spreads.median_over_time), StripRollup(strips.ordered(strips.QUANTILE))
    ),
    "mode_over_time": _retaining_names(
        plain(spreads.mode_over_time), StripRollup(strips.ordered(strips.MODE))
    ),
    "distinct_over_time": of_values(
        plain(spreads.distinct_over_time), StripRollup(strips.ordered(strips.DISTINCT))
    ),
    "geomean_over_time": of_values(
        plain(spreads.geomean_over_time),
        StripRollup(
            composed.joined(np.exp, composed.mapped(composed.means, lambda v, _: np.log(v)))
        ),
        retains_name=True,
        slides=True,
    ),
    "zscore_over_time": of_values(
        plain(spreads.zscore_over_time),
        StripRollup(
            composed.joined(spreads.zscore, strips.newest, composed.means, strips.deviations), 2
        ),
    ),
    "outlier_iqr_over_time": of_values(
        plain(spreads.outlier_iqr_over_time),
        StripRollup(strips.ordered(strips.OUTLIER), 2, gaps=True),
    ),
    "hoeffding_bound_lower": _hoeffding(upper=False),
    "hoeffding_bound_upper": _hoeffding(upper=True),
    "ascent_over_time": _sums_of_pairs(neighbours.rise),
    "descent_over_time": _sums_of_pairs(neighbours.fall),
    "increases_over_time": _of_ends(
        neighbours.increases,
        composed.mapped(flagged("strip_events", True), lambda v, _: np.negative(v)),
        1,
    ),
    "decreases_over_time": _of_ends(rate.resets, flagged("strip_events", True), 1),
    "integrate": RangeFunction(
        plain(neighbours.integrate),
        StripRollup(
            composed.joined(
                lambda inside, last, rest: inside + last * rest,
                composed.of_pairs(composed.sums, neighbours.area),
                strips.newest,
                _to_end,
            )
        ),
        exact_ends=neighbours.integrate_from_before,
        anchored=StripRollup(strip_ends.integral),
        floats_only=True,
        anchors=True,
    ),
    "ideriv": _of_ends(
        neighbours.ideriv,
        composed.joined(np.divide, flagged("strip_steps", False), _last_gap),
        2,
    ),
    "deriv_fast": _of_ends(neighbours.deriv_fast, composed.joined(np.divide, _delta, _lifetime), 2),
    "delta_prometheus": _of_ends(neighbours.delta, _delta, 2),
    "increase_prometheus": _of_ends(neighbours.increase, _increase, 2),
    "increase_pure": RangeFunction(
        plain(neighbours.increase_pure),
        StripRollup(_increase),
        exact_ends=neighbours.increase_from_before,
        floats_only=True,
        anchors=True,
    ),
    "lifetime": _of_times(sample_times.lifetime, 2),
    "lag": _of_times(sample_times.lag),
    "scrape_interval": _of_times(sample_times.scrape_interval, 2),
    "duration_over_time": _of_times(sample_times.duration_over_time),
    "timestamp_with_name": _of_times(_timestamp, retains_name=True),
    "tlast_change_over_time": of_values(
        plain(neighbours.last_change), StripRollup(strips.kernel("strip_last_change"), 2, gaps=True)
    ),
    **OF_PAIRS,
}
