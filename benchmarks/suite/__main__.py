"""Run the suite: prepare data, measure part after part, write results, page and charts.

Results are written after every query, so a later failure loses no measurements.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks import breadth, breadth_data, query_memory
from benchmarks.suite import chart, clients, growth, panel, report
from benchmarks.suite.facts import machine_facts
from benchmarks.suite.measuring import OverHttp, System, measure_queries, novaql_systems
from benchmarks.suite.peers import PeerBench
from benchmarks.suite.systems import Effort, InProcess, Server, open_dataset

PARTS = ("queries", "breadth", "panel", "clients", "memory", "growth")
CLIENTS = (1, 2, 4, 8, 16)
FEW_CLIENTS = (1, 4, 16)
SECONDS = 6.0
"""The duration of each measurement with several clients. A 99th percentile takes some hundred
queries."""


class Recorder:
    """The results of a run, stored in a file."""

    def __init__(self, path: Path, *, quick: bool) -> None:
        self._path, self._quick = path, quick
        self.found: dict[str, Any] = {}
        if path.exists():  # parts that are not measured now retain their results
            self.found = json.loads(path.read_text(encoding="utf-8"))

    def put(self, name: str, value: Any) -> None:
        self.found[name] = value
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = self._path.with_suffix(".new")
        written.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")
        written.replace(self._path)

    def list(self, name: str) -> Callable[[dict[str, Any]], None]:
        """Begin a new list of this name; return a function that adds rows to it."""
        rows: list[dict[str, Any]] = []
        self.put(name, rows)

        def add(row: dict[str, Any]) -> None:
            rows.append(row)
            self.put(name, rows)

        return add

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Run a part. A failure is recorded, and does not end the run."""
        failed = dict(self.found.get("failed", {}))
        failed.pop(name, None)
        began = time.perf_counter()
        say(f"--- {name}")
        try:
            yield
            if name in PARTS:
                run = {key: self.found["facts"][key] for key in ("at", "commit")}
                measured = self.found.get("measured", {})
                self.put("measured", {**measured, name: {**run, "quick": self._quick}})
        except Exception as problem:  # noqa: BLE001 - the other parts go on
            failed[name] = f"{type(problem).__name__}: {problem}"[:500]
            say(f"{name} failed: {failed[name]}")
        self.put("failed", failed)
        self.put(
            "seconds", {**self.found.get("seconds", {}), name: round(time.perf_counter() - began)}
        )


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@click.command(help=__doc__)
@click.option("--peerbench", "folder", type=click.Path(path_type=Path, exists=True), required=True)
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="Data and stores: 2 GB."
)
@click.option("--scale", default=1.0, show_default=True, help="Size of data that is made.")
@click.option("--quick", is_flag=True, help="Few repetitions: to see that everything works.")
@click.option("--only", default="", help="Queries whose name or class contains this.")
@click.option("--parts", default=",".join(PARTS), show_default=True)
@click.option("--peers/--no-peers", default=True, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("docs/benchmarks"), show_default=True
)
def main(
    folder: Path,
    data: Path,
    scale: float,
    quick: bool,
    only: str,
    parts: str,
    peers: bool,
    out: Path,
) -> None:
    recorder = Recorder(out / "results.json", quick=quick)
    recorder.put("facts", machine_facts())
    effort = Effort(0.2, 2, 5) if quick else Effort()
    bench = PeerBench.at(folder.resolve(), data.resolve())
    wanted = parts.split(",")
    if {"queries", "panel", "clients"} & set(wanted):
        with recorder.part("prepare"):
            bench.prepare(scale)
        recorder.put("scale", json.loads((bench.dataset / "manifest.json").read_text())["scale"])
        store = data.resolve() / "novaql"
        open_dataset(bench.dataset).close()
        with _servers(bench, store, recorder, peers=peers) as systems:
            _measure(bench, store, systems, recorder, effort, wanted, only, quick=quick)
    if "breadth" in wanted:
        with recorder.part("breadth"):
            _breadth(recorder.list("breadth"), peers=peers, quick=quick)
    if "memory" in wanted:
        with recorder.part("memory"):
            _memory(data.resolve(), min(1.0, scale), recorder)
    if "growth" in wanted:
        with recorder.part("growth"):
            size = min(1.0, max(scale, 0.01)) * (0.02 if quick else 1)
            add = recorder.list("growth")
            growth.measure_growth(data.resolve() / "growth", size, effort, add)
    recorder.put("ended", machine_facts())
    (out / "README.md").write_text(report.page(recorder.found, chart.draw(recorder.found, out)))
    say(f"written to {out}")


