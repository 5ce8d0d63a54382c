"""Convert OTLP points of delta temporality to cumulative points, with a sum for each series.

A delta is the change between its start and its time. `DeltaSums` adds it to the sum of its series;
the start of the sum is that of the series' first delta. A delta that starts before the previous one
ended overlaps it, so it is rejected. A gap between deltas does not reset the sum. After a restart
of the server, or if the sum of an inactive series was evicted, a new sum begins; readers detect
this by its start timestamp.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator

from novaql.server.ingest.otlp_values import Message, float_of, unrecorded
from novaql.tsdb import MIN_SCHEMA

Key = tuple[str, str, frozenset[tuple[str, str]]]
_MOST_BUCKETS = 640
_SUMMED_FIELDS = (
    "asInt", "asDouble", "count", "sum", "bucketCounts", "explicitBounds", "scale", "zeroCount",
    "zeroThreshold", "positive", "negative",
)  # fmt: skip
_SUM_BYTES = 2048
"""A sum whose labels and buckets take more counts as several."""
_BUCKET_BYTES = 64
_LIFETIME_NS = 3600 * 10**9


class DeltaProblem(ValueError):
    """The point cannot be added to the sum of its series."""


class TurnNeeded(Exception):
    """The point is a delta, and the request has not acquired the lock of the sums."""


class DeltaSums:
    """The sums of one store.

    most_series  limit for the number of sums; one with long labels or many
                 buckets counts as several. At the limit, a new sum evicts the oldest one if it
                 received no point for an hour, by the times of the points; otherwise the new point
                 is rejected
    """

    def __init__(self, *, most_series: int) -> None:
        self._most_series = most_series
        self.sums: OrderedDict[Key, Message] = OrderedDict()  # the last updated sum is the last
        self.weight = 0
        self._turn = threading.Lock()

    def __len__(self) -> int:
        return len(self.sums)

    def begin(self) -> DeltaRequest:
        """Begin a request. Only requests with deltas acquire the lock of the sums.

        The caller calls `commit` after the points are stored, and always calls `leave`.
        """
        return DeltaRequest(self, self._most_series, self._turn)


class DeltaRequest:
    """The changed sums of a request, until its points are stored."""

    def __init__(self, all_sums: DeltaSums, most_series: int, turn: threading.Lock) -> None:
        self._all = all_sums
        self._sums = all_sums.sums
        self._most_series = most_series
        self._turn = turn
        self._holds_turn = False
        self._changed: dict[Key, Message | None] = {}  # None: removed
        self._growth = 0
        self._by_age: Iterator[Key] | None = None
        self._oldest: Key | None = None

    def cumulative(self, key: Key, kind: str, point: Message) -> Message:
        """Add a point to the sum of its series; return the cumulative point.

        Raises `DeltaProblem` and `TurnNeeded`, without a change of the sum.

        kind  sum, histogram or exponentialHistogram
        """
        if not self._holds_turn:
            raise TurnNeeded
        time = int(point.get("timeUnixNano", 0))
        began = int(point.get("startTimeUnixNano", 0)) or time
        if began > time:
            raise DeltaProblem("it starts behind its own time")
        before = self._changed[key] if key in self._changed else self._sums.get(key)
        if unrecorded(point):  # the series has ended
            self._growth -= 0 if before is None else _weight(key, before)
            self._changed[key] = None
            return point
        if before is None:
            total, held = _restarted(point, began, time), 0
        else:
            last = int(before["timeUnixNano"])
            if time <= last or began < last:
                raise DeltaProblem("it overlaps a delta that came before it")
            total, held = _ADD[kind](before, _restarted(point, began, time)), _weight(key, before)
        more = _weight(key, total) - held
        if more > 0:
            self._evict(time, more, key)
        self._growth += more
        self._changed[key] = total
        return total

    def try_turn(self, timeout_s: float = 0.05) -> bool:
        """Wait up to `timeout_s` for the lock; return whether the request holds it."""
        if not self._holds_turn:
            self._holds_turn = self._turn.acquire(timeout=timeout_s)
        return self._holds_turn

    def _evict(self, now: int, wanted: int, key: Key) -> None:
        """Make space for a weight of the sum of a key."""
        while self._all.weight + self._growth + wanted > self._most_series:
            oldest = self._oldest_unchanged()
            vain = wanted > self._most_series or oldest == key
            if vain or oldest is None or self._is_recent(oldest, now):
                raise DeltaProblem(
                    f"sums of {self._most_series} series are held, which is the limit"
                )
            self._changed[oldest] = None
            self._growth -= _weight(oldest, self._sums[oldest])

    def _is_recent(self, key: Key, now: int) -> bool:
        return int(self._sums[key]["timeUnixNano"]) > now - _LIFETIME_NS

    def _oldest_unchanged(self) -> Key | None:
        if self._by_age is None:
            self._by_age = iter(self._sums)  # unchanged while this request holds the lock
            self._oldest = next(self._by_age, None)
        while self._oldest in self._changed:
            self._oldest = next(self._by_age, None)
        return self._oldest

    def commit(self) -> None:
        """Store the changed sums, after the points are stored."""
        for key, total in self._changed.items():
            self._sums.pop(key, None)
            if total is not None:
                self._sums[key] = total
        self._all.weight += self._growth
        self._growth = 0

    def leave(self) -> None:
        """Release the lock."""
        if self._holds_turn:
            self._holds_turn = False
            self._turn.release()


def _weight(key: Key, total: Message) -> int:
    """The number of usual sums that take as much memory."""
    labels = sum(len(name) + len(value) for name, value in key[2])
    buckets = len(total.get("bucketCounts", ())) + len(total.get("explicitBounds", ()))
    return 1 + (labels + _BUCKET_BYTES * buckets) // _SUM_BYTES


def _numbers(before: Message, point: Message) -> Message:
    total: Message = {**point, "startTimeUnixNano": before["startTimeUnixNano"]}
    if "asInt" in before and "asInt" in point:
        total["asInt"] = int(before["asInt"]) + int(point["asInt"])
        return total
    total.pop("asInt", None)
    total["asDouble"] = _number(before) + _number(point)
    return total


def _number(point: Message) -> float:
    return float_of(point["asDouble"]) if "asDouble" in point else float(int(point.get("asInt", 0)))


def _histograms(before: Message, point: Message) -> Message:
    """Add histograms. A change of bounds begins a new sum."""
    bounds = [float_of(bound) for bound in point.get("explicitBounds", ())]
    if bounds != [float_of(bound) for bound in before.get("explicitBounds", ())]:
        return point
    counts, more = before.get("bucketCounts", ()), point.get("bucketCounts", ())
    if len(counts) != len(more):
        return point
    total = _totals(before, point)
    total["bucketCounts"] = [int(a) + int(b) for a, b in zip(counts, more, strict=True)]
    return total


def _exponential(before: Message, point: Message) -> Message:
    """Add exponential histograms in the coarser of the two resolutions. A change of the zero
    threshold begins a new sum."""
    if float_of(before.get("zeroThreshold", 0)) != float_of(point.get("zeroThreshold", 0)):
        return point
    scale = min(int(before.get("scale", 0)), int(point.get("scale", 0)))
    sides: dict[str, dict[int, int]] = {}
    for side in ("positive", "negative"):
        sides[side] = buckets(before, side, scale)
        for number, count in buckets(point, side, scale).items():
            sides[side][number] = sides[side].get(number, 0) + count
    while any(_width(side) > _MOST_BUCKETS for side in sides.values()):
        scale -= 1
        if scale < MIN_SCHEMA:
            raise DeltaProblem("its buckets and those before lie too far apart")
        sides = {name: _halved(side) for name, side in sides.items()}
    total = _totals(before, point)
    total["scale"] = scale
    total["zeroCount"] = int(before.get("zeroCount", 0)) + int(point.get("zeroCount", 0))
    for name, found in sides.items():
        first = min(found, default=0)
        counts = [0] * _width(found)
        for number, count in found.items():
            counts[number - first] = count
        total[name] = {"offset": first, "bucketCounts": counts}
    return total


def buckets(point: Message, side: str, scale: int) -> dict[int, int]:
    """Counts of the buckets of a side, `positive` or `negative`, in a scale that is not finer.

    OTLP numbers a bucket by its lower bound.
    """
    given = point.get(side, {})
    finer = int(point.get("scale", 0)) - scale
    offset = int(given.get("offset", 0))
    found: dict[int, int] = {}
    for place, count in enumerate(given.get("bucketCounts", ())):
        if int(count):
            number = (offset + place) >> finer
            found[number] = found.get(number, 0) + int(count)
    return found


def _halved(side: dict[int, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for number, count in side.items():
        found[number >> 1] = found.get(number >> 1, 0) + count
    return found


def _width(side: dict[int, int]) -> int:
    return max(side) - min(side) + 1 if side else 0


def _totals(before: Message, point: Message) -> Message:
    """Add count and sum. If one of the points has no sum, the total has none."""
    total: Message = {**point, "startTimeUnixNano": before["startTimeUnixNano"]}
    total["count"] = int(before.get("count", 0)) + int(point.get("count", 0))
    total.pop("sum", None)
    if "sum" in before and "sum" in point:
        total["sum"] = float_of(before["sum"]) + float_of(point["sum"])
    return total


def _restarted(point: Message, began: int, time: int) -> Message:
    """The fields of a point that a sum needs; the first point of a sum is the sum itself."""
    summed = {key: point[key] for key in _SUMMED_FIELDS if key in point}
    return summed | {"startTimeUnixNano": began, "timeUnixNano": time}


_ADD = {"sum": _numbers, "histogram": _histograms, "exponentialHistogram": _exponential}
