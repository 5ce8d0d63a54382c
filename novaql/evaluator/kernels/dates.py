"""Calendar parts of Unix seconds, in UTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.kernels.windows import Bools, Floats

Whole = NDArray[np.int64]

# numpy's datetime64[s] holds any int64, but its calendar is only sure within these years.
EARLIEST, LATEST = -62_167_219_200, 253_402_300_799  # 0000-01-01 … 9999-12-31


def _day(seconds: Whole) -> NDArray[np.datetime64]:
    return seconds.astype("datetime64[s]").astype("datetime64[D]")


def _month(seconds: Whole) -> NDArray[np.datetime64]:
    return seconds.astype("datetime64[s]").astype("datetime64[M]")


def _year(seconds: Whole) -> NDArray[np.datetime64]:
    return seconds.astype("datetime64[s]").astype("datetime64[Y]")


def _days_in_month(seconds: Whole) -> Whole:
    month = _month(seconds)
    first = month.astype("datetime64[D]")
    days: Whole = ((month + 1).astype("datetime64[D]") - first).astype(np.int64)
    return days


PARTS: Mapping[str, Callable[[Whole], Whole]] = {
    "minute": lambda s: s // 60 % 60,
    "hour": lambda s: s // 3600 % 24,
    "day_of_week": lambda s: (s // 86400 + 4) % 7,  # 1970-01-01 was a Thursday; Sunday is 0
    "day_of_month": lambda s: (_day(s) - _month(s).astype("datetime64[D]")).astype(np.int64) + 1,
    "day_of_year": lambda s: (_day(s) - _year(s).astype("datetime64[D]")).astype(np.int64) + 1,
    "days_in_month": _days_in_month,
    "month": lambda s: _month(s).astype(np.int64) % 12 + 1,
    "year": lambda s: _year(s).astype(np.int64) + 1970,
}


def date_part(name: str, seconds: Floats) -> Floats:
    """One calendar part; fractions of a second are cut off. NaN for what is no date."""
    no_date: Bools = ~((seconds >= EARLIEST) & (seconds <= LATEST))
    whole = np.where(no_date, 0.0, np.trunc(seconds)).astype(np.int64)
    return np.where(no_date, np.nan, PARTS[name](whole).astype(np.float64))
