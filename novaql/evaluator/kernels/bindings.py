"""Function name → window kernel: the one list of functions over range vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from novaql.evaluator.kernels import over_time, quantiles, rate, regression, started
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows

WindowKernel = Callable[[Windows, Sequence[Floats], Ints], tuple[Floats, Bools]]
"""(windows, scalar arguments in the order of the call, evaluation times): each shaped like lo."""


def _plain(kernel: Callable[[Windows], tuple[Floats, Bools]]) -> WindowKernel:
    return lambda windows, scalars, eval_ms: kernel(windows)


ROLLUPS: Mapping[str, WindowKernel] = {
    "rate": lambda w, s, t: (
        rate.extrapolated(w, is_counter=True, is_rate=True)
        if w.starts is None
        else started.started_rate(w, is_rate=True)
    ),
    "increase": lambda w, s, t: (
        rate.extrapolated(w, is_counter=True, is_rate=False)
        if w.starts is None
        else started.started_rate(w, is_rate=False)
    ),
    "delta": lambda w, s, t: rate.extrapolated(w, is_counter=False, is_rate=False),
    "irate": lambda w, s, t: (
        rate.instant_change(w, is_rate=True) if w.starts is None else started.started_irate(w)
    ),
    "idelta": lambda w, s, t: rate.instant_change(w, is_rate=False),
    "resets": lambda w, s, t: rate.resets(w) if w.starts is None else started.started_resets(w),
    "changes": _plain(rate.changes),
    "deriv": _plain(regression.deriv),
    "predict_linear": lambda w, s, t: regression.predict_linear(w, t, s[0]),
    "double_exponential_smoothing": lambda w, s, t: regression.double_exponential_smoothing(
        w, s[0], s[1]
    ),
    "avg_over_time": _plain(over_time.avg_over_time),
    "sum_over_time": _plain(over_time.sum_over_time),
    "count_over_time": _plain(over_time.count_over_time),
    "present_over_time": _plain(over_time.present_over_time),
    "last_over_time": _plain(over_time.last_over_time),
    "first_over_time": _plain(over_time.first_over_time),
    "min_over_time": _plain(over_time.min_over_time),
    "max_over_time": _plain(over_time.max_over_time),
    "stddev_over_time": _plain(over_time.stddev_over_time),
    "stdvar_over_time": _plain(over_time.stdvar_over_time),
    "quantile_over_time": lambda w, s, t: quantiles.quantile_over_time(w, s[0]),
    "mad_over_time": _plain(quantiles.mad_over_time),
    "ts_of_min_over_time": _plain(over_time.ts_of_min_over_time),
    "ts_of_max_over_time": _plain(over_time.ts_of_max_over_time),
    "ts_of_first_over_time": _plain(over_time.ts_of_first_over_time),
    "ts_of_last_over_time": _plain(over_time.ts_of_last_over_time),
}

KEEP_NAME = frozenset({"last_over_time", "first_over_time"})
"""Rollups whose result is still a sample of the metric."""

COUNTER_ONLY = frozenset({"rate", "increase"})
"""Rollups that make sense of counters alone."""
