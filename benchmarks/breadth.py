"""Every function, aggregator and operator once: NovaQL beside both peers, which answer over HTTP.

    python -m benchmarks.breadth                          all, some minutes; needs both peers
    python -m benchmarks.breadth --http                   and NovaQL as a server
    python -m benchmarks.breadth --http --plain           with the time to write 1 000 series
    python -m benchmarks.breadth --no-peers --only rate   entries whose names contain a text
    python -m benchmarks.breadth --json breadth.json

Each query runs under `sum`, so that no peer spends its time on writing JSON, and once as it is to
compare the answers where their meanings agree (`breadth_entries`). In each round every system runs
the query in turn; the figures are medians. The exit code is 1 if an answer differs or a query
fails. Decides which kernels are worth compiling. The part `breadth` of the suite is the same with
`--http`.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import click

from benchmarks.breadth_data import STEP_S, Breadth, breadth
from benchmarks.breadth_entries import ENTRIES, NATIVE_ENTRIES, PROMETHEUS, VICTORIA, Entry
from benchmarks.ingest_http import send
from benchmarks.suite.facts import machine_facts
from benchmarks.suite.http_client import Connection, HttpAnswer, get_request
from benchmarks.suite.systems import Server
from novaql import evaluate, query_options, tsdb, warmup
from novaql.language import parse, type_of
from novaql.language.value_types import ValueType
from tests.support.programs.prometheus_data import prometheus_with_data
from tests.support.programs.query_answers import (
    Answer,
    answer_of_prometheus,
    answer_of_result,
    disagreement,
    label_set,
    ranking_disagreement,
)
from tests.support.programs.victoria_program import running_victoria, show_samples

NOVAQL, SERVED = "novaql", "novaql json"
COLUMNS = (NOVAQL, SERVED, PROMETHEUS, VICTORIA)


@dataclass(slots=True)
class Row:
    """The result of one entry: milliseconds by system, and problems, if any."""

    name: str
    query: str
    ms: dict[str, float] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """NovaQL's time to that of VictoriaMetrics; NaN without it."""
        return self.ms.get(NOVAQL, float("nan")) / self.ms.get(VICTORIA, float("nan"))

    def line(self) -> str:
        shown = (f"{self.ms[s]:12.2f}" if s in self.ms else f"{'-':>12}" for s in COLUMNS)
        ratio = f"{self.ratio:8.2f}" if VICTORIA in self.ms else f"{'':8}"
        said = "; ".join(f"{system}: {text}" for system, text in self.problems.items())
        return f"{self.name:30}{''.join(shown)}{ratio}  {said}".rstrip()

    def result(self) -> dict[str, Any]:
        """The row as a result of the suite."""
        found: dict[str, dict[str, Any]] = {s: {"median_ms": ms} for s, ms in self.ms.items()}
        for system, problem in self.problems.items():
            found.setdefault(system, {})["error"] = problem
        return {"query": self.name, "group": "breadth", "expr": self.query, "systems": found}


class Timed(Protocol):
    def seconds(self, text: str) -> float:
        """Evaluate a query, and return how long it took."""


class Library:
    """NovaQL over a store on disk, pages decoded, no cache of results."""

    def __init__(self, data: Breadth, database: tsdb.Database) -> None:
        self._data, self._database = data, database
        warmup()

    def ask(self, text: str, *, left_closed: bool = False) -> Any:
        options = query_options(
            start=self._data.start_s,
            end=self._data.end_s,
            step=STEP_S,
            left_closed=left_closed,
            timeout=None,
        )
        return evaluate(text, self._database, options)

    def seconds(self, text: str) -> float:
        began = time.perf_counter()
        self.ask(text)
        return time.perf_counter() - began


class Remote:
    """A server that speaks the API of Prometheus: a peer, or NovaQL."""

    def __init__(self, data: Breadth, port: int) -> None:
        self._data, self._port = data, port
        self._connection = Connection(port)

    def ask(self, text: str) -> Any:
        """`data` of the answer. Raises `RuntimeError` if the query fails."""
        return json.loads(self._ask(text).body)["data"]

    def seconds(self, text: str) -> float:
        return self._ask(text).seconds

    def _ask(self, text: str) -> HttpAnswer:
        parameters = [
            ("query", text),
            ("start", self._data.start_s),
            ("end", self._data.end_s),
            ("step", STEP_S),
            ("nocache", 1),
        ]
        request = get_request(f"127.0.0.1:{self._port}", "/api/v1/query_range", parameters)
        answer = self._connection.ask(request)
        if answer.status != 200:
            shown = answer.body[:200].decode(errors="replace")
            raise RuntimeError(f"status {answer.status}: {shown}")
        return answer


@dataclass(frozen=True, slots=True)
class Systems:
    """library: answers what the answers of peers are compared with; timed: all, by name."""

    library: Library
    timed: Mapping[str, Timed]
    peers: Mapping[str, Remote]


