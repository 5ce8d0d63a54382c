"""The one table of functions over ranges: their kernels for each back end, and their properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from novaql.evaluator.kernels import (
    cells,
    extended,
    over_time,
    quantiles,
    rate,
    regression,
    seasons,
    started,
    strips,
)
from novaql.evaluator.kernels.cells import FALLS, SUMS, CellKernel
from novaql.evaluator.kernels.metricsql_functions import METRICSQL_FUNCTIONS
from novaql.evaluator.kernels.range_function import (
    PlainKernel,
    RangeFunction,
    of_values,
    plain,
)
from novaql.evaluator.kernels.range_function import WindowKernel as WindowKernel
from novaql.evaluator.kernels.strips import StripKernel, StripRollup
from novaql.evaluator.kernels.windows import Bools, Floats, Windows


def _added(kernel: PlainKernel, of_cells: cells.Kernel, *, mean: bool) -> RangeFunction:
    """sum_over_time and avg_over_time."""
    return RangeFunction(
        plain(kernel),
        StripRollup(strips.flagged("strip_sums", mean)),
        CellKernel(of_cells, SUMS),
        whole_window=True,
        slides=True,
    )


def _irate(w: Windows) -> tuple[Floats, Bools]:
    return rate.instant_change(w, is_rate=True) if w.starts is None else started.started_irate(w)


def _resets(w: Windows) -> tuple[Floats, Bools]:
    return rate.resets(w) if w.starts is None else started.started_resets(w)


def _extreme(kernel: PlainKernel, name: str, other: str) -> RangeFunction:
    """min_over_time and max_over_time."""
    return RangeFunction(
        plain(kernel),
        StripRollup(strips.flagged("strip_extremes", name == "max")),
        CellKernel(cells.extreme(name, other, kernel), (name, other), sample=name),
        floats_only=True,
    )


def _edge(kernel: PlainKernel, compiled: StripKernel, name: str) -> RangeFunction:
    """first_over_time and last_over_time."""
    return RangeFunction(
        plain(kernel),
        StripRollup(compiled),
        CellKernel(cells.edge(name, kernel), (name,), sample=name),
        retains_name=True,
    )


def _growth(*, is_counter: bool, is_rate: bool) -> RangeFunction:
    """rate, increase and delta."""

    def windows(w: Windows) -> tuple[Floats, Bools]:
        if w.starts is None or not is_counter:
            return rate.extrapolated(w, is_counter=is_counter, is_rate=is_rate)
        return started.started_rate(w, is_rate=is_rate)

    return RangeFunction(
        plain(windows),
        StripRollup(strips.rates(is_counter=is_counter, is_rate=is_rate), 2),
        CellKernel(
            cells.growth(is_counter=is_counter, is_rate=is_rate),
            FALLS if is_counter else ("first", "last"),
            timed=True,
            samples_are_cheap=True,
        ),
        exact_ends=lambda w: extended.extended_rate(w, is_counter=is_counter, is_rate=is_rate),
        smoothed=True,
        counter_only=is_counter,
        reads_starts=is_counter,
    )


PROMQL_FUNCTIONS: Mapping[str, RangeFunction] = {
    "rate": _growth(is_counter=True, is_rate=True),
    "increase": _growth(is_counter=True, is_rate=False),
    "delta": _growth(is_counter=False, is_rate=False),
    "irate": RangeFunction(
        plain(_irate), StripRollup(strips.flagged("strip_steps", True), 2), reads_starts=True
    ),
    "idelta": RangeFunction(
        plain(partial(rate.instant_change, is_rate=False)),
        StripRollup(strips.flagged("strip_steps", False), 2),
    ),
    "resets": RangeFunction(
        plain(_resets),
        StripRollup(strips.flagged("strip_events", True)),
        exact_ends=lambda w: extended.extended_events(w, rate.fell),
        reads_starts=True,
    ),
    "changes": RangeFunction(
        plain(rate.changes),
        StripRollup(strips.flagged("strip_events", False)),
        exact_ends=lambda w: extended.extended_events(w, rate.changed),
    ),
    "deriv": of_values(plain(regression.deriv), StripRollup(strips.lines(slopes=True), 2)),
    "predict_linear": of_values(
        lambda w, s, t: regression.predict_linear(w, t, s[0]),
        StripRollup(strips.lines(slopes=False), 2),
    ),
    "double_exponential_smoothing": of_values(
        lambda w, s, t: regression.double_exponential_smoothing(w, s[0], s[1]),
        StripRollup(strips.smoothed, 2, accepts=strips.are_factors),
    ),
    "avg_over_time": _added(over_time.avg_over_time, cells.mean, mean=True),
    "sum_over_time": _added(over_time.sum_over_time, cells.total, mean=False),
    "count_over_time": RangeFunction(
        plain(over_time.count_over_time),
        StripRollup(strips.repeated(lambda s: (s.hi - s.lo).astype(np.float64))),
        CellKernel(cells.count, samples_are_cheap=True),
    ),
    "present_over_time": RangeFunction(
        plain(over_time.present_over_time),
        StripRollup(strips.repeated(lambda s: np.ones(len(s.lo)))),
        CellKernel(cells.edge("count", over_time.present_over_time), sample="last"),
    ),
    "last_over_time": _edge(over_time.last_over_time, strips.newest, "last"),
    "first_over_time": _edge(over_time.first_over_time, strips.oldest, "first"),
    "min_over_time": _extreme(over_time.min_over_time, "min", "least"),
    "max_over_time": _extreme(over_time.max_over_time, "max", "greatest"),
    "stddev_over_time": of_values(
        plain(over_time.stddev_over_time), StripRollup(strips.deviations)
    ),
    "stdvar_over_time": of_values(plain(over_time.stdvar_over_time), StripRollup(strips.variances)),
    "quantile_over_time": of_values(
        lambda w, s, t: quantiles.quantile_over_time(w, s[0]), StripRollup(strips.quantiles)
    ),
    "mad_over_time": of_values(
        plain(quantiles.mad_over_time), StripRollup(strips.ordered(strips.DEVIATION))
    ),
    "ts_of_min_over_time": of_values(
        plain(over_time.ts_of_min_over_time),
        StripRollup(strips.flagged("strip_extreme_times", False)),
    ),
    "ts_of_max_over_time": of_values(
        plain(over_time.ts_of_max_over_time),
        StripRollup(strips.flagged("strip_extreme_times", True)),
    ),
    "ts_of_first_over_time": RangeFunction(plain(over_time.ts_of_first_over_time)),
    "ts_of_last_over_time": RangeFunction(plain(over_time.ts_of_last_over_time)),
}

_NAMED = {
    "quantiles_over_time:": "quantile_over_time",
    "rollup:min": "min_over_time",
    "rollup:max": "max_over_time",
    "rollup:avg": "avg_over_time",
    "rollup_candlestick:open": "first_over_time",
    "rollup_candlestick:close": "last_over_time",
    "rollup_candlestick:low": "min_over_time",
    "rollup_candlestick:high": "max_over_time",
}
"""Parts of unions, which retain the metric name."""

RANGE_FUNCTIONS: Mapping[str, RangeFunction] = {
    **PROMQL_FUNCTIONS,
    **METRICSQL_FUNCTIONS,
    "seasonal_baseline": RangeFunction(
        lambda w, s, t: seasons.seasonal_baseline(w, s[0], s[1]),
        floats_only=True,
        takes_lookback=True,
    ),
    **{
        name: replace(PROMQL_FUNCTIONS[one], cells=None, retains_name=True, floats_only=True)
        for name, one in _NAMED.items()
    },
}
"""All functions over ranges, except those that are operators of their own, as `absent_over_time`,
and those that plans derive from others (`planner/rollup_calls.py`)."""
