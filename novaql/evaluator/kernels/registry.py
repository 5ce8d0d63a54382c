"""The one table of functions over ranges: their kernels for each back end, and their properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from novaql.evaluator.kernels import (
    cells,
    extended,
    over_time,
    quantiles,
    rate,
    regression,
    started,
    strips,
)
from novaql.evaluator.kernels.cells import FALLS, SUMS, CellKernel
from novaql.evaluator.kernels.extended import Extended
from novaql.evaluator.kernels.strips import StripKernel, StripRollup
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows

WindowKernel = Callable[[Windows, Sequence[Floats], Ints], tuple[Floats, Bools]]
"""(windows, scalar arguments in the order of the call, evaluation times): each shaped like lo."""
PlainKernel = Callable[[Windows], tuple[Floats, Bools]]


@dataclass(frozen=True, slots=True)
class RangeFunction:
    """Kernels of a function over ranges, and what operators need to know of it.

    windows       NumPy, over windows of samples
    strips        compiled, over batches; None: NumPy always runs the function
    cells         NumPy, over rollup cells; None: rollups do not answer it
    exact_ends    NumPy, over `anchored` windows; None: the function takes no modifier
    smoothed      `exact_ends` also takes `smoothed` windows
    retains_name    the result is still a sample of the metric
    counter_only  the function is meaningful for counters alone
    reads_starts  the result depends on start timestamps, which compiled kernels do not read
    whole_window  the work grows with the samples in a window
    slides        the compiled kernel of a `whole_window` function reads each sample once
    floats_only   native histograms are ignored
    """

    windows: WindowKernel
    strips: StripRollup | None = None
    cells: CellKernel | None = None
    exact_ends: Callable[[Extended], tuple[Floats, Bools]] | None = None
    smoothed: bool = False
    retains_name: bool = False
    counter_only: bool = False
    reads_starts: bool = False
    whole_window: bool = False
    slides: bool = False
    floats_only: bool = False


def _plain(kernel: PlainKernel) -> WindowKernel:
    return lambda windows, scalars, eval_ms: kernel(windows)


def _of_values(kernel: WindowKernel, compiled: StripRollup | None = None) -> RangeFunction:
    """A function of all floats of a window, which ignores histograms."""
    return RangeFunction(kernel, compiled, whole_window=True, floats_only=True)


def _added(kernel: PlainKernel, of_cells: cells.Kernel, *, mean: bool) -> RangeFunction:
    """sum_over_time and avg_over_time."""
    return RangeFunction(
        _plain(kernel),
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
        _plain(kernel),
        StripRollup(strips.flagged("strip_extremes", name == "max")),
        CellKernel(cells.extreme(name, other, kernel), (name, other), sample=name),
        floats_only=True,
    )


def _edge(kernel: PlainKernel, compiled: StripKernel, name: str) -> RangeFunction:
    """first_over_time and last_over_time."""
    return RangeFunction(
        _plain(kernel),
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
        _plain(windows),
        StripRollup(strips.rates(is_counter=is_counter, is_rate=is_rate), 2),
        CellKernel(
            cells.growth(is_counter=is_counter, is_rate=is_rate),
            FALLS if is_counter else ("first", "last"),
            timed=True,
            cheap=True,
        ),
        exact_ends=lambda w: extended.extended_rate(w, is_counter=is_counter, is_rate=is_rate),
        smoothed=True,
        counter_only=is_counter,
        reads_starts=is_counter,
    )


RANGE_FUNCTIONS: Mapping[str, RangeFunction] = {
    "rate": _growth(is_counter=True, is_rate=True),
    "increase": _growth(is_counter=True, is_rate=False),
    "delta": _growth(is_counter=False, is_rate=False),
    "irate": RangeFunction(
        _plain(_irate), StripRollup(strips.flagged("strip_steps", True), 2), reads_starts=True
    ),
    "idelta": RangeFunction(
        _plain(partial(rate.instant_change, is_rate=False)),
        StripRollup(strips.flagged("strip_steps", False), 2),
    ),
    "resets": RangeFunction(
        _plain(_resets),
        StripRollup(strips.flagged("strip_events", True)),
        exact_ends=lambda w: extended.extended_events(w, rate.fell),
        reads_starts=True,
    ),
    "changes": RangeFunction(
        _plain(rate.changes),
        StripRollup(strips.flagged("strip_events", False)),
        exact_ends=lambda w: extended.extended_events(w, rate.changed),
    ),
    "deriv": _of_values(_plain(regression.deriv), StripRollup(strips.lines(slopes=True), 2)),
    "predict_linear": _of_values(
        lambda w, s, t: regression.predict_linear(w, t, s[0]),
        StripRollup(strips.lines(slopes=False), 2),
    ),
    "double_exponential_smoothing": _of_values(
        lambda w, s, t: regression.double_exponential_smoothing(w, s[0], s[1])
    ),
    "avg_over_time": _added(over_time.avg_over_time, cells.mean, mean=True),
    "sum_over_time": _added(over_time.sum_over_time, cells.total, mean=False),
    "count_over_time": RangeFunction(
        _plain(over_time.count_over_time),
        StripRollup(strips.repeated(lambda s: (s.hi - s.lo).astype(np.float64))),
        CellKernel(cells.count, cheap=True),
    ),
    "present_over_time": RangeFunction(
        _plain(over_time.present_over_time),
        StripRollup(strips.repeated(lambda s: np.ones(len(s.lo)))),
        CellKernel(cells.edge("count", over_time.present_over_time), sample="last"),
    ),
    "last_over_time": _edge(over_time.last_over_time, strips.newest, "last"),
    "first_over_time": _edge(over_time.first_over_time, strips.oldest, "first"),
    "min_over_time": _extreme(over_time.min_over_time, "min", "least"),
    "max_over_time": _extreme(over_time.max_over_time, "max", "greatest"),
    "stddev_over_time": _of_values(
        _plain(over_time.stddev_over_time), StripRollup(strips.flagged("strip_variances", True))
    ),
    "stdvar_over_time": _of_values(
        _plain(over_time.stdvar_over_time), StripRollup(strips.flagged("strip_variances", False))
    ),
    "quantile_over_time": _of_values(
        lambda w, s, t: quantiles.quantile_over_time(w, s[0]), StripRollup(strips.quantiles)
    ),
    "mad_over_time": _of_values(_plain(quantiles.mad_over_time)),
    "ts_of_min_over_time": _of_values(_plain(over_time.ts_of_min_over_time)),
    "ts_of_max_over_time": _of_values(_plain(over_time.ts_of_max_over_time)),
    "ts_of_first_over_time": RangeFunction(_plain(over_time.ts_of_first_over_time)),
    "ts_of_last_over_time": RangeFunction(_plain(over_time.ts_of_last_over_time)),
}
"""All functions over ranges, except `absent_over_time`, which is an operator of its own."""
