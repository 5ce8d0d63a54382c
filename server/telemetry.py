"""The server's own metrics."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from novaql.text import number_text

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)


_MAX_BUFFERED = 100_000


class Observation(NamedTuple):
    """One answered request. refused: the reason for which the server rejected it; "": none"""

    route: str
    method: str
    status: int
    seconds: float
    refused: str = ""


class Telemetry:
    """Metrics of one server, in their own registry."""

    def __init__(self, version: str, store_stats: Callable[[], Mapping[str, float]]) -> None:
        self._registry = CollectorRegistry()
        self._buffer: deque[Observation] | None = None
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(_StoreStats(store_stats))
        counter = partial(Counter, registry=self._registry)
        self._requests = counter(
            "novaql_http_requests",
            "HTTP requests by route and status code.",
            ["route", "method", "code"],
        )
        self._latency = Histogram(
            "novaql_http_request_duration_seconds",
            "Time from the request's head to the answer's end.",
            ["route"],
            buckets=_LATENCIES,
            registry=self._registry,
        )
        self.query_samples = counter("novaql_query_samples", "Samples read by queries.")
        self.queries = counter("novaql_queries", "Queries by outcome.", ["outcome"])
        self.query_overruns = counter(
            "novaql_query_overruns",
            "Queries on the event loop that were larger or slower than their last run.",
        )
        self.queries_running = Gauge(
            "novaql_queries_running", "Queries that run or wait.", registry=self._registry
        )
        self._refused = counter(
            "novaql_refused_requests",
            "Requests refused before they did anything, by reason.",
            ["reason"],
        )
        self.jobs = counter("novaql_jobs", "Jobs by kind and outcome.", ["kind", "outcome"])
        self.ingested_samples = counter("novaql_ingested_samples", "Samples stored.")
        build = Gauge("novaql_build_info", "Always 1.", ["version"], registry=self._registry)
        build.labels(version).set(1)

    def count(self, seen: Observation) -> None:
        """Count one answered request."""
        if self._buffer is not None:
            self._buffer.append(seen)
            return
        what = seen[:3]
        known = self._children.get(what)
        if known is None:
            known = self._children[what] = (
                self._requests.labels(seen.route, seen.method, str(seen.status)),
                self._latency.labels(seen.route),
            )
        requests, latency = known
        requests.inc()
        latency.observe(seen.seconds)
        if seen.refused:
            self._refused.labels(seen.refused).inc()

    def buffer_observations(self) -> None:
        """From now on, buffer observations for `take_observations`; another process counts them."""
        self._buffer = deque(maxlen=_MAX_BUFFERED)

    def take_observations(self) -> list[Observation]:
        """Return and clear the buffered observations."""
        buffered = self._buffer
        return [] if buffered is None else [buffered.popleft() for _ in range(len(buffered))]

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def families(self) -> list[dict[str, Any]]:
        """All metrics as data: name, help, type, unit and samples of each."""
        return [
            {
                "name": family.name,
                "help": family.documentation,
                "type": family.type,
                "unit": family.unit,
                "samples": [
                    {"name": s.name, "labels": s.labels, "value": number_text(float(s.value))}
                    for s in family.samples
                ],
            }
            for family in self._registry.collect()
        ]


class _StoreStats(Collector):
    def __init__(self, read: Callable[[], Mapping[str, float]]) -> None:
        self._read = read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, value in self._read().items():
            yield GaugeMetricFamily(f"novaql_tsdb_{name}", f"{name} of the store.", value)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        return iter(())
