"""OTLP points of delta temporality → cumulative ones, by sums that are kept for each series.

A delta says what happened between its start and its time. It is added to what its series had
before; the start of the series' first delta stays the start of the sum. A delta that begins before
the last one ended has been counted, at least in part, and is rejected; after a gap the sum goes on.
Where a sum is not known any more (a restart of the server, a series unheard of for long), it
begins anew, which readers see by its start timestamp.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from novaql.server.ingest.otlp_messages import Message
from novaql.tsdb import MIN_SCHEMA

Key = tuple[str, str, frozenset[tuple[str, str]]]
_MOST_BUCKETS = 640
_SUMMED_FIELDS = (
    "timeUnixNano", "asInt", "asDouble", "count", "sum", "bucketCounts", "explicitBounds",
    "scale", "zeroCount", "zeroThreshold", "positive", "negative",
)  # fmt: skip
_LIFETIME_NS = 3600 * 10**9


class DeltaProblem(ValueError):
    """The point cannot be added to its series."""


class TurnNeeded(Exception):
    """The point is a delta, and the request does not have its turn yet."""


class DeltaSums:
    """The sums of one store.

    most_series  how many are kept; one that nothing was added to for an hour, by the times of the
                 points, gives way to a new one, and then new ones are rejected
    """

    def __init__(self, *, most_series: int) -> None:
        self._most_series = most_series
        self._sums: OrderedDict[Key, Message] = OrderedDict()  # the one added to last stands last
        self._turn = threading.Lock()

    def __len__(self) -> int:
        return len(self._sums)

    def begin(self) -> DeltaRequest:
        """A request that does not wait for its turn, but raises `TurnNeeded`.

        It ends with `leave`; before that `commit` if its points are stored.
        """
        return DeltaRequest(self._sums, self._most_series, self._turn)

    @contextmanager
    def request(self) -> Iterator[DeltaRequest]:
        """The points of one request, which are forgotten if the block ends in an error.

        Requests with deltas wait for each other; others do not.
        """
        request = self.begin()
        request.waits = True
        try:
            yield request
            request.commit()
        finally:
            request.leave()


class DeltaRequest:
    """Sums as they are after the points of a request, until it is known that those are stored."""

    def __init__(
        self, sums: OrderedDict[Key, Message], most_series: int, turn: threading.Lock
    ) -> None:
        self._sums = sums
        self._most_series = most_series
        self._turn = turn
        self._holds_turn = False
        self.waits = False
        self._changed: dict[Key, Message | None] = {}  # None: not kept any more
        self._growth = 0
        self._by_age: Iterator[Key] | None = None
        self._oldest: Key | None = None

    def cumulative(self, key: Key, kind: str, point: Message) -> Message:
        """The point as a cumulative one.

        Raises `DeltaProblem` and `TurnNeeded`; nothing is added then.

        kind  sum, histogram or exponentialHistogram
        """
        if not self._holds_turn:
            if not self.waits:
                raise TurnNeeded
            self._turn.acquire()
            self._holds_turn = True
        time = int(point.get("timeUnixNano", 0))
        began = int(point.get("startTimeUnixNano", 0)) or time
        if began > time:
            raise DeltaProblem("it starts behind its own time")
        before = self._changed[key] if key in self._changed else self._sums.get(key)
        if int(point.get("flags", 0)) & 1:  # the series has ended
            self._growth -= before is not None
            self._changed[key] = None
            return point
        if before is None:
            self._evict(time)
            total = _restarted(point, began)
            self._growth += 1
        else:
            last = int(before["timeUnixNano"])
            if time <= last or began < last:
                raise DeltaProblem("it overlaps a delta that came before it")
            total = _ADD[kind](before, _restarted(point, began))
        self._changed[key] = total
        return total

    def try_turn(self, timeout_s: float = 0.05) -> bool:
        """Whether the request has its turn, perhaps after waiting for it a little."""
        if not self._holds_turn:
            self._holds_turn = self._turn.acquire(timeout=timeout_s)
        return self._holds_turn

    def _evict(self, now: int) -> None:
        if len(self._sums) + self._growth < self._most_series:
            return
        oldest = self._oldest_unchanged()
        if oldest is None or int(self._sums[oldest]["timeUnixNano"]) > now - _LIFETIME_NS:
            raise DeltaProblem(f"sums of {self._most_series} series are kept, which is the limit")
        self._changed[oldest] = None
        self._growth -= 1

    def _oldest_unchanged(self) -> Key | None:
        if self._by_age is None:
            self._by_age = iter(self._sums)  # which do not change while the request has its turn
            self._oldest = next(self._by_age, None)
        while self._oldest in self._changed:
            self._oldest = next(self._by_age, None)
        return self._oldest

    def commit(self) -> None:
        """The points are stored."""
        for key, total in self._changed.items():
            self._sums.pop(key, None)
            if total is not None:
                self._sums[key] = total

    def leave(self) -> None:
        """Let the next request in."""
        if self._holds_turn:
            self._holds_turn = False
            self._turn.release()


def _numbers(before: Message, point: Message) -> Message:
    total: Message = {**point, "startTimeUnixNano": before["startTimeUnixNano"]}
    if "asInt" in before and "asInt" in point:
        total["asInt"] = int(before["asInt"]) + int(point["asInt"])
        return total
    total.pop("asInt", None)
    total["asDouble"] = _number(before) + _number(point)
    return total


def _number(point: Message) -> float:
    return _float(point["asDouble"]) if "asDouble" in point else float(int(point.get("asInt", 0)))


def _histograms(before: Message, point: Message) -> Message:
    """A histogram with other bounds begins anew."""
    bounds = [_float(bound) for bound in point.get("explicitBounds", ())]
    if bounds != [_float(bound) for bound in before.get("explicitBounds", ())]:
        return point
    counts, more = before.get("bucketCounts", ()), point.get("bucketCounts", ())
    if len(counts) != len(more):
        return point
    total = _totals(before, point)
    total["bucketCounts"] = [int(a) + int(b) for a, b in zip(counts, more, strict=True)]
    return total


def _exponential(before: Message, point: Message) -> Message:
    """In the coarser resolution of the two. One with another zero threshold begins anew."""
    if _float(before.get("zeroThreshold", 0)) != _float(point.get("zeroThreshold", 0)):
        return point
    scale = min(int(before.get("scale", 0)), int(point.get("scale", 0)))
    sides: dict[str, dict[int, int]] = {}
    for side in ("positive", "negative"):
        sides[side] = _buckets(before, side, scale)
        for number, count in _buckets(point, side, scale).items():
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


def _buckets(point: Message, side: str, scale: int) -> dict[int, int]:
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
    """Count and sum. A sum that one of the two does not know is not known."""
    total: Message = {**point, "startTimeUnixNano": before["startTimeUnixNano"]}
    total["count"] = int(before.get("count", 0)) + int(point.get("count", 0))
    total.pop("sum", None)
    if "sum" in before and "sum" in point:
        total["sum"] = _float(before["sum"]) + _float(point["sum"])
    return total


def _restarted(point: Message, began: int) -> Message:
    """What is kept of a point, as the first of a sum."""
    return {key: point[key] for key in _SUMMED_FIELDS if key in point} | {
        "startTimeUnixNano": began
    }


def _float(value: Any) -> float:
    return float({"Infinity": "inf", "-Infinity": "-inf"}.get(str(value), value))


_ADD = {"sum": _numbers, "histogram": _histograms, "exponentialHistogram": _exponential}
