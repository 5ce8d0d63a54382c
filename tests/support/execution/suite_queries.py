"""The queries of `benchmarks.suite`, and data of a small store for them.

Values are not multiples of a common number, so that a sum in another order differs in its last
bits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from novaql.options import QueryOptions
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.samples import STALE, Batch, Floats

INTERVAL_MS, SAMPLES = 15_000, 320
START_MS = 1_767_225_600_000
END_MS = START_MS + INTERVAL_MS * SAMPLES
BOUNDS = ("0.05", "0.1", "0.5", "1", "5", "+Inf")

_HALF_HOUR = END_MS - 1_800_000
RANGE = QueryOptions(_HALF_HOUR, END_MS, 60_000)
FINE = QueryOptions(_HALF_HOUR, END_MS, 15_000)
COARSE = QueryOptions(_HALF_HOUR, END_MS, 300_000)
INSTANT = QueryOptions(END_MS, END_MS)

QUERIES: dict[str, tuple[str, QueryOptions]] = {
    "raw-1-series": ('http_requests_total{instance="web-00",method="GET",status="200"}', FINE),
    "raw-instance": ('{instance="web-00"}', RANGE),
    "raw-job": ('http_requests_total{job="search"}', RANGE),
    "sum-rate": ("sum(rate(http_requests_total[5m]))", RANGE),
    "sum-rate-fine": ("sum(rate(http_requests_total[5m]))", FINE),
    "sum-by-rate": ("sum by (job, status) (rate(http_requests_total[5m]))", RANGE),
    "sum-by-rate-instant": ("sum by (job) (rate(http_requests_total[5m]))", INSTANT),
    "cpu-util": ('1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))', RANGE),
    "cpu-modes": ("sum by (mode) (rate(node_cpu_seconds_total[5m]))", RANGE),
    "avg-over-time": ("avg_over_time(node_load1[10m])", RANGE),
    "max-over-time": ("max_over_time(node_memory_MemAvailable_bytes[1h])", RANGE),
    "max-of-max": ("max by (instance) (max_over_time(node_hwmon_temp_celsius[1h]))", RANGE),
    "sum-of-max": ("sum by (job) (max_over_time(http_requests_total[1h]))", COARSE),
    "quantile-over-time": ("quantile_over_time(0.95, node_load1[1h])", RANGE),
    "predict-linear": ("predict_linear(node_filesystem_avail_bytes[1h], 4 * 3600)", RANGE),
    "hist-quantile": (
        "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
        RANGE,
    ),
    "hist-quantile-by-handler": (
        "histogram_quantile(0.9, "
        "sum by (handler, job, le) (rate(http_request_duration_seconds_bucket[5m])))",
        RANGE,
    ),
    "hist-mean": (
        "sum by (handler) (rate(http_request_duration_seconds_sum[5m])) / "
        "sum by (handler) (rate(http_request_duration_seconds_count[5m]))",
        RANGE,
    ),
    "topk-instances": ("topk(5, sum by (instance) (rate(http_requests_total[5m])))", RANGE),
    "topk-instant": ("topk(10, rate(http_requests_total[5m]))", INSTANT),
    "error-ratio": (
        'sum by (job) (rate(http_requests_total{status=~"5.."}[5m])) / '
        "sum by (job) (rate(http_requests_total[5m]))",
        RANGE,
    ),
    "mem-used": (
        "1 - node_memory_MemAvailable_bytes / on (instance) node_memory_MemTotal_bytes",
        RANGE,
    ),
    "group-left": (
        'rate(node_cpu_seconds_total{mode=~"user|system"}[5m]) '
        "* on (instance) group_left (nodename, rack) node_uname_info",
        COARSE,
    ),
    "load-per-cpu": (
        "node_load1 / on (instance) "
        'count by (instance) (node_cpu_seconds_total{mode="idle"}) > 0.5',
        RANGE,
    ),
    "regex": (
        "sum by (status) (rate(http_requests_total"
        '{instance=~".*-0[0-2]",method=~"P.*",status!~"2.."}[5m]))',
        RANGE,
    ),
    "regex-name": ('count by (__name__) ({__name__=~"node_.*_bytes|container_.+"})', INSTANT),
    "churn-count": ("count by (namespace) (container_memory_working_set_bytes)", RANGE),
    "churn-sum-rate": (
        "sum by (namespace) (rate(container_cpu_usage_seconds_total[5m]))",
        RANGE,
    ),
    "churn-count-by-pod": ('count(count by (pod) (last_over_time({job="kubelet"}[6h])))', INSTANT),
    "churn-active": ('sum by (node) (count by (node, pod) ({job="kubelet"}))', RANGE),
    "subquery-max": ("max_over_time(sum by (job) (rate(http_requests_total[5m]))[1h:1m])", COARSE),
    "subquery-quantile": (
        'quantile_over_time(0.9, rate(node_cpu_seconds_total{mode="user"}[5m])[6h:1m])',
        INSTANT,
    ),
    # Not in the suite: other aggregations and functions that add values.
    "min-negated": ("min by (job) (-rate(http_requests_total[2m]))", RANGE),
    "group-filtered": ("group by (job) (http_requests_total > 50000)", RANGE),
    "avg-by": ("avg by (job) (node_load1)", RANGE),
    "stddev": ("stddev by (job) (node_load1)", RANGE),
    "stdvar-rate": ("stdvar(rate(http_requests_total[5m]))", RANGE),
    "sum-over-time": ("sum_over_time(node_load1[20m])", RANGE),
    "stddev-over-time": ("stddev_over_time(node_load1[20m])", RANGE),
    "deriv": ("deriv(node_filesystem_avail_bytes[30m])", RANGE),
    "sum-cancelling": ("sum(balance)", RANGE),
    "sum-over-time-cancelling": ("sum(sum_over_time(balance[10m]))", RANGE),
}

Labels = dict[str, str]
_ABSENT = np.array(np.nan).view(np.int64)


def data() -> Batch:
    """Every sample, series after series."""
    random = np.random.default_rng(20260101)
    labels, times, values = [], [], []
    phases: dict[str, int] = {}
    for one, of_one in _series(random):
        target = one.get("instance", one.get("pod", ""))  # all series of a target have its times
        phase = phases.setdefault(target, int(random.integers(1, INTERVAL_MS)))
        moments = START_MS + phase + np.arange(SAMPLES, dtype=np.int64) * INTERVAL_MS
        there = (of_one.view(np.int64) != _ABSENT) | ~np.isnan(of_one)
        labels.append(one)
        times.append(moments[there])
        values.append(of_one[there])
    rows = np.repeat(np.arange(len(labels)), [len(some) for some in times])
    return Batch(
        SeriesTable.from_dicts(labels), rows, np.concatenate(times), np.concatenate(values)
    )


def _series(random: np.random.Generator) -> Iterator[tuple[Labels, Floats]]:
    """Labels, and a value at every scrape; the usual NaN where there is no sample."""
    for number, job in enumerate(("search", "orders", "web", "search", "web", "orders")):
        place = {"job": job, "instance": f"{job}-0{number // 3}"}
        yield from _requests(random, place)
        yield from _node(random, {"job": "node", "instance": f"node-{number}"})
    for number in range(24):
        yield from _container(random, number)
    for number in range(40):  # inexact sums of these lose digits
        sign, size = (-1) ** number, 10.0 ** (3 * (number // 2 % 9))
        yield {"__name__": "balance", "n": f"{number:02}"}, sign * size * random.random(SAMPLES)


def _requests(random: np.random.Generator, place: Labels) -> Iterator[tuple[Labels, Floats]]:
    for method in ("GET", "POST", "PUT"):
        for status in ("200", "404", "500"):
            name = {"__name__": "http_requests_total", "method": method, "status": status}
            yield {**name, **place}, _counter(random)
    for handler in ("/", "/login"):
        growing = np.cumsum([_counter(random) for _ in BOUNDS], axis=0)
        metric = "http_request_duration_seconds"
        labels = {**place, "handler": handler}
        for bound, row in zip(BOUNDS, growing, strict=True):
            yield {"__name__": f"{metric}_bucket", "le": bound, **labels}, row
        yield {"__name__": f"{metric}_count", **labels}, growing[-1]
        yield {"__name__": f"{metric}_sum", **labels}, _counter(random)


def _node(random: np.random.Generator, place: Labels) -> Iterator[tuple[Labels, Floats]]:
    for cpu in ("0", "1"):
        for mode in ("idle", "user", "system"):
            name = {"__name__": "node_cpu_seconds_total", "cpu": cpu, "mode": mode}
            yield {**name, **place}, _counter(random)
    yield {"__name__": "node_load1", **place}, random.lognormal(0, 1, SAMPLES)
    yield {"__name__": "node_memory_MemAvailable_bytes", **place}, random.uniform(1e9, 9e9, SAMPLES)
    yield {"__name__": "node_memory_MemTotal_bytes", **place}, np.full(SAMPLES, 16.1e9)
    for sensor in ("0", "1"):
        name = {"__name__": "node_hwmon_temp_celsius", "sensor": sensor}
        yield {**name, **place}, random.normal(50, 5, SAMPLES)
        name = {"__name__": "node_filesystem_avail_bytes", "device": sensor}
        yield {**name, **place}, 5e11 - _counter(random) * 1e7
    info = {"__name__": "node_uname_info", "nodename": place["instance"], "rack": "r1"}
    yield {**info, **place}, np.ones(SAMPLES)


def _container(random: np.random.Generator, number: int) -> Iterator[tuple[Labels, Floats]]:
    """A pod that comes and goes, with a staleness marker at its end."""
    place = {
        "job": "kubelet",
        "namespace": f"ns-{number % 4}",
        "pod": f"pod-{number:02}",
        "node": f"node-{number % 3}",
    }
    first = int(random.integers(0, SAMPLES - 40))
    end = int(random.integers(first + 20, SAMPLES))
    for name in ("container_memory_working_set_bytes", "container_cpu_usage_seconds_total"):
        values = np.full(SAMPLES, np.nan)
        values[first:end] = _counter(random)[first:end]
        values[end] = STALE
        yield {"__name__": name, **place}, values


def _counter(random: np.random.Generator) -> Floats:
    """Fractional steps from a fractional start, with a reset now and then."""
    values = random.uniform(0, 1e5) + np.cumsum(random.lognormal(0, 1, SAMPLES))
    if random.random() < 0.3:
        at = int(random.integers(1, SAMPLES))
        values[at:] -= values[at]
    return values


def part_of(batch: Batch, taken: Ints) -> Batch:
    """Some samples of a batch."""
    return Batch(
        batch.series, batch.series_index[taken], batch.timestamps[taken], batch.values[taken]
    )
