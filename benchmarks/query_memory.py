"""The memory that a query over many series adds to a process.

    python -m benchmarks.query_memory                      100 000 series × 24 h, a sample a minute
    python -m benchmarks.query_memory --series 10000 --every 15

One process writes the store; a fresh one opens it, loads the compiled kernels, runs a small query,
and then evaluates `sum by (job) (rate(requests_total[5m]))` over all of it. `adds` is the peak of
its resident memory during that query minus the memory before: it includes the index, the cache of
decoded pages and all intermediate results. Then the process runs a query that exceeds its budget,
and the small query again, which proves that the process has survived.

Informs these decisions: plans below an aggregation run batch by batch, and a selection that is
larger than the cache bypasses it. The goal is 128 MiB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from novaql import Limits, query, tsdb, warmup
from novaql.errors import LimitExceeded
from novaql.tsdb.model.labels import LabelColumn, SeriesTable
from novaql.tsdb.model.samples import Batch

END_MS = 1_748_952_000_000
PER_TARGET = 50
GOAL_MIB = 128
SMALL = 'requests_total{instance="i-00000",code="0"}'
LARGE = "sum by (job) (rate(requests_total[5m]))"


def table(series: int) -> SeriesTable:
    """`PER_TARGET` series of each target, twenty jobs."""
    targets = -(-series // PER_TARGET)
    instance = np.repeat(np.arange(targets, dtype=np.int32), PER_TARGET)[:series]
    code = np.tile(np.arange(PER_TARGET, dtype=np.int32), targets)[:series]
    columns = {
        "__name__": LabelColumn.constant("requests_total", series),
        "instance": LabelColumn(instance + 1, ("", *(f"i-{i:05}" for i in range(targets)))),
        "code": LabelColumn(code + 1, ("", *(f"{i}" for i in range(PER_TARGET)))),
        "job": LabelColumn(instance % 20 + 1, ("", *(f"job-{i:02}" for i in range(20)))),
    }
    return SeriesTable.from_columns(series, columns)


def write(folder: Path, series: int, hours: int, every_s: int) -> None:
    """Write counters that grow unevenly: an hour of all series at a time, in the order of
    ingestion."""
    labels = table(series)
    rng = np.random.default_rng(5)
    counts = np.zeros(series)
    steps = 3600 // every_s
    targets = np.arange(series) // PER_TARGET
    with tsdb.open(folder, sync="os") as database:
        for hour in range(hours):
            begin = END_MS - (hours - hour) * 3_600_000
            grown = rng.poisson(3.0, (steps, series)).cumsum(axis=0) + counts
            counts = grown[-1]
            times = begin + np.arange(steps, dtype=np.int64)[:, None] * every_s * 1000
            times = times + (targets * 37 % (every_s * 1000))[None, :]
            rows = np.broadcast_to(np.arange(series), grown.shape)
            database.append(Batch(labels, rows.ravel(), times.ravel(), grown.ravel()))
        database.maintain()  # the store's own thread does this at intervals


def resident_mib(field: str) -> float:
    """`VmRSS`, or `VmHWM`: the peak since `forget_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def read(folder: Path, hours: int) -> dict[str, float | int | str]:
    """The measurement, in the fresh process."""
    warmup()
    end_s = END_MS / 1000
    ask = partial(query, start=end_s - hours * 3600, end=end_s, step=60, timeout=None)
    with tsdb.open(folder, read_only=True) as database:
        query(SMALL, database, time=end_s - 60)
        before = resident_mib("VmRSS")
        forget_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        found = ask(LARGE, database)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak, after = resident_mib("VmHWM"), resident_mib("VmRSS")
        try:
            ask("requests_total", database, limits=Limits(bytes=64 << 20))
            refused = "not refused"
        except LimitExceeded as problem:
            refused = str(problem)
        alive = len(query(SMALL, database, time=end_s - 60).series)
    return {
        "groups": len(found.series),
        "samples": found.stats.samples,
        "before_mib": round(before, 1),
        "adds_mib": round(peak - before, 1),
        "keeps_mib": round(after - before, 1),
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "over_budget": refused,
        "answers_afterwards": alive,
    }


def measure(folder: Path, series: int, hours: int, every_s: int) -> dict[str, Any]:
    """Measure the store at `folder` in a fresh process. The store is written if it does not
    exist."""
    if not folder.exists():
        write(folder, series, hours, every_s)
    command = [sys.executable, "-m", "benchmarks.query_memory", "--read", str(folder)]
    done = subprocess.run(
        [*command, "--hours", str(hours)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@click.command()
@click.option("--series", default=100_000, show_default=True)
@click.option("--hours", default=24, show_default=True)
@click.option("--every", default=60, show_default=True, help="Seconds between samples.")
@click.option("--store", type=click.Path(path_type=Path), help="Keep the store here, and reuse it.")
@click.option("--read", "reads", type=click.Path(path_type=Path), hidden=True)
def main(series: int, hours: int, every: int, store: Path | None, reads: Path | None) -> None:
    """Measure the memory of one large aggregation in a separate process."""
    if reads is not None:
        click.echo(json.dumps(read(reads, hours)))
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as place:
        found = measure(store or Path(place) / "store", series, hours, every)
    click.echo(f"{series} series × {hours} h, a sample every {every} s: {found['samples']} samples")
    for name, value in found.items():
        click.echo(f"  {name:<20}{value}")
    click.echo(f"goal: adds at most {GOAL_MIB} MiB: {found['adds_mib'] <= GOAL_MIB}")


if __name__ == "__main__":
    main()
