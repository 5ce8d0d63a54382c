"""Calendar parts of Unix seconds, in UTC: the Gregorian calendar, carried on in both directions.

A second belongs to the calendar if Go's `time` has it: it fits 64 bits with a sign, and lies in the
year -292277022399 or later. The parts of anything else (NaN, infinities, numbers beyond) are NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.fast_dataclass import dataclass

Whole = NDArray[np.int64]

EARLIEST = -9_223_372_028_715_321_600
"""The first second of the year -292277022399. The double next to it lies in that year, too."""
BEYOND = 2.0**63
"""The first number that 64 bits do not hold. The last year is 292277026596."""

DAY = 86_400
DAYS_OF_400_YEARS = 146_097
MARCH_OF_YEAR_0 = 719_468
"""Days from 1 March of the year 0 to 1970-01-01."""


@dataclass(frozen=True, slots=True, eq=False)
class Civil:
    """year, month (1 to 12), day (from 1); since_march: days since 1 March before (or on) it."""

    year: Whole
    month: Whole
    day: Whole
    since_march: Whole


def civil(days: Whole) -> Civil:
    """The date of days since 1970-01-01.

    Years are counted from 1 March, so that a leap day is the last day of its year, in cycles of 400
    years of equal length.
    """
    cycle, day = np.divmod(days + MARCH_OF_YEAR_0, DAYS_OF_400_YEARS)
    # Leap days before this day in the cycle are taken off, and what remains are years of 365 days.
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    since_march = day - (365 * year + year // 4 - year // 100)
    month = (5 * since_march + 2) // 153  # 0: March
    first = (153 * month + 2) // 5
    january_on = month >= 10
    return Civil(
        cycle * 400 + year + january_on,
        np.where(january_on, month - 9, month + 3),
        since_march - first + 1,
        since_march,
    )


def is_leap(year: Whole) -> Bools:
    """Whether years have a 29 February."""
    leap: Bools = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    return leap


def _day_of_year(days: Whole) -> Whole:
    date = civil(days)
    of_march_year: Whole = np.where(
        date.month > 2, date.since_march + 60 + is_leap(date.year), date.since_march - 305
    )
    return of_march_year


_LENGTHS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def _days_in_month(days: Whole) -> Whole:
    date = civil(days)
    length: Whole = _LENGTHS[date.month] + ((date.month == 2) & is_leap(date.year))
    return length


def _of_days(part: Callable[[Whole], Whole]) -> Callable[[Whole], Whole]:
    """What depends on the day alone, of seconds. Of few days, each is computed once."""

    def of_seconds(seconds: Whole) -> Whole:
        days = seconds // DAY
        if days.size == 0:
            return part(days)
        first, last = int(days.min()), int(days.max())
        if last - first >= days.size // 2:
            return part(days)
        days -= first
        return part(np.arange(first, last + 1)).take(days)

    return of_seconds


PARTS: Mapping[str, Callable[[Whole], Whole]] = {
    "minute": lambda s: s // 60 % 60,
    "hour": lambda s: s // 3600 % 24,
    "day_of_week": lambda s: (s // DAY + 4) % 7,  # 1970-01-01 was a Thursday; Sunday is 0
    "day_of_month": _of_days(lambda days: civil(days).day),
    "day_of_year": _of_days(_day_of_year),
    "days_in_month": _of_days(_days_in_month),
    "month": _of_days(lambda days: civil(days).month),
    "year": _of_days(lambda days: civil(days).year),
}


def date_part(name: str, seconds: Floats, offset: Callable[[Whole], Whole] | None = None) -> Floats:
    """One calendar part; fractions of a second are cut off. NaN for numbers that are not dates.

    offset  seconds that local time is ahead of UTC, at Unix seconds; None: the date is UTC's
    """
    no_date: Bools = ~((seconds >= EARLIEST) & (seconds < BEYOND))
    if offset is None and not no_date.any():
        return PARTS[name](seconds.astype(np.int64)).astype(np.float64)
    if offset is not None:  # so that local seconds fit 64 bits
        no_date |= ~(np.abs(seconds) < BEYOND / 2)
    whole = np.where(no_date, 0.0, seconds).astype(np.int64)
    if offset is not None:
        whole = whole + offset(whole)
    return np.where(no_date, np.nan, PARTS[name](whole).astype(np.float64))
