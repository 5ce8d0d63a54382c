"""Converts floats to whole numbers of a decimal place, without the loss of a bit.

Most metrics are such numbers: counts, bytes, hundredths of a second. Their differences are small
numbers; differences of their bit patterns are not.
"""

from __future__ import annotations

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats

PLACES = 9
"""Number of decimal places that are tried, beginning with 0."""
POWERS = 10.0 ** np.arange(PLACES + 1)
MOST = 1 << 51
"""Below this, sums and differences of two numbers are exact as floats."""
_PROBED = 16
"""Numbers of a long row on which a decimal place is tried first."""
_FEW = 16
"""At most one number of a row in this many may be an exception."""
_MANY_ROWS = 64
"""Other decimal places are tried on more rows than this at once, on fewer rows one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class WholeRows:
    """Rows of floats, one after another, as whole numbers.

    numbers     [N] int64; floats[i] = numbers[i] / POWERS[places of its row]
    places      [R] decimal places of each row; -1: the row stays floats, and its numbers are
                undefined
    exceptions  positions at which the float differs (a marker, -0.0, …), increasing
    """

    numbers: Ints
    places: Ints
    exceptions: Ints


def to_whole(values: Floats, lengths: Ints) -> WholeRows:
    """values: [N] any bit patterns; lengths: [R] of the rows, none of them 0."""
    starts = np.cumsum(lengths) - lengths
    numbers, fits = _at_places(values, 1.0)
    misfits = _misfits(fits, starts, lengths)
    places = np.where(_few(misfits, lengths), 0, -1)
    if len(lengths) > _MANY_ROWS:
        _many_rows(values, numbers, fits, places, starts, lengths)
    else:
        for row in np.flatnonzero(places < 0).tolist():
            _one_row(values, numbers, fits, places, row, int(starts[row]), int(lengths[row]))
    if fits.all():
        return WholeRows(numbers, places, np.empty(0, np.int64))
    exceptional = ~fits & np.repeat(places >= 0, lengths)
    exceptions = np.flatnonzero(exceptional)
    if len(exceptions):
        _fill(numbers, exceptional, starts, lengths)
    return WholeRows(numbers, places, exceptions)


def _at_places(values: Floats, power: float) -> tuple[Ints, Bools]:
    """Return whole numbers of a decimal place, and which of them convert back to the same bits."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.rint(values * power if power != 1.0 else values)
        fits = np.abs(scaled) < MOST
        numbers = np.where(fits, scaled, 0.0).astype(np.int64)
        back = numbers / power
    fits &= back.view(np.int64) == values.view(np.int64)
    return numbers, fits


def _misfits(fits: Bools, starts: Ints, lengths: Ints) -> Ints:
    if fits.all():
        return np.zeros(len(lengths), np.int64)
    counted: Ints = lengths - np.add.reduceat(fits, starts, dtype=np.int64)
    return counted


def _few(misfits: Ints, lengths: Ints) -> Bools:
    few: Bools = (misfits * _FEW <= lengths) | ((misfits == 1) & (lengths >= 4))
    return few


def _one_row(
    values: Floats, numbers: Ints, fits: Bools, places: Ints, row: int, start: int, length: int
) -> None:
    """Try the other decimal places on one row, first on a few of its numbers."""
    whole = values[start : start + length]
    probe = whole[:: max(1, length // _PROBED)]
    for place in range(1, PLACES + 1):
        _, right = _at_places(probe, float(POWERS[place]))
        if 2 * np.count_nonzero(right) <= len(right):
            continue
        found, right = _at_places(whole, float(POWERS[place]))
        if _few(np.array([length - np.count_nonzero(right)]), np.array([length]))[0]:
            numbers[start : start + length], fits[start : start + length] = found, right
            places[row] = place
            return


def _many_rows(
    values: Floats, numbers: Ints, fits: Bools, places: Ints, starts: Ints, lengths: Ints
) -> None:
    """Try the other decimal places on many short rows at once."""
    for place in range(1, PLACES + 1):
        rows = np.flatnonzero(places < 0)
        if len(rows) == 0:
            return
        if len(rows) > _MANY_ROWS:  # try the first number of each row
            _, right = _at_places(values[starts[rows]], float(POWERS[place]))
            if 2 * np.count_nonzero(right) <= len(right):
                continue
        positions = flat_positions(starts[rows], lengths[rows])
        found, right = _at_places(values[positions], float(POWERS[place]))
        begins = np.cumsum(lengths[rows]) - lengths[rows]
        good = _few(_misfits(right, begins, lengths[rows]), lengths[rows])
        taken = np.repeat(good, lengths[rows])
        numbers[positions[taken]], fits[positions[taken]] = found[taken], right[taken]
        places[rows[good]] = place


def _fill(numbers: Ints, exceptional: Bools, starts: Ints, lengths: Ints) -> None:
    """Replace exceptions by the number before them, or after them at the start of a row, so that
    they add no change to the column."""
    own = np.where(exceptional, -1, np.arange(len(numbers)))
    before = np.maximum.accumulate(own)
    first = np.repeat(starts, lengths)
    outside = before < first
    if outside.any():
        after = np.where(exceptional, len(numbers), np.arange(len(numbers)))
        after = np.minimum.accumulate(after[::-1])[::-1]
        last = np.repeat(starts + lengths - 1, lengths)
        before = np.where(outside, np.where(after <= last, after, first), before)
    numbers[:] = numbers[before]
