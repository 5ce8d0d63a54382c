"""Reject OTLP points that contradict themselves, before the server stores or sums them up."""

from __future__ import annotations

from collections.abc import Iterable

from novaql import InputError
from novaql.inputs import need_ascending, need_equal, need_zero_threshold
from novaql.server.ingest.otlp_values import Message, float_of, unrecorded
from novaql.tsdb import MIN_SCHEMA

_COUNTS = 1 << 64


def check_point(kind: str, point: Message) -> None:
    """Raises `InputError` for a histogram or summary that no sequence of observations has."""
    if kind in ("gauge", "sum"):
        return
    (whole,) = _counts([point.get("count", 0)])
    if kind == "histogram":
        counts = _classic(point)
    elif kind == "exponentialHistogram":
        counts = _exponential(point)
    else:
        counts = []
    if counts and not unrecorded(point):
        need_equal(whole, sum(counts), float_of(point.get("sum", 0)))


def _classic(point: Message) -> list[int]:
    """The counts of all buckets; none: the histogram is only a count and a sum."""
    bounds = [float_of(bound) for bound in point.get("explicitBounds", ())]
    counts = _counts(point.get("bucketCounts", ()))
    if counts and len(counts) != len(bounds) + 1:
        raise InputError(f"{len(counts)} buckets do not fit {len(bounds)} bounds")
    need_ascending(bounds)
    return counts


def _exponential(point: Message) -> list[int]:
    """The counts of all buckets, at least that of the zero bucket."""
    scale = int(point.get("scale", 0))
    if scale < MIN_SCHEMA:
        raise InputError(f"the scale {scale} is below {MIN_SCHEMA}")
    need_zero_threshold(float_of(point.get("zeroThreshold", 0)))
    found = _counts([point.get("zeroCount", 0)])
    for side in ("positive", "negative"):
        given = point.get(side, {})
        counts = _counts(given.get("bucketCounts", ()))
        offset = int(given.get("offset", 0))
        if not -(2**31) <= offset < 2**31 - len(counts):
            raise InputError(f"the offset {offset} of buckets is out of range")
        found += counts
    return found


def _counts(given: Iterable[int | str]) -> list[int]:
    """Numbers of observations, which are texts in JSON."""
    found = [int(count) for count in given]
    if found and not 0 <= min(found) <= max(found) < _COUNTS:
        raise InputError("a count is negative, or has more than 64 bits")
    return found
