"""A million active series for an hour, over HTTP: NovaQL beside VictoriaMetrics, and growth.

    python -m benchmarks.scale_up                                        10 000 and 1 000 000 series
    python -m benchmarks.scale_up --series 100000 --systems novaql
    python -m benchmarks.scale_up --series 1000000 --minutes 10          fewer samples of them

Each system is started with an empty folder and receives one sample a series every 15 seconds, all
series of an instant before those of the next, by remote write over two connections. Then each
query runs in turn on both, without caches of answers. The CPU seconds and the resident memory are
those of the servers' processes. The answers are compared: the number of series and of points, and
the sum of all values unless there is a rate, of which the two have different definitions.

Prints a JSON object for each number of series. Decides which work may grow with the series of a
store, and how much memory an active series may take.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.datasets import PER_TARGET, Fleet, target
from benchmarks.ingest_http import cpu_seconds, resident_mib, send
from benchmarks.senders import remote_write_messages
from benchmarks.suite.http_client import Connection, get_request
from benchmarks.suite.systems import Server
from tests.support.programs.prometheus_programs import free_port
from tests.support.programs.victoria_program import show_samples, victoria_program
from tests.support.servers.http_server import wait_until_ready

NOVAQL, VICTORIA = "novaql", "victoriametrics"
STEP_S = 60
RANGES = {
    "sum by": "sum by (job) (http_requests_total)",
    "sum by rate": "sum by (job) (rate(http_requests_total[5m]))",
    "topk": "topk(5, rate(http_requests_total[5m]))",
    "one instance": 'http_requests_total{instance="host-0007:8080"}',
}
RATES = ("sum by rate", "topk")
INSTANTS = {
    "count by": "count by (__name__) ({job!=''})",
    "topk instant": "topk(5, http_requests_total)",
}


@dataclass(slots=True)
class System:
    """A running server. prefix: of the paths of its Prometheus API."""

    name: str
    port: int
    pid: int
    prefix: str = ""

    def load(self, messages: Iterator[bytes], samples: int) -> dict[str, float]:
        """Send all messages; return the cost."""
        before, began = cpu_seconds(self.pid), time.perf_counter()
        send(messages, self.port)
        spent, wall = cpu_seconds(self.pid) - before, time.perf_counter() - began
        resident = resident_mib(self.pid)
        if self.name == VICTORIA:
            show_samples(f"http://127.0.0.1:{self.port}")
        return {
            "wall_s": round(wall, 1),
            "cpu_s": round(spent, 1),
            "m_samples_a_cpu_s": round(samples / spent / 1e6, 2),
            "end_mib": round(resident),
            "peak_mib": round(resident_mib(self.pid, "VmHWM")),
        }


@contextmanager
def _novaql(folder: Path) -> Iterator[System]:
    server = Server(folder / "data", folder / "log")
    server.start()
    try:
        yield System(NOVAQL, server.port, server.pid, "/prometheus")
    finally:
        server.stop()


@contextmanager
def _victoria(folder: Path) -> Iterator[System]:
    port = free_port()
    command = [
        victoria_program("victoria-metrics"),
        f"-storageDataPath={folder}/data",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
        "-search.maxUniqueTimeseries=3000000",
        "-search.maxQueryDuration=10m",
    ]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/health", process)
            yield System(VICTORIA, port, process.pid)
        finally:
            process.terminate()


_START = {NOVAQL: _novaql, VICTORIA: _victoria}


def _requests(system: System, end_s: float, minutes: int) -> Iterator[tuple[str, bytes]]:
    start_s = end_s - 60 * minutes
    host, api = f"127.0.0.1:{system.port}", f"{system.prefix}/api/v1"
    for name, query in RANGES.items():
        times = ("start", start_s + STEP_S), ("end", end_s), ("step", STEP_S)
        parameters = [("query", query), ("nocache", "1"), *times]
        yield name, get_request(host, f"{api}/query_range", parameters)
    for name, query in INSTANTS.items():
        parameters = [("query", query), ("nocache", "1"), ("time", end_s)]
        yield name, get_request(host, f"{api}/query", parameters)
    span = [("start", start_s), ("end", end_s)]
    yield "label values", get_request(host, f"{api}/label/instance/values", span)
    matched = [("match[]", 'http_requests_total{status="500",job="job-3"}'), *span]
    yield "series", get_request(host, f"{api}/series", matched)


def _summary(body: bytes) -> tuple[int, int, float]:
    """Series, points and the sum of the values of an answer; of others the number of elements."""
    data = json.loads(body)["data"]
    if isinstance(data, list):
        return len(data), 0, 0.0
    rows = data["result"]
    points = [point for row in rows for point in row.get("values", [row.get("value")])]
    return len(rows), len(points), float(np.sum([float(value) for _, value in points]))


def _queries(
    systems: Sequence[System], fleet: Fleet, rounds: int, closing: ExitStack
) -> dict[str, Any]:
    """Medians of milliseconds over HTTP, and whether the answers agree."""
    end_s, minutes = fleet.end_ms / 1000, round(60 * fleet.hours)
    connections = {}
    for system in systems:
        connection = closing.enter_context(contextlib.closing(Connection(system.port)))
        connections[system.name] = connection
    requests = [dict(_requests(system, end_s, minutes)) for system in systems]
    found: dict[str, Any] = {}
    for name in requests[0]:
        spent: dict[str, list[float]] = {system.name: [] for system in systems}
        answers: dict[str, tuple[int, int, float]] = {}
        for number in range(rounds + 1):
            for system, known in zip(systems, requests, strict=True):
                try:
                    answer = connections[system.name].ask(known[name])
                except ConnectionError as problem:
                    raise click.ClickException(f"{system.name}, {name}: {problem}") from problem
                if answer.status != 200:
                    raise click.ClickException(f"{system.name}, {name}: {answer.body[:300]!r}")
                if number == 0:
                    answers[system.name] = _summary(answer.body)
                else:
                    spent[system.name].append(1e3 * answer.seconds)
        first = next(iter(answers.values()))
        compared = 2 if name in RATES else 3
        agree = all(
            np.allclose(first[:compared], other[:compared], rtol=1e-6) for other in answers.values()
        )
        found[name] = {
            "series": first[0],
            "agree": agree,
            **{
                system: [round(statistics.median(ms), 2), round(min(ms), 2)]
                for system, ms in spent.items()
            },
        }
    return found


def _fleet(series: int, minutes: int) -> Fleet:
    hours, count = minutes / 60, max(1, series // PER_TARGET)
    return Fleet(tuple(target(number, hours) for number in range(count)), hours)


@click.command()
@click.option("--series", multiple=True, default=(10_000, 1_000_000), show_default=True)
@click.option("--systems", default=f"{NOVAQL},{VICTORIA}", show_default=True)
@click.option("--rounds", default=7, show_default=True)
@click.option("--minutes", default=60, show_default=True, help="Of a sample every 15 seconds.")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Where stores are made."
)
def main(
    series: tuple[int, ...], systems: str, rounds: int, minutes: int, folder: Path | None
) -> None:
    """Load and query; print a JSON object for each number of series."""
    for count in series:
        fleet = _fleet(count, minutes)
        place = Path(tempfile.mkdtemp(dir=folder))
        try:
            with ExitStack() as stack:
                running, loads = [], {}
                for name in systems.split(","):
                    (place / name).mkdir()
                    system = stack.enter_context(_START[name](place / name))
                    messages = remote_write_messages(fleet, together=1)
                    loads[name] = system.load(messages, fleet.samples)
                    running.append(system)
                time.sleep(10)  # both still process what they received
                answers = _queries(running, fleet, rounds, stack)
                after = {
                    system.name: {
                        "resident_mib": round(resident_mib(system.pid)),
                        "peak_mib": round(resident_mib(system.pid, "VmHWM")),
                    }
                    for system in running
                }
        finally:
            shutil.rmtree(place)
        shown = {"series": count, "minutes": minutes, "samples": fleet.samples, "load": loads}
        click.echo(json.dumps({**shown, "queries": answers, "after": after}))


if __name__ == "__main__":
    main()
