"""Arrow columns of times → milliseconds since 1970.

The unit is the first of these: the one that the caller names; that of the Arrow type (timestamp,
date); the end of the column's name (`_s`, `_ms`, `_us`, `_ns`); by the largest of the first
numbers: below 10^11 seconds, below 10^14 milliseconds, below 10^17 microseconds, else nanoseconds.
It is the same for the whole column. Times without a zone are UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from novaql.errors import InputError
from novaql.inputs.sample_times import REASON, first_outside
from novaql.inputs.tables.arrow_numpy import nearest_floats, numbers_of, valid_of
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS

if TYPE_CHECKING:
    import pyarrow as pa
else:  # loaded at the first use
    pa = lazy_module("pyarrow")

TimeUnit = Literal["s", "ms", "us", "ns"]

_PER_SECOND: dict[str, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_MS = 86_400_000


class TimeColumn:
    """Reads one column, batch by batch, in one unit."""

    def __init__(self, column: str, unit: TimeUnit | None = None) -> None:
        self.column = column
        self._unit = unit or _unit_of_name(column)

    @property
    def unit(self) -> TimeUnit | None:
        """Of plain numbers, once it is known."""
        return self._unit

    def milliseconds(self, array: pa.Array[Any], first_row: int = 0) -> Ints:
        """[N] milliseconds. Raises `InputError`.

        first_row  number of the first row, for messages
        """
        times = self._milliseconds(array, first_row)
        if (at := first_outside(times)) is not None:
            raise self._out_of_range(first_row + at)
        return times

    def _milliseconds(self, array: pa.Array[Any], first_row: int) -> Ints:
        if array.null_count:
            row = first_row + int(np.argmin(valid_of(array)))
            raise InputError(f"column {self.column}: row {row} has no time; leave such rows out")
        if isinstance(array, pa.DictionaryArray):  # of texts, such as of a column of Parquet
            return self._milliseconds(array.dictionary_decode(), first_row)
        types = pa.types
        kind = array.type
        if types.is_timestamp(kind):
            return self._scaled(numbers_of(array), kind.unit, first_row)
        if types.is_date32(kind):
            return numbers_of(array).astype(np.int64) * _DAY_MS
        if types.is_date64(kind):
            return numbers_of(array).copy()
        if types.is_integer(kind):
            try:
                whole = numbers_of(array.cast(pa.int64()))
            except pa.ArrowInvalid as problem:
                raise InputError(f"column {self.column}: {problem}") from problem
            return self._scaled(whole, self._settle(whole), first_row)
        if types.is_floating(kind) or types.is_decimal(kind):
            return self._from_floats(nearest_floats(array), first_row)
        if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            return self._from_text(array.cast(pa.string()), first_row)
        if "pandas.period" in str(kind):
            raise InputError(
                f"column {self.column}: a period is no time; convert it, as by .to_timestamp()"
            )
        raise InputError(f"column {self.column}: {kind} cannot be read as a time")

    def _scaled(self, numbers: Ints, unit: str, first_row: int) -> Ints:
        per_second = _PER_SECOND[unit]
        factor = 1000 // per_second if per_second < 1000 else 1
        outside = (numbers > LAST_SAMPLE_MS // factor) | (numbers < FIRST_SAMPLE_MS // factor)
        if per_second <= 1000 and outside.any():
            raise self._out_of_range(first_row + int(np.argmax(outside)))
        return numbers * factor if per_second < 1000 else numbers // (per_second // 1000)

    def _out_of_range(self, row: int) -> InputError:
        return InputError(f"column {self.column}: the time in row {row} is out of range: {REASON}")

    def _settle(self, numbers: NDArray[np.int64] | NDArray[np.float64]) -> TimeUnit:
        if self._unit is None and len(numbers):
            self._unit = _unit_of_size(float(np.abs(numbers.astype(np.float64)).max()))
        return self._unit or "ms"

    def _from_floats(self, seconds: NDArray[np.float64], first_row: int) -> Ints:
        finite = np.isfinite(seconds)
        if not finite.all():
            row = int(np.argmin(finite))
            raise InputError(
                f"column {self.column}: row {first_row + row} has the time {seconds[row]}"
            )
        scaled = np.rint(seconds * (1000.0 / _PER_SECOND[self._settle(seconds)]))
        outside = np.abs(scaled) >= 2.0**62
        if outside.any():
            raise self._out_of_range(first_row + int(np.argmax(outside)))
        return scaled.astype(np.int64)

    def _from_text(self, texts: pa.Array[Any], first_row: int) -> Ints:
        for kind in (
            pa.timestamp("ns", "UTC"),
            pa.timestamp("ns"),
            pa.timestamp("us", "UTC"),
            pa.timestamp("us"),
            pa.float64(),
        ):
            try:
                parsed = texts.cast(kind)
            except pa.ArrowInvalid:
                continue
            return self.milliseconds(parsed, first_row)
        row = _first_bad(texts)
        raise InputError(
            f"column {self.column}: row {first_row + row}: {texts[row].as_py()!r} is no time; "
            "use 2025-06-01T12:00:00Z or a number, the same way in every row"
        )


def is_time(kind: pa.DataType) -> bool:
    """Whether a type is one of times."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _unit_of_name(column: str) -> TimeUnit | None:
    units: tuple[TimeUnit, ...] = ("ms", "us", "ns", "s")
    for unit in units:
        if column.lower().endswith(f"_{unit}"):
            return unit
    return None


def _unit_of_size(largest: float) -> TimeUnit:
    if largest < 1e11:
        return "s"
    if largest < 1e14:
        return "ms"
    return "us" if largest < 1e17 else "ns"


def _first_bad(texts: pa.Array[Any]) -> int:
    """Row of the first text that has another form than the first one."""

    def fits(part: pa.Array[Any]) -> bool:
        for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.float64()):
            try:
                part.cast(kind)
            except pa.ArrowInvalid:
                continue
            return True
        return False

    good, bad = 0, len(texts)
    while bad - good > 1:
        middle = (good + bad) // 2
        if fits(texts[:middle]):
            good = middle
        else:
            bad = middle
    return good