def _breadth(add: Callable[[dict[str, Any]], None], *, peers: bool, quick: bool) -> None:
    """Every function, over data of its own."""
    size = (100, 10) if quick else (1000, 90)
    rounds = 1 if quick else 7
    for row in breadth.measure(breadth_data.breadth(*size), rounds, peers=peers, http=True):
        add(row.result())
        say(row.line())


def _memory(data: Path, scale: float, recorder: Recorder) -> None:
    """The memory that one large aggregation adds to a process; the store is written once."""
    series, hours, every_s = max(1_000, round(100_000 * scale)), 24, 60
    found = query_memory.measure(data / f"memory-{series}", series, hours, every_s)
    recorder.put(
        "large_query", {"query": query_memory.LARGE, "series": series, "hours": hours, **found}
    )


class Running:
    """What runs during the measurements: systems by name, and NovaQL's server."""

    def __init__(self, systems: dict[str, System], server: Server) -> None:
        self.systems, self.server = systems, server


@contextmanager
def _servers(
    bench: PeerBench, store: Path, recorder: Recorder, *, peers: bool
) -> Iterator[Running]:
    """All systems, started one after another, and ended in any case."""
    started: list[Any] = []
    systems: dict[str, System] = {}
    versions: dict[str, str] = {}
    try:
        for name, child in bench.systems.CHILDREN.items() if peers else ():
            ours = "victoriametrics" if name == "victoria" else name
            with recorder.part(f"start of {ours}"):
                server = child()
                server.start()
                started.append(server)
                versions[ours] = bench.systems.version(child)
                systems[ours] = OverHttp(server.port, server.pid, bench.common, bench.systems)
        library = InProcess(store)
        started.append(library)
        plain = InProcess(store, numba=False)
        started.append(plain)
        server = Server(store, bench.data / "novaql-server.log")
        started.append(server)
        server.start()
        systems |= novaql_systems(bench, library, plain, server)
        recorder.put("versions", versions)
        yield Running(systems, server)
    finally:
        for one in reversed(started):
            one.stop()


def _measure(
    bench: PeerBench,
    store: Path,
    running: Running,
    recorder: Recorder,
    effort: Effort,
    wanted: list[str],
    only: str,
    *,
    quick: bool,
) -> None:
    if "queries" in wanted:
        with recorder.part("queries"):
            add = recorder.list("queries")
            chosen = lambda q: only in q.name or only in q.group  # noqa: E731 - one line
            measure_queries(bench, running.systems, effort, chosen, add)
            peaks = {name: system.memory() for name, system in running.systems.items()}
            recorder.put("memory", peaks)
    if "panel" in wanted:
        with recorder.part("panel"):
            add = recorder.list("panel")
            panel.measure_panel(store, running.server, bench.common.T_END, add)
    if "clients" in wanted:
        with recorder.part("clients"):
            _clients(bench, running.systems, recorder.list("clients"), quick=quick)


def _clients(
    bench: PeerBench,
    systems: dict[str, System],
    add: Callable[[dict[str, Any]], None],
    *,
    quick: bool,
) -> None:
    """Every server in turn under the same load, even if another one fails."""
    known = {query.name: query for query in bench.queries.QUERIES}
    for name in ("prometheus", "victoriametrics", "novaql json"):
        system = systems.get(name)
        if not isinstance(system, OverHttp):
            continue

        requests = [system.request(known[query]) for query in clients.DASHBOARD]
        for count in FEW_CLIENTS if quick else CLIENTS:
            seconds = 1.0 if quick else SECONDS
            load = partial(clients.throughput, system.port, requests, count, seconds)
            _attempt(add, {"system": name, "clients": count}, load)
        small = system.request(known[clients.SMALL])
        large = [system.request(known[query]) for query in clients.LARGE]
        beside = partial(clients.small_beside_large, system.port, small, large, SECONDS)
        _attempt(add, {"system": name}, beside)


def _attempt(
    add: Callable[[dict[str, Any]], None],
    row: dict[str, Any],
    measure: Callable[[], dict[str, float]],
) -> None:
    try:
        row |= measure()
    except Exception as problem:  # noqa: BLE001 - the others go on
        row["error"] = f"{type(problem).__name__}: {problem}"[:300]
    say(str(row))
    add(row)


if __name__ == "__main__":
    main()
