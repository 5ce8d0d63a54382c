"""Functions over windows of whole cells: count, sums, means, and the growth of counters.

Each answer states whether it is provably the very float that the samples would yield. Counts
are. So are sums and means of whole numbers, as long as all that is added stays below 2^53: no order
of adding rounds anything then. Other sums are, if the engine's own error bound leaves a single
float to round to. A counter that falls at most once in a window grows by the same two or three
operations either way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels.compensated import add_compensated
from novaql.evaluator.kernels.rate import extrapolation_factor
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows, ragged_windows
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.rollup_columns import CellColumns

WHOLE_UNTIL = 2.0**53
LARGE = 2.0**1000
"""A sum of values whose absolute values add up to less does not overflow here."""
ROUNDING = 2.0**-53


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Three arrays [C] for the windows with a cell: the values, which exist, and which equal the
    float that the samples would yield, bit for bit."""

    values: Floats
    valid: Bools
    proven: Bools


class _Held:
    """Cells, windows over them, and samples in each window."""

    def __init__(self, cells: CellColumns, windows: Windows) -> None:
        self.cells, self.windows = cells, windows
        lengths = np.diff(cells.offsets)
        self._rows = np.flatnonzero(lengths)
        self._lengths = lengths[self._rows]
        self._firsts = cells.offsets[self._rows]
        # Before the first cell of each row is a place where its running sum is 0.
        self._place = np.arange(int(lengths.sum())) + np.repeat(
            np.arange(1, len(self._rows) + 1), self._lengths
        )
        self.counts = self.total(cells.statistics["count"])

    def total(self, column: Floats) -> Floats:
        """The sum of a column over the cells of each window. Exact if the running sums of the row
        are exact."""
        if len(column) == 0:
            return np.zeros(len(self.windows.lo))
        spaced = np.zeros(len(column) + len(self._rows))
        spaced[self._place] = column
        spaced[self._place[self._firsts[1:]] - 1] = -np.add.reduceat(column, self._firsts)[:-1]
        running = np.cumsum(spaced)
        last, first = self._place[self.windows.hi - 1], self._place[self.windows.lo]
        found: Floats = running[last] - running[first - 1]
        return found

    def every(self, column: Bools) -> Bools:
        """Whether a flag is true for all cells of each window."""
        found: Bools = self.total(np.where(column, 0.0, 1.0)) == 0
        return found

    def magnitude(self) -> Floats:
        """[cells] a bound of the sum of absolute values; NaN where it is not known."""
        known = self.cells.statistics
        bound: Floats = np.maximum(np.abs(known["min"]), np.abs(known["max"])) * known["count"]
        return bound

    def of_row(self, column: Floats, merge: np.ufunc = np.add) -> Floats:
        """[cells] the sum, or the like, over all cells of the row that a cell belongs to."""
        if len(column) == 0:
            return column
        return np.repeat(merge.reduceat(column, self._firsts), self._lengths)

    def exactly(self, column: Floats) -> tuple[Floats, Floats]:
        """The sums over windows of the parts that can be added exactly, and the rest of each
        number.

        See `tsdb.block.exact_sums`.
        """
        sigma = np.ldexp(1.0, np.minimum(np.frexp(self.of_row(np.abs(column)))[1], 1020) + 2)
        part = (sigma + column) - sigma
        return self.total(part), column - part


Kernel = Callable[[_Held], Answer]
WindowKernel = Callable[[Windows], tuple[Floats, Bools]]


@dataclass(frozen=True, slots=True)
class CellKernel:
    """A function over ranges, computed from cells.

    names   statistics of cells that it needs, beside the count
    timed   see `RangeWindows`; so is `samples_are_cheap`
    sample  the statistic of a cell that the function's kernel over samples may take for a sample;
            None: there is none
    """

    answer: Kernel
    names: tuple[str, ...] = ()
    timed: bool = False
    samples_are_cheap: bool = False
    sample: str | None = None


SUMS = ("sum", "lost", "whole", "min", "max")
FALLS = ("first", "last", "increase", "falls", "fallen", "whole", "min", "max")


