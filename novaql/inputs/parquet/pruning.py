"""Which parts of a Parquet file a selector cannot match, by the bounds in the file's footer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.matchers import Matcher, MatchOp, match_range

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_PER_SECOND: dict[str | None, int] = {
    "s": 1,
    "ms": 10**3,
    "us": 10**6,
    "ns": 10**9,
    "milliseconds": 10**3,
    "microseconds": 10**6,
    "nanoseconds": 10**9,
}
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the greatest text of a label in a row group, by code points.

    absent  whether a row may lack the label
    """

    low: str
    high: str
    absent: bool

    def may_match(self, matcher: Matcher) -> bool:
        """Whether some row may satisfy a matcher of the label. Raises `ValueError` for a pattern
        that RE2 does not accept."""
        if self.absent and matcher.matches(""):
            return True
        if self.low == self.high:
            return matcher.matches(self.low)
        if matcher.op is MatchOp.EQUAL:
            return self.low <= matcher.value <= self.high
        if matcher.op is MatchOp.REGEX:
            first, last = match_range(matcher.value)
            return self.low.encode() <= last and first <= self.high.encode()
        return True


def text_bounds(column: pq.ColumnChunkMetaData) -> Bounds | None:
    """The bounds of a column of texts; None: not known."""
    found = column.statistics
    if found is None or not found.has_min_max or not isinstance(found.min, str):
        return None
    return Bounds(found.min, str(found.max), absent=not never_null(column))


def time_bounds(column: pq.ColumnChunkMetaData, unit: str | None) -> tuple[int, int] | None:
    """First and last time in milliseconds, rounded down and up; None: not known.

    unit  of a column of plain integers: "s", "ms", "us" or "ns"; None: not known
    """
    found = column.statistics
    if found is None or not found.has_min_max:
        return None
    low, high = found.min_raw, found.max_raw
    if not isinstance(low, int) or not isinstance(high, int):
        return None
    kind = orjson.loads(found.logical_type.to_json())
    if kind["Type"] == "Date":
        return low * _DAY_MS, high * _DAY_MS
    if kind["Type"] == "Decimal":  # numbers that a scale divides
        return None
    per_second = _PER_SECOND.get(kind["timeUnit"] if kind["Type"] == "Timestamp" else unit)
    if per_second is None:
        return None
    return low * 1000 // per_second, -(-high * 1000 // per_second)


def never_null(column: pq.ColumnChunkMetaData) -> bool:
    """Whether each row has a value, by the footer."""
    found = column.statistics
    return found is not None and found.null_count == 0  # None: not known
