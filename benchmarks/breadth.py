"""Every function, aggregator and operator once: NovaQL in process beside both peers over HTTP.

    python -m benchmarks.breadth                          all, some minutes; needs both peers
    python -m benchmarks.breadth --no-peers --only rate   entries whose names contain a text
    python -m benchmarks.breadth --json breadth.json

Each query runs under `sum`, so that no peer spends its time on writing JSON, and once as it is to
compare the answers where their meanings agree (`breadth_entries`). In each round every system is
asked in turn; the figures are medians. The exit code is 1 if an answer differs or a query fails.
Decides which kernels are worth compiling.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from benchmarks.breadth_data import STEP_S, Breadth, breadth
from benchmarks.breadth_entries import ENTRIES, PROMETHEUS, VICTORIA, Entry
from benchmarks.ingest_http import send
from benchmarks.suite.facts import machine_facts
from benchmarks.suite.http_client import Connection, get_request
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

NOVAQL = "novaql"


@dataclass(slots=True)
class Row:
    """Of one entry: milliseconds by system, and what was wrong, if anything."""

    name: str
    query: str
    ms: dict[str, float] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """NovaQL's time to that of VictoriaMetrics; NaN without it."""
        return self.ms.get(NOVAQL, float("nan")) / self.ms.get(VICTORIA, float("nan"))

    def line(self) -> str:
        shown = (
            f"{self.ms[s]:10.2f}" if s in self.ms else f"{'-':>10}"
            for s in (NOVAQL, PROMETHEUS, VICTORIA)
        )
        ratio = f"{self.ratio:8.2f}" if VICTORIA in self.ms else f"{'':8}"
        said = "; ".join(f"{system}: {text}" for system, text in self.problems.items())
        return f"{self.name:30}{''.join(shown)}{ratio}  {said}".rstrip()


class Library:
    """NovaQL over a store on disk, pages decoded, no cache of results."""

    def __init__(self, data: Breadth, database: tsdb.Database) -> None:
        self._data, self._database = data, database
        for batch in data.batches():
            database.append(batch)
        database.flush()
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


class Peer:
    """A server that speaks the API of Prometheus."""

    def __init__(self, data: Breadth, url: str) -> None:
        self._data, self._port = data, urllib.parse.urlsplit(url).port or 0
        send(list(data.messages()), self._port, connections=1)
        self._connection = Connection(self._port)

    def ask(self, text: str) -> tuple[Any, float]:
        """`data` of the answer, and seconds. Raises `RuntimeError` if the query fails."""
        parameters = [
            ("query", text),
            ("start", self._data.start_s),
            ("end", self._data.end_s),
            ("step", STEP_S),
            ("nocache", 1),
        ]
        request = get_request(f"127.0.0.1:{self._port}", "/api/v1/query_range", parameters)
        status, body, seconds = self._connection.ask(request)
        if status != 200:
            raise RuntimeError(f"status {status}: {body[:200].decode(errors='replace')}")
        return json.loads(body)["data"], seconds

    def seconds(self, text: str) -> float:
        return self.ask(text)[1]


@contextmanager
def systems(data: Breadth, *, peers: bool) -> Iterator[tuple[Library, dict[str, Peer]]]:
    """NovaQL and, if asked for, the peers, with the samples in all of them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        library = Library(data, stack.enter_context(tsdb.open(folder / NOVAQL, sync="os")))
        if not peers:
            yield library, {}
            return
        flag = "--enable-feature=promql-experimental-functions"
        prometheus = stack.enter_context(prometheus_with_data(folder / PROMETHEUS, flag))
        victoria = stack.enter_context(running_victoria(folder / VICTORIA))
        found = {PROMETHEUS: Peer(data, prometheus.url), VICTORIA: Peer(data, victoria)}
        show_samples(victoria)
        yield library, found


def measured(entry: Entry, library: Library, peers: Mapping[str, Peer], rounds: int) -> Row:
    """The times of an entry on all systems that have it."""
    row = Row(entry.name, entry.query)
    asked: dict[str, tuple[Callable[[str], float], str]] = {
        NOVAQL: (library.seconds, entry.query),
        **{name: (peers[name].seconds, text) for name, text in entry.peers.items()
           if name in peers},
    }  # fmt: skip
    summed = type_of(parse(entry.query)) is not ValueType.SCALAR
    times: dict[str, list[float]] = {}
    for _ in range(rounds + 1):  # the first is not counted
        for system in asked.keys() - row.problems.keys():
            seconds, text = asked[system]
            try:
                took = seconds(f"sum({text})" if summed else text)
                times.setdefault(system, []).append(took)
            except Exception as problem:  # noqa: BLE001 - the other entries go on
                row.problems[system] = f"{type(problem).__name__}: {problem}"[:200]
    row.ms = {system: 1000 * statistics.median(some[1:] or some) for system, some in times.items()}
    for system in entry.agrees & peers.keys() - row.problems.keys():
        difference = _difference(entry, library, peers[system], system)
        if difference is not None:
            row.problems[system] = f"differs: {difference}"[:200]
    return row


def _difference(entry: Entry, library: Library, peer: Peer, system: str) -> str | None:
    # The packaged Prometheus is of a version whose ranges include their left end.
    ours = library.ask(entry.query, left_closed=system == PROMETHEUS)
    theirs = peer.ask(entry.peers[system])[0]
    names = system == PROMETHEUS
    found = _compared(answer_of_result(ours), names=names)
    expected = _compared(answer_of_prometheus(theirs), names=names)
    # Of equal values at the last place Prometheus takes those that its heap leaves, which depends
    # on the order in which its storage has the series.
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


@click.command()
@click.option("--no-peers", is_flag=True, help="NovaQL alone.")
@click.option("--only", multiple=True, help="Entries whose names contain this; may be repeated.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--series", default=1000, show_default=True)
@click.option("--steps", default=90, show_default=True)
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path))
def main(
    no_peers: bool, only: tuple[str, ...], rounds: int, series: int, steps: int, target: Path | None
) -> None:
    """Measure, print a table, and write it as JSON."""
    rows: list[Row] = []
    click.echo(f"{'ms':30}{NOVAQL:>10}{PROMETHEUS[:9]:>10}{'victoria':>10}{'/victoria':>10}")
    with systems(breadth(series, steps), peers=not no_peers) as (library, peers):
        for entry in ENTRIES:
            if only and not any(text in entry.name for text in only):
                continue
            rows.append(measured(entry, library, peers, rounds))
            click.echo(rows[-1].line())
    if target is not None:
        content = {"machine": machine_facts(), "rows": [asdict(row) for row in rows]}
        target.write_text(json.dumps(content, indent=1))
    slower = sorted((row for row in rows if row.ratio > 1), key=lambda row: -row.ratio)
    click.echo(f"slower than VictoriaMetrics: {', '.join(row.name for row in slower) or 'none'}")
    sys.exit(any(row.problems for row in rows))


if __name__ == "__main__":
    main()