@contextmanager
def systems(data: Breadth, *, peers: bool, http: bool) -> Iterator[Systems]:
    """NovaQL and, if requested, the peers, with the samples in all of them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = folder / NOVAQL
        with tsdb.open(store, sync="os") as database:
            for batch in data.batches():
                database.append(batch)
            database.flush()
        served = None
        if http:
            copy = shutil.copytree(store, folder / "served")
            served = stack.enter_context(_served(copy, folder / "served.log"))
        library = Library(data, stack.enter_context(tsdb.open(store)))
        ours: dict[str, Timed] = {NOVAQL: library}
        if served is not None:
            ours[SERVED] = Remote(data, served)
        if not peers:
            yield Systems(library, ours, {})
            return
        flag = "--enable-feature=promql-experimental-functions"
        prometheus = stack.enter_context(prometheus_with_data(folder / PROMETHEUS, flag))
        victoria = stack.enter_context(running_victoria(folder / VICTORIA))
        ports = {
            PROMETHEUS: urllib.parse.urlsplit(prometheus.url).port or 0,
            VICTORIA: urllib.parse.urlsplit(victoria).port or 0,
        }
        for name, port in ports.items():
            send(list(data.messages(native=name == PROMETHEUS)), port, connections=1)
        show_samples(victoria)
        remotes = {name: Remote(data, port) for name, port in ports.items()}
        yield Systems(library, {**ours, **remotes}, remotes)


@contextmanager
def _served(folder: Path, log: Path) -> Iterator[int]:
    server = Server(folder, log)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


def measured(entry: Entry, all_systems: Systems, rounds: int, *, plain: bool) -> Row:
    """The times of an entry on all systems that have it."""
    row, peers, timed = Row(entry.name, entry.query), all_systems.peers, all_systems.timed
    texts = {NOVAQL: entry.query, SERVED: entry.query, **entry.peers}
    asked = {name: text for name, text in texts.items() if name in timed}
    summed = not plain and type_of(parse(entry.query)) is not ValueType.SCALAR
    times: dict[str, list[float]] = {}
    for _ in range(rounds + 1):  # the first is not counted
        for system in asked.keys() - row.problems.keys():
            text = asked[system]
            try:
                took = timed[system].seconds(f"sum({text})" if summed else text)
                times.setdefault(system, []).append(took)
            except Exception as problem:  # noqa: BLE001 - the other entries go on
                row.problems[system] = f"{type(problem).__name__}: {problem}"[:200]
    row.ms = {system: 1000 * statistics.median(some[1:] or some) for system, some in times.items()}
    for system in entry.agrees & peers.keys() - row.problems.keys():
        difference = _difference(entry, all_systems.library, peers[system], system)
        if difference is not None:
            row.problems[system] = f"differs: {difference}"[:200]
    return row


def _difference(entry: Entry, library: Library, peer: Remote, system: str) -> str | None:
    # The packaged Prometheus is of a version whose ranges include their left end.
    ours = library.ask(entry.query, left_closed=system == PROMETHEUS)
    theirs = peer.ask(entry.peers[system])
    names = system == PROMETHEUS
    found = _compared(answer_of_result(ours), names=names)
    expected = _compared(answer_of_prometheus(theirs), names=names)
    # If values at the last place are equal, Prometheus returns those that its heap retains, which
    # depends on the order of the series in its storage.
    compare = ranking_disagreement if entry.name in ("topk", "bottomk") else disagreement
    return compare(expected, found)


def _compared(answer: Answer, *, names: bool) -> Answer:
    """names: metric names are compared, too."""
    if names:
        return answer
    return {
        label_set({k: v for k, v in key if k != "__name__"}): points
        for key, points in answer.items()
    }


def _summary(rows: Sequence[Row]) -> str:
    """Geometric means of the peers' times to NovaQL's."""
    said = []
    for ours, system in product((NOVAQL, SERVED), (PROMETHEUS, VICTORIA)):
        ratios = [row.ms[system] / row.ms[ours] for row in rows if {system, ours} <= row.ms.keys()]
        if ratios:
            mean = statistics.geometric_mean(ratios)
            said.append(f"{ours} {mean:.1f} x {system} ({len(ratios)} queries)")
    return "as fast as peers, geometric means: " + (", ".join(said) or "no peers")


def measure(
    data: Breadth,
    rounds: int,
    *,
    peers: bool,
    http: bool,
    plain: bool = False,
    only: Sequence[str] = ("",),
) -> Iterator[Row]:
    """Measure the entries whose names contain one of these texts, one after the other."""
    with systems(data, peers=peers, http=http) as all_systems:
        for entry in (*ENTRIES, *NATIVE_ENTRIES):
            if any(text in entry.name for text in only):
                yield measured(entry, all_systems, rounds, plain=plain)


@click.command()
@click.option("--no-peers", is_flag=True, help="NovaQL alone.")
@click.option("--http", is_flag=True, help="NovaQL as a server, too.")
@click.option("--plain", is_flag=True, help="Queries without `sum`.")
@click.option("--only", multiple=True, help="Entries whose names contain this; may be repeated.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--series", default=1000, show_default=True)
@click.option("--steps", default=90, show_default=True)
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path))
def main(
    no_peers: bool,
    http: bool,
    plain: bool,
    only: tuple[str, ...],
    rounds: int,
    series: int,
    steps: int,
    target: Path | None,
) -> None:
    """Measure, print a table, and write it as JSON."""
    rows: list[Row] = []
    click.echo(f"{'ms':30}{''.join(f'{name[:11]:>12}' for name in COLUMNS)}{'/victoria':>10}")
    data = breadth(series, steps)
    for row in measure(
        data, rounds, peers=not no_peers, http=http, plain=plain, only=only or ("",)
    ):
        rows.append(row)
        click.echo(row.line())
    if target is not None:
        content = {"machine": machine_facts(), "rows": [asdict(row) for row in rows]}
        target.write_text(json.dumps(content, indent=1))
    click.echo(_summary(rows))
    slower = sorted((row for row in rows if row.ratio > 1), key=lambda row: -row.ratio)
    click.echo(f"slower than VictoriaMetrics: {', '.join(row.name for row in slower) or 'none'}")
    sys.exit(any(row.problems for row in rows))


if __name__ == "__main__":
    main()
