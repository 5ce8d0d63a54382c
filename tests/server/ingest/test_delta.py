"""Delta points of OTLP: sums against adding them up here; overlaps, restarts, bounded memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.errors import InputError
from novaql.inputs.label_limits import USUAL_LIMITS
from novaql.server.auth.roles import Role
from novaql.server.ingest.delta import DeltaProblem, DeltaRequest, DeltaSums
from novaql.server.ingest.otlp import Converted, convert
from novaql.tsdb.model.samples import is_stale
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.store.failures import FailingAppends

S = 10**9
Point = dict[str, Any]


def sum_of(*points: Point, monotonic: bool = True, temporality: int = 1) -> dict[str, Any]:
    data = {
        "dataPoints": list(points),
        "aggregationTemporality": temporality,
        "isMonotonic": monotonic,
    }
    return request_of({"name": "work", "sum": data})


def request_of(metric: dict[str, Any]) -> dict[str, Any]:
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}


def at(start: int, end: int, **values: Any) -> Point:
    return {"startTimeUnixNano": str(start * S), "timeUnixNano": str(end * S), **values}


@contextmanager
def request_to(sums: DeltaSums) -> Iterator[DeltaRequest]:
    """A request that holds the lock. An error discards its sums."""
    request = sums.begin()
    assert request.try_turn()
    try:
        yield request
        request.commit()
    finally:
        request.leave()


def taken(sums: DeltaSums, request: dict[str, Any]) -> Converted:
    with request_to(sums) as deltas:
        return convert(request, deltas, USUAL_LIMITS)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(0, 2**40)),
        min_size=1,
        max_size=12,
    )
)
def test_deltas_add_up_exactly(steps: list[tuple[int, int, int]]) -> None:
    """Whole numbers, with gaps between them, in one request or in many."""
    now, total, points, wanted = 1000, 0, [], []
    for gap, length, value in steps:
        start, now = now + gap, now + gap + length
        points.append(at(start, now, asInt=str(value)))
        total += value
        wanted.append((now * 1000, float(total)))
    first = 1000 + steps[0][0]
    for requests in ([points], [[point] for point in points]):
        sums = DeltaSums(most_series=5)
        found = [taken(sums, sum_of(*some)) for some in requests]
        samples = [sample for one in found for sample in one.samples]
        assert [(time, value) for _, time, value, _ in samples] == wanted
        assert {start for *_, start in samples} == {first * 1000}
        assert all(one.rejected == 0 for one in found)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 6),
            st.integers(-3, 3),
            st.lists(st.integers(0, 9), max_size=6),
            st.integers(0, 5),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_exponential_histograms_are_merged_in_the_coarsest_scale(
    parts: list[tuple[int, int, list[int], int]],
) -> None:
    sums = DeltaSums(most_series=5)
    every: list[tuple[int, int, int]] = []
    zeros = 0
    for number, (scale, offset, counts, zero) in enumerate(parts):
        point = at(number, number + 1, scale=scale, count=str(sum(counts) + zero), sum=1.5)
        point["positive"] = {"offset": offset, "bucketCounts": [str(c) for c in counts]}
        point["zeroCount"] = str(zero)
        data = {"dataPoints": [point], "aggregationTemporality": 1}
        found = taken(sums, request_of({"name": "size", "exponentialHistogram": data}))
        every += [(scale, offset + place, count) for place, count in enumerate(counts)]
        zeros += zero
        ((_, histogram, _),) = found.histograms
        coarsest = min(scale for scale, *_ in parts[: number + 1])
        wanted: dict[int, int] = {}
        for own, bucket, count in every:
            if count:
                place = (bucket >> (own - coarsest)) + 1
                wanted[place] = wanted.get(place, 0) + count
        assert histogram.schema == coarsest
        assert histogram.positive == sorted(wanted.items())
        assert histogram.count == sum(count for *_, count in every) + zeros
        assert histogram.zero_count == zeros
        assert histogram.sum == 1.5 * (number + 1)


def test_classic_histograms_add_up_and_begin_anew_with_other_bounds() -> None:
    sums = DeltaSums(most_series=5)

    def counts(start: int, bounds: list[float], buckets: list[str]) -> list[tuple[str, float]]:
        total = sum(map(int, buckets))
        point = at(start, start + 1, count=str(total), sum=2.0)
        point |= {"explicitBounds": bounds, "bucketCounts": buckets}
        data = {"dataPoints": [point], "aggregationTemporality": 1}
        found = taken(sums, request_of({"name": "lat", "unit": "s", "histogram": data}))
        return [
            (found.labels[row].get("le", found.labels[row]["__name__"]), value)
            for row, _, value, _ in found.samples
        ]

    assert counts(0, [1.0], ["1", "2"])[:2] == [("1", 1.0), ("+Inf", 3.0)]
    assert counts(1, [1.0], ["1", "2"]) == [
        ("1", 2.0),
        ("+Inf", 6.0),
        ("lat_seconds_sum", 4.0),
        ("lat_seconds_count", 6.0),
    ]
    assert counts(2, [2.0], ["1", "0"])[:2] == [("2", 1.0), ("+Inf", 1.0)]


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        (at(10, 20, asInt="1"), "overlaps"),  # sent twice
        (at(15, 25, asInt="1"), "overlaps"),
        (at(0, 5, asInt="1"), "overlaps"),
        (at(30, 25, asInt="1"), "starts behind its own time"),
    ],
)
def test_what_was_counted_already_is_rejected(point: Point, reason: str) -> None:
    sums = DeltaSums(most_series=5)
    taken(sums, sum_of(at(10, 20, asInt="7")))
    found = taken(sums, sum_of(point))
    assert (found.rejected, found.samples) == (1, [])
    assert reason in found.reason
    assert taken(sums, sum_of(at(20, 30, asInt="1"))).samples[0][2] == 8.0


def test_a_delta_without_a_time_is_one_of_1970() -> None:
    """Protobuf omits a time of 0."""
    sums = DeltaSums(most_series=1)
    assert taken(sums, sum_of({"asInt": "1"})).samples == [(0, 0, 1.0, 0)]
    assert "overlaps" in taken(sums, sum_of({"asInt": "1"})).reason
    other = {"asInt": "5", "attributes": [{"key": "a", "value": {"stringValue": "b"}}]}
    assert taken(sums, sum_of(at(0, 7200) | other)).samples[0][2] == 5.0  # evicts the first


def test_kinds_of_numbers_and_of_sums() -> None:
    sums = DeltaSums(most_series=5)
    taken(sums, sum_of(at(0, 1, asInt="-3"), monotonic=False))
    found = taken(sums, sum_of(at(1, 2, asDouble=0.5), monotonic=False))
    assert found.samples[0][2] == -2.5
    other = sum_of(at(1, 2, asInt="5", attributes=[{"key": "a", "value": {"stringValue": "b"}}]))
    assert taken(sums, other).samples[0][2] == 5.0
    assert taken(sums, sum_of(at(1, 2, asInt="5"), temporality=0)).rejected == 1


def test_a_series_that_ended_begins_anew() -> None:
    sums = DeltaSums(most_series=5)
    taken(sums, sum_of(at(0, 1, asInt="3")))
    ended = taken(sums, sum_of(at(1, 2, flags=1)))
    assert is_stale(np.array([ended.samples[0][2]])).all()
    again = taken(sums, sum_of(at(5, 6, asInt="4")))
    assert again.samples[0][1:] == (6000, 4.0, 5000)


def test_memory_is_bounded_and_old_series_give_way() -> None:
    sums = DeltaSums(most_series=2)

    def one(name: str, start: int) -> Converted:
        attributes = [{"key": "a", "value": {"stringValue": name}}]
        return taken(sums, sum_of(at(start, start + 1, asInt="1", attributes=attributes)))

    one("x", 0)
    one("y", 0)
    full = one("z", 10)
    assert (full.rejected, len(sums)) == (1, 2)
    assert "2 series are held, which is the limit" in full.reason
    assert one("x", 5000).samples[0][2] == 2.0
    assert one("z", 5001).rejected == 0  # y was last heard of more than an hour ago
    assert len(sums) == 2
    assert one("y", 5002).rejected == 1


def test_a_series_with_long_labels_or_many_buckets_counts_as_several() -> None:
    sums = DeltaSums(most_series=10)

    def rejected(name: str, start: int, **fields: Any) -> int:
        attributes = [{"key": "a", "value": {"stringValue": name}}]
        return taken(sums, sum_of(at(start, start + 1, attributes=attributes, **fields))).rejected

    def histogram(buckets: int, start: int) -> int:
        bounds, counts = list(range(buckets - 1)), ["1"] * buckets
        point = at(start, start + 1, count=str(buckets), sum=1)
        point |= {"explicitBounds": bounds, "bucketCounts": counts}
        data = {"dataPoints": [point], "aggregationTemporality": 1}
        return taken(sums, request_of({"name": "lat", "histogram": data})).rejected

    long = "x" * 15_000
    assert rejected(long, 0, asInt="1") == 0
    assert rejected(f"{long}y", 0, asInt="1") == 1
    assert [rejected(name, 0, asInt="1") for name in "abc"] == [0, 0, 1]
    assert rejected(long, 1, asInt="1") == 0
    assert rejected(long, 2, flags=1) == 0  # it ends
    assert histogram(100, 3) == 0
    assert histogram(1000, 4) == 1
    assert histogram(100, 4) == 0
    assert sums.weight == 2 + 1 + 100 * 128 // 2048
    assert rejected(f"{long}{long}", 9000, asInt="1") == 1  # more than all may have


def test_buckets_far_apart_are_rejected_not_laid_out() -> None:
    sums = DeltaSums(most_series=2)
    found: list[Converted] = []
    for number, offset in enumerate((-(2**31), 2**31 - 1)):
        point = at(number, number + 1, scale=0, count="1", sum=1)
        point["positive"] = {"offset": offset, "bucketCounts": ["1"]}
        data = {"dataPoints": [point], "aggregationTemporality": 1}
        found.append(taken(sums, request_of({"name": "size", "exponentialHistogram": data})))
    assert [each.rejected for each in found] == [0, 1]


def test_an_error_forgets_the_request() -> None:
    sums = DeltaSums(most_series=2)
    key = ("m", "sum", frozenset[tuple[str, str]]())

    def fails() -> None:
        with request_to(sums) as deltas:
            deltas.cumulative(key, "sum", at(0, 1, asInt=1))
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fails()
    assert len(sums) == 0
    with request_to(sums) as deltas, pytest.raises(DeltaProblem):
        deltas.cumulative(key, "sum", at(2, 1, asInt=1))


def export(server: LocalServer, request: dict[str, Any]) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | server.bearer(Role.OPERATOR)
    body = json.dumps(request)
    return server.client.post("/api/v1/otlp/v1/metrics", content=body, headers=headers)


@pytest.mark.slow
def test_a_request_that_is_sent_again_is_counted_once() -> None:
    """The store refuses the second request; the agent sends the same one again."""
    from novaql import tsdb  # noqa: PLC0415 - only here

    store = FailingAppends(tsdb.memory())
    with local_server(store) as server:  # type: ignore[arg-type]
        assert export(server, sum_of(at(1, 2, asInt="3"))).status_code == 200
        store.fails = True
        assert export(server, sum_of(at(2, 3, asInt="4"))).status_code == 503
        store.fails = False
        assert export(server, sum_of(at(2, 3, asInt="4"))).content == b"{}"
        partial = export(server, sum_of(at(2, 3, asInt="4"))).json()
        found = server.prometheus("query", query="work_total", time=3).json()["data"]["result"]
    assert partial["partialSuccess"]["rejectedDataPoints"] == "1"
    assert Fraction(found[0]["value"][1]) == 7


def exponential(start: int, scale: int) -> dict[str, Any]:
    point = at(start, start + 1, scale=scale, count="1", sum=1)
    point["positive"] = {"offset": 0, "bucketCounts": ["1"]}
    data = {"dataPoints": [point], "aggregationTemporality": 1}
    return request_of({"name": "size", "exponentialHistogram": data})


def test_a_point_that_is_rejected_is_not_in_the_sum() -> None:
    """One of a scale that cannot be stored made every later sum as coarse, so none was stored."""
    sums = DeltaSums(most_series=2)
    found = [taken(sums, exponential(n, scale)) for n, scale in enumerate((0, -30, 0))]
    assert [one.rejected for one in found] == [0, 1, 0]
    ((_, histogram, _),) = found[-1].histograms
    assert (histogram.schema, histogram.count) == (0, 2.0)


def test_a_refused_request_takes_no_series_from_the_sums() -> None:
    """A new series puts out the oldest one, but not before the request is stored."""
    sums = DeltaSums(most_series=1)

    def request(name: str, start: int, *more: Point) -> dict[str, Any]:
        attributes = [{"key": "a", "value": {"stringValue": name}}]
        return sum_of(at(start, start + 1, asInt="1", attributes=attributes), *more)

    assert taken(sums, request("x", 0)).rejected == 0
    with pytest.raises(InputError):
        taken(sums, request("y", 5000, {"timeUnixNano": "no time"}))
    assert taken(sums, request("x", 5001)).samples[0][2] == 2.0
    assert len(sums) == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=20))
def test_refused_requests_leave_the_sums_as_they_were(
    steps: list[tuple[str, bool, bool]],
) -> None:
    """Requests with a point at fault, or that end a series, between good ones; two sums of three
    may be kept."""
    tested, alone = DeltaSums(most_series=2), DeltaSums(most_series=2)
    for number, (name, broken, ended) in enumerate(steps):
        start = 4000 * number  # each is older than the lifetime of the others
        attributes = [{"key": "a", "value": {"stringValue": name}}]
        point = at(start, start + 1, asInt="1", attributes=attributes, flags=int(ended))
        if broken:
            with pytest.raises(InputError):
                taken(tested, sum_of(point, {"timeUnixNano": "no time"}))
            continue
        found, wanted = (taken(sums, sum_of(point)) for sums in (tested, alone))
        assert [repr(one) for one in found.samples] == [repr(one) for one in wanted.samples]
        assert found.rejected == wanted.rejected
        assert len(tested) == len(alone) <= 2
