"""Samples per CPU second for every way into the store without HTTP.

    python -m benchmarks.ingest_rates
    python -m benchmarks.ingest_rates --only replay --rounds 7
    python -m benchmarks.ingest_rates --only text --plain    without compiled code

Columnar batches, text of Prometheus and OpenMetrics with series that are known or new, and the log
read back after a kill, in large records and in those of single scrapes (an hour of 75 series each).
Each figure is the median of rounds, by the CPU seconds of this process alone. Every round checks
that all samples arrived. Text is read by compiled code, as a server reads it after the first
megabytes. Over HTTP: `python -m benchmarks.ingest_http`. Decides which part of ingestion to
optimise.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from benchmarks.datasets import START_MS, Fleet, fleet
from benchmarks.senders import text_blocks
from benchmarks.suite.facts import machine_facts
from novaql import tsdb
from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.text.exposition import ExpositionParser
from novaql.tsdb.model.samples import Batch

FLEET_COUNTERS, HOURS = 5000, 1.0
SCRAPES = 20
NEVER = 10**12


@dataclass(frozen=True, slots=True)
class Way:
    """One way into the store. `prepare` makes the argument of `take`, which is timed and returns
    the number of samples."""

    name: str
    prepare: Callable[[Path], object]
    take: Callable[[object], int]


def ways(some: Fleet) -> Iterator[Way]:
    batches = list(some.batches())
    scrapes = [t.batch(at, at + 1) for at in range(SCRAPES) for t in some.targets]
    first = [t.batch(0, 1) for t in some.targets]
    for kind, parts in (("whole targets", batches), ("scrapes", scrapes)):
        name = f"columnar append, {kind}"
        yield Way(f"{name}, memory", lambda _: filled(tsdb.memory(), first), appending(parts))
        yield Way(
            f"{name}, disk (os)", lambda folder: filled(opened(folder), first), appending(parts)
        )
    yield from texts(some)
    yield Way("log replay, large records", logged(batches), replayed)
    hour = [t.batch(at, at + 1) for at in range(len(some.targets[0].times)) for t in some.targets]
    yield Way("log replay, an hour of scrapes", logged(hour), replayed)


def texts(some: Fleet) -> Iterator[Way]:
    known = list(text_blocks(some, SCRAPES + 1))
    fresh = [text.replace(b"host-", b"h%d-" % n) for n, text in enumerate(known)]
    for openmetrics in (False, True):
        name = "OpenMetrics" if openmetrics else "Prometheus text"
        for what, blocks in (("known series", known), ("new series", fresh)):
            bodies = [as_openmetrics(body) for body in blocks] if openmetrics else blocks
            yield Way(f"{name}, {what}", partial(warm, bodies[0], openmetrics), parsing(bodies[1:]))


def warm(body: bytes, openmetrics: bool, _folder: Path) -> tuple[ExpositionParser, tsdb.Database]:
    """A parser and a store that have already received a body of the first target's series."""
    parser = ExpositionParser(openmetrics=openmetrics, default_time_ms=START_MS)
    store = tsdb.memory()
    store.append(parser.feed(body))
    return parser, store


def filled(store: tsdb.Database, parts: Sequence[Batch]) -> tsdb.Database:
    for part in parts:
        store.append(part)
    return store


def opened(folder: Path) -> tsdb.Database:
    return tsdb.open(folder, sync="os", close_flush_samples=NEVER)


def appending(parts: Sequence[Batch]) -> Callable[[object], int]:
    def take(store: object) -> int:
        assert isinstance(store, tsdb.Database)
        return sum(store.append(part).appended for part in parts)

    return take


def parsing(bodies: Sequence[bytes]) -> Callable[[object], int]:
    def take(made: object) -> int:
        assert isinstance(made, tuple)
        parser, store = made
        return sum(store.append(parser.feed(body)).appended for body in bodies)

    return take


def as_openmetrics(body: bytes) -> bytes:
    """A body with times in seconds in place of milliseconds."""
    lines = (line.rsplit(b" ", 1) for line in body.splitlines())
    return b"".join(b"%s %.3f\n" % (rest, int(when) / 1000) for rest, when in lines)


def logged(parts: Sequence[Batch]) -> Callable[[Path], Path]:
    """Make a store whose samples are only in its log."""

    def prepare(folder: Path) -> Path:
        with opened(folder) as store:
            for part in parts:
                store.append(part)
        return folder

    return prepare


def replayed(folder: object) -> int:
    assert isinstance(folder, Path)
    with tsdb.open(folder, read_only=True) as store:
        return store.open_report.replayed


def measure(way: Way, rounds: int, expected: int) -> tuple[list[float], int]:
    """Samples per CPU second in each round, and the number of samples."""
    found, samples = [], 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as place:
            made = way.prepare(Path(place) / "store")
            began = time.process_time()
            samples = way.take(made)
            found.append(samples / (time.process_time() - began))
    assert samples == expected, f"{way.name}: {samples} samples of {expected}"
    return found, samples


@click.command()
@click.option("--only", default="", help="Ways whose name has this in it.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--plain", is_flag=True, help="Do without compiled code, as new processes do.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures as JSON, too.")
def main(only: str, rounds: int, plain: bool, out: Path | None) -> None:
    """Measure every way into the store, one after another."""
    if not plain:
        WALKS.prepare()
        assert WALKS.ready() is not None
    facts = machine_facts()
    click.echo(", ".join(f"{name}: {fact}" for name, fact in facts.items()))
    some = fleet(FLEET_COUNTERS, HOURS)
    series = sum(len(target.series) for target in some.targets)
    figures = {}
    for way in ways(some):
        if only not in way.name:
            continue
        every = "whole" in way.name or "replay" in way.name
        rates, samples = measure(way, rounds, some.samples if every else SCRAPES * series)
        low, middle, high = min(rates), statistics.median(rates), max(rates)
        figures[way.name] = {"samples": samples, "per_cpu_second": rates}
        click.echo(
            f"{way.name:<40}{middle / 1e6:8.2f} M samples a CPU-second"
            f"  ({low / 1e6:.2f} to {high / 1e6:.2f}; {samples} samples)"
        )
    if out is not None:
        out.write_text(json.dumps({"facts": facts, "figures": figures}, indent=1))


if __name__ == "__main__":
    main()