def rolled(
    kernel: CellKernel, cells: CellColumns, ends_ms: Ints, reach_ms: int, range_ms: int
) -> tuple[Windows, Answer]:
    """A kernel over the windows (end - reach, end], none of which has a part of a cell.

    ends_ms: [J], evenly spaced or all equal.
    """
    windows = ragged_windows(
        cells.statistics["count"], cells.last_ms, cells.offsets, ends_ms, reach_ms
    )
    if reach_ms != range_ms:
        windows = replace(windows, range_ms=range_ms)
    if len(cells.last_ms) == 0:
        none = np.zeros(0)
        return windows, Answer(none, none > 0, none > 0)
    with np.errstate(all="ignore"):
        return windows, kernel.answer(_Held(cells, windows))


def count(held: _Held) -> Answer:
    there = held.counts > 0
    return Answer(held.counts, there, there)


def _all_whole(held: _Held) -> Bools:
    """Windows of whole numbers, in rows whose absolute values add up to less than 2^53."""
    whole = held.cells.statistics["whole"] == 1
    bound = held.of_row(np.where(whole, held.magnitude(), 0.0))
    return held.every(whole & (bound < WHOLE_UNTIL))


def _pairs(held: _Held) -> tuple[Floats, Floats, Floats, Bools]:
    """Sums of windows as (total, what it lacks), a bound of their error and of the engine's, and
    where it holds."""
    known = held.cells.statistics
    finite = np.isfinite(known["sum"])
    total, lost = (np.where(finite, known[name], 0.0) for name in ("sum", "lost"))
    size = held.magnitude()
    sound = finite & (size < LARGE)
    size = np.where(sound, size, 0.0)
    high, rest = held.exactly(total)
    middle, rest = held.exactly(rest)
    low, dropped = held.exactly(rest + lost)
    found, missing = add_compensated(high, np.zeros_like(high), middle)
    found, missing = add_compensated(found, np.zeros_like(found), missing + low)
    # Of C cells, 8 C u² of the row's absolute sum was left out above. The engine adds n numbers up
    # with an error of at most n² u² times their absolute sum.
    of_row = held.of_row(size) * held.of_row(np.ones(len(size)))
    of_row = of_row[held.windows.lo] if len(size) else held.counts
    absolute = held.total(size)
    error = ROUNDING**2 * (4 * held.counts**2 * absolute + 32 * of_row)
    # Neither way has lost anything if the rounding errors are multiples of one last place.
    place = np.spacing(np.where(sound, np.minimum(np.abs(known["min"]), np.abs(known["max"])), 0))
    place[known["min"] * known["max"] <= 0] = 0.0
    if len(place):
        place = -held.of_row(-place, np.maximum)
        whole = held.of_row(np.where(dropped == 0, 0.0, 1.0)) == 0
        place = np.where(whole, place, 0.0)[held.windows.lo]
        error[held.counts * ROUNDING * absolute < WHOLE_UNTIL / 4 * place] = 0.0
    if not finite.all():  # infinities and NaN determine the sum
        odd = {v: held.total(_are(known["sum"], v)) for v in (np.inf, -np.inf, np.nan)}
        some = ~held.every(finite)
        found, missing = _with_odd(found, odd), np.where(some, 0.0, missing)
    return found, missing, error, held.every(sound)


def total(held: _Held) -> Answer:
    total, lost, error, sound = _pairs(held)
    low, high = np.nextafter(lost - error, -np.inf), np.nextafter(lost + error, np.inf)
    proven = _all_whole(held) | (sound & ((error == 0) | (total + low == total + high)))
    return Answer(total + lost, held.counts > 0, proven)


def mean(held: _Held) -> Answer:
    """The mean, divided as in `avg_over_time`. The rounding of the total affects the mean, so it is
    proven only if the total was not rounded."""
    total, lost, _, _ = _pairs(held)
    counts = np.maximum(held.counts, 1.0)
    return Answer(total / counts + lost / counts, held.counts > 0, _all_whole(held))


def growth(*, is_counter: bool, is_rate: bool) -> Kernel:
    """`rate.extrapolated`, operation by operation."""

    def kernel(held: _Held) -> Answer:
        cells, windows = held.cells, held.windows
        known, last = cells.statistics, windows.hi - 1
        first_value = known["first"][windows.lo]
        increase = known["last"][last] - first_value
        proven = cells.timed[windows.lo] & cells.timed[last]
        if is_counter:
            falls, fallen, one = _fallen(held)
            whole = _all_whole(held)
            grown = increase + np.where(falls == 1, one, fallen)
            steps = np.where(first_value == np.inf, np.nan, _steps(held))  # as ∞ - ∞ is
            grown = np.where((falls <= 1) | whole, grown, steps)
            increase = np.where(falls > 0, grown, increase)
            proven &= (falls <= 1) | whole
        factor = extrapolation_factor(
            cells.first_ms[windows.lo],
            cells.last_ms[last],
            held.counts.astype(np.int64),
            windows.ends_ms,
            windows.range_ms,
            first=first_value if is_counter else None,
            increase=increase,
        )
        if is_rate:
            factor = factor / (windows.range_ms / 1000.0)
        return Answer(increase * factor, held.counts >= 2, proven)

    return kernel


