"""OTLP over real HTTP: a server in a separate process, and its CPU seconds, beside VictoriaMetrics.

    python -m benchmarks.otlp_http                  NovaQL and VictoriaMetrics take turns
    python -m benchmarks.otlp_http --gzip           compressed, as the collector sends by default

An export is one service's: gauges, counters and classic histograms with attributes. The exports are
made before the clock starts, and sent over one connection. CPU is read from the operating system
when the last export is acknowledged.
"""

from __future__ import annotations

import gzip
import http.client
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

import click
import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from benchmarks.ingest_http import cpu_seconds, settled
from tests.support.programs.prometheus_programs import free_port

_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]
_NUMBERS, _HISTOGRAMS, _SETS = 20, 4, 10
SAMPLES = _SETS * (_NUMBERS + _HISTOGRAMS * (len(_BOUNDS) + 3)) + 1
"""Samples of an export; the last one is that of its resource."""


def _attributes(**values: str) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in values.items()]


def export(service: int, step: int) -> bytes:
    """The export of one service at one step of 15 seconds, which ends now or before."""
    rng = np.random.default_rng([service, step])
    now = (int(time.time()) - 3600) * 10**9 + step * 15 * 10**9
    began = now - 10**13
    made = ExportMetricsServiceRequest()
    of_resource = made.resource_metrics.add()
    of_resource.resource.attributes.extend(
        _attributes(
            **{"service.name": "shop", "service.instance.id": f"pod-{service:04d}"},
            **{"k8s.namespace.name": "production", "cloud.region": "eu-central-1"},
        )
    )
    scope = of_resource.scope_metrics.add()
    scope.scope.name = "benchmark"
    sets = [
        _attributes(
            **{"http.request.method": "GET", "http.route": f"/v1/items/{at}"},
            **{"server.address": "shop.example", "http.response.status_code": "200"},
        )
        for at in range(_SETS)
    ]
    for number in range(_NUMBERS):
        metric = scope.metrics.add(name=f"app.metric.{number}", unit="1", description="A number.")
        if number % 2:
            metric.sum.aggregation_temporality = _CUMULATIVE
            metric.sum.is_monotonic = True
        data = metric.sum if number % 2 else metric.gauge
        for at in range(_SETS):
            point = data.data_points.add(
                attributes=sets[at], time_unix_nano=now, start_time_unix_nano=began
            )
            if number % 2:
                point.as_int = step * 100 + at
            else:
                point.as_double = rng.random()
    for number in range(_HISTOGRAMS):
        metric = scope.metrics.add(name=f"http.duration.{number}", unit="s", description="Times.")
        metric.histogram.aggregation_temporality = _CUMULATIVE
        for at in range(_SETS):
            counts = rng.integers(0, 50, len(_BOUNDS) + 1) + step * 20
            metric.histogram.data_points.add(
                attributes=sets[at], time_unix_nano=now, start_time_unix_nano=began,
                count=int(counts.sum()), sum=float(counts.sum() * 0.1), min=0.001, max=7.0,
                bucket_counts=counts.tolist(), explicit_bounds=_BOUNDS,
            )  # fmt: skip
    return made.SerializeToString()


class _Server(NamedTuple):
    pid: int
    port: int
    path: str


@contextmanager
def _novaql(folder: str) -> Iterator[_Server]:
    command = [
        sys.executable, "-m", "novaql", "serve", "--no-auth", "--data", folder,
        "--listen", "127.0.0.1:0", "--log-level", "warning",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", server.stdout.readline())
        assert found is not None
        try:
            yield _Server(server.pid, int(found[1]), "/prometheus/api/v1/otlp/v1/metrics")
        finally:
            server.terminate()


@contextmanager
def _victoria(folder: str) -> Iterator[_Server]:
    program = shutil.which("victoria-metrics")
    if program is None:
        raise click.ClickException("install the package victoria-metrics")
    port = free_port()
    command = [
        program, f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}",
        "-opentelemetry.usePrometheusNaming", "-loggerLevel=ERROR",
    ]  # fmt: skip
    with subprocess.Popen(command) as server:
        try:
            _wait_until_ready(port)
            yield _Server(server.pid, port, "/opentelemetry/v1/metrics")
        finally:
            server.terminate()


def _wait_until_ready(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise click.ClickException("VictoriaMetrics does not start")


_SYSTEMS = {"NovaQL": _novaql, "VictoriaMetrics": _victoria}


def measure(system: str, bodies: list[bytes], *, compressed: bool) -> float:
    """Million samples for each CPU second of a fresh server."""
    headers = {"Content-Type": "application/x-protobuf"}
    if compressed:
        headers["Content-Encoding"] = "gzip"
    with tempfile.TemporaryDirectory() as folder, _SYSTEMS[system](folder) as server:
        before = settled(server.pid)
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        for body in bodies:
            connection.request("POST", server.path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status not in (200, 204) or said:
                raise click.ClickException(f"{system}: {answer.status} {said[:200]!r}")
        used = cpu_seconds(server.pid) - before
        connection.close()
    return SAMPLES * len(bodies) / used / 1e6


@click.command()
@click.option("--services", default=50, show_default=True)
@click.option("--steps", default=60, show_default=True)
@click.option("--rounds", default=7, show_default=True)
@click.option("--gzip", "compressed", is_flag=True, help="Compress the exports.")
def main(services: int, steps: int, rounds: int, compressed: bool) -> None:
    """Measure both systems in turn."""
    bodies = [export(service, step) for step in range(steps) for service in range(services)]
    click.echo(f"{len(bodies)} exports of {len(bodies[0])} bytes, {SAMPLES} samples each")
    if compressed:
        bodies = [gzip.compress(body, 5) for body in bodies]
    rates: dict[str, list[float]] = {system: [] for system in _SYSTEMS}
    for _ in range(rounds):
        for system, found in rates.items():
            found.append(measure(system, bodies, compressed=compressed))
    for system, found in rates.items():
        shown = ", ".join(f"{rate:.2f}" for rate in sorted(found))
        click.echo(f"{system}: {median(found):.2f} M samples per CPU-second ({shown})")


if __name__ == "__main__":
    main()
