"""Bodies → batches → head, in this process. Divide the samples named in `extra_info` by the time.

Over HTTP, with the server's own CPU seconds: `python -m benchmarks.ingest_http`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.datasets import START_MS, Fleet
from benchmarks.senders import (
    churning_messages,
    influx_blocks,
    json_blocks,
    remote_write_messages,
    text_blocks,
)
from novaql import tsdb
from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.remote_write.decoder import RemoteWriteDecoder
from novaql.inputs.text.exposition import ExpositionParser
from novaql.inputs.text.influx import InfluxParser
from novaql.inputs.text.json_lines import JsonLinesParser
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.runtime.compiled import Mode

Read = Callable[[bytes], Batch]


def measure(benchmark: BenchmarkFixture, made: Callable[[], Read], bodies: Sequence[bytes]) -> int:
    """Time the reading and appending of all bodies; return the number of samples."""
    found = 0

    def fresh() -> tuple[tuple[Read, tsdb.Database], dict[str, object]]:
        return (made(), tsdb.memory()), {}

    def take(read: Read, store: tsdb.Database) -> int:
        nonlocal found
        found = 0
        for body in bodies:
            batch = read(body)
            store.append(batch)
            found += len(batch)
        return found

    benchmark.pedantic(take, setup=fresh, rounds=5)
    benchmark.extra_info["samples"] = found
    return found


def decoder() -> Read:
    made = RemoteWriteDecoder()
    return lambda body: made.decode(body).batch


@pytest.fixture
def plain() -> Iterator[None]:
    """Decode as without numba."""
    with WALKS.forced(Mode.OFF):
        yield


@pytest.mark.parametrize("together", [1, 20])
def bench_remote_write(benchmark: BenchmarkFixture, small_fleet: Fleet, together: int) -> None:
    """The shape that agents send (1), and that of a backlog (20)."""
    WALKS.prepare()
    bodies = list(remote_write_messages(small_fleet, together=together))[:40]

    samples = measure(benchmark, decoder, bodies)

    assert samples == len(bodies) * together * sum(len(t.series) for t in small_fleet.targets)


@pytest.mark.usefixtures("plain")
def bench_remote_write_without_numba(benchmark: BenchmarkFixture, small_fleet: Fleet) -> None:
    """Decides whether the decoder in NumPy may remain simple."""
    bodies = list(remote_write_messages(small_fleet, together=1))[:40]

    samples = measure(benchmark, decoder, bodies)

    assert samples == len(bodies) * sum(len(t.series) for t in small_fleet.targets)


@pytest.mark.slow
def bench_remote_write_of_new_series(benchmark: BenchmarkFixture) -> None:
    """The cost of churn: every series is new."""
    WALKS.prepare()
    bodies = list(churning_messages(4))

    assert measure(benchmark, decoder, bodies) == 40_000


def bench_text(benchmark: BenchmarkFixture, small_fleet: Fleet) -> None:
    """Prometheus text whose series are known after the first block."""
    bodies = list(text_blocks(small_fleet, 20))

    def made() -> Read:
        return ExpositionParser(openmetrics=False, default_time_ms=START_MS).feed

    samples = measure(benchmark, made, bodies)

    assert samples == 20 * sum(len(t.series) for t in small_fleet.targets)


def bench_influx(benchmark: BenchmarkFixture) -> None:
    """Line protocol, five fields a line."""
    bodies = list(influx_blocks(10))

    def made() -> Read:
        parser = InfluxParser()
        return lambda body: parser.feed(body, default_time_ms=START_MS)

    assert measure(benchmark, made, bodies) == 10 * 2000 * 5


@pytest.mark.parametrize("together", [1, 100])
def bench_json_lines(benchmark: BenchmarkFixture, together: int) -> None:
    """Lines of an export."""
    bodies = list(json_blocks(5, together=together))

    def made() -> Read:
        parser = JsonLinesParser()
        return lambda body: parser.feed(body, default_time_ms=START_MS)

    assert measure(benchmark, made, bodies) == 5 * 1000 * together