def _fallen(held: _Held) -> tuple[Floats, Floats, Floats]:
    """Of each window: how often the value fell, the sum of the values before, and the only one.

    The sum is that of whole numbers, as far as they are below 2^53, and exact: integers modulo 2^64
    are, however much was added up before the window, of its own series or of others.
    """
    cells, windows = held.cells, held.windows
    known = cells.statistics
    first, last = known["first"], known["last"]
    joint = np.append(False, first[1:] < last[:-1])
    inner = cells.offsets[(cells.offsets > 0) & (cells.offsets < len(first))]
    joint[inner] = False  # the cell before belongs to another series
    # In order of time: the fall from the cell before to this one, then those inside of it.
    count = np.column_stack([joint.astype(float), known["falls"]]).ravel()
    before = np.where(joint, np.append(0.0, last[:-1]), 0.0)
    amount = np.column_stack([before, known["fallen"]]).ravel()
    low, high = 2 * windows.lo + 1, 2 * windows.hi
    so_far = np.append(0.0, np.cumsum(count))
    falls = so_far[high] - so_far[low]
    integers = np.where(np.abs(amount) < WHOLE_UNTIL, amount, 0.0).astype(np.int64)
    sums = np.append(0, np.cumsum(integers))
    fallen = (sums[high] - sums[low]).astype(np.float64)
    places = np.flatnonzero(count)
    which = np.searchsorted(places, low)
    one = amount[places[np.minimum(which, len(places) - 1)]] if len(places) else fallen
    return falls, fallen, one


def extreme(name: str, other: str, function: WindowKernel) -> Kernel:
    def kernel(held: _Held) -> Answer:
        known = held.cells.statistics
        values = np.where(np.isnan(known[name]), known[other], known[name])
        return _of_windows(held, values, function, held.every(~np.isnan(known[name])))

    return kernel


def edge(name: str, function: WindowKernel) -> Kernel:
    def kernel(held: _Held) -> Answer:
        return _of_windows(held, held.cells.statistics[name], function, held.counts > 0)

    return kernel


def _of_windows(held: _Held, values: Floats, function: WindowKernel, proven: Bools) -> Answer:
    windows = replace(held.windows, values=values)
    found, there = function(windows)
    return Answer(found, there, proven)


def _steps(held: _Held) -> Floats:
    """Growth of windows as the sum of the steps from sample to sample, a fall being a start from
    zero. Near enough where a counter fell more than once."""
    cells, windows = held.cells, held.windows
    first, last = cells.statistics["first"], cells.statistics["last"]
    before = np.append(0.0, last[:-1])
    joint = np.where(first < before, first, first - before)
    joint[cells.offsets[:-1][np.diff(cells.offsets) > 0]] = 0.0
    total = np.zeros(len(windows.lo))
    odd = {np.inf: total, -np.inf: total, np.nan: total}
    for steps in (joint, cells.statistics["increase"]):
        high, rest = held.exactly(np.where(np.isfinite(steps), steps, 0.0))
        total = total + high + held.exactly(rest)[0]
        # The step into the first cell of a window is not part of the window.
        into = steps[windows.lo] if steps is joint else np.zeros(len(total))
        total = total - np.where(np.isfinite(into), into, 0.0)
        odd = {v: n + held.total(_are(steps, v)) - _are(into, v) for v, n in odd.items()}
    return _with_odd(total, odd)


def _are(numbers: Floats, value: float) -> Floats:
    """1 where a number equals this one, which may be NaN."""
    there: Floats = np.where(np.isnan(numbers) if np.isnan(value) else numbers == value, 1.0, 0.0)
    return there


def _with_odd(total: Floats, odd: Mapping[float, Floats]) -> Floats:
    """Sums to which infinities and NaN are added; odd: how many of them each sum has."""
    up, down = odd[np.inf] > 0, odd[-np.inf] > 0
    found = np.where(up, np.inf, np.where(down, -np.inf, total))
    return np.where((odd[np.nan] > 0) | (up & down), np.nan, found)
