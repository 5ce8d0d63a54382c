"""A store of a million series: how long a fresh process takes to open it and to answer.

    python -m benchmarks.open_large              all series live at the same time
    python -m benchmarks.open_large --churn      a thousand targets an hour, each for that hour only

The first query names a metric and an instance, the second one all instances of a moment. The
store's files are in the page cache, since they were written just before, and the program is
compiled, as an installed one is; the time of `import novaql` is printed separately. Modules that
are loaded on first use count for the step that needed them. Decides what the index of a block may
cost at first use.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np

from benchmarks.datasets import INTERVAL_MS, START_MS
from novaql import tsdb
from novaql.tsdb.model.labels import LabelColumn, SeriesTable

TARGETS, METRICS, SCRAPES = 1000, 100, 20
"""Targets of one batch, metrics of each, scrapes of each."""

_ASK = """
import json, sys, time
wall, cpu = time.perf_counter, time.process_time
marks = [(wall(), cpu())]
from novaql import tsdb
from novaql import query
marks.append((wall(), cpu()))
with tsdb.open(sys.argv[1], read_only=True) as database:
    marks.append((wall(), cpu()))
    for text in sys.argv[3:]:
        found = query(text, database, time=float(sys.argv[2]))
        marks.append((wall(), cpu()))
        assert found.values.size and (found.values > 0).all(), found
spent = [[1e3 * (b[n] - a[n]) for n in (0, 1)] for a, b in zip(marks, marks[1:])]
print(json.dumps(spent))
"""


def batch(number: int, begin_ms: int) -> tsdb.Batch:
    rows = TARGETS * METRICS
    target, metric = np.arange(rows) // METRICS, np.arange(rows) % METRICS
    hosts = [f"host-{number * TARGETS + n:07d}:9100" for n in range(TARGETS)]
    table = SeriesTable.from_columns(
        rows,
        {
            "__name__": LabelColumn.encode([f"metric_{n:03d}_total" for n in metric.tolist()]),
            "instance": LabelColumn((target + 1).astype(np.int32), ("", *hosts)),
            "job": LabelColumn.constant(f"job-{number}", rows),
        },
    )
    times = begin_ms + np.arange(SCRAPES) * INTERVAL_MS
    growth = np.random.default_rng(number).poisson(50, (rows, SCRAPES)) + 1
    every = np.tile(times, rows) + np.repeat(target % INTERVAL_MS, SCRAPES)
    values = np.cumsum(growth, axis=1).astype(np.float64).ravel()
    return tsdb.Batch(table, np.repeat(np.arange(rows), SCRAPES), every, values)


@click.command()
@click.option("--series", default=1_000_000, show_default=True)
@click.option("--churn", is_flag=True, help="Every batch of targets lives an hour of its own.")
@click.option("--rounds", default=5, show_default=True)
def main(series: int, churn: bool, rounds: int) -> None:
    """Build a store, then query it from fresh processes."""
    batches = -(-series // (TARGETS * METRICS))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "store"
        begin_ms = START_MS
        with tsdb.open(folder, sync="os") as database:
            for number in range(batches):
                begin_ms = START_MS + (3_600_000 * number if churn else 0)
                database.append(batch(number, begin_ms))
            database.compact()
            stats = database.stats()
        size = f"{stats.block_bytes} bytes"
        click.echo(f"{stats.block_samples} samples in {stats.blocks} blocks, {size}")
        at = (begin_ms + (SCRAPES + 1) * INTERVAL_MS) / 1000
        host = f"host-{(batches - 1) * TARGETS + 42:07d}:9100"
        texts = (f'metric_042_total{{instance="{host}"}}', "count(metric_043_total)")
        compiled = Path(place) / "compiled"
        ask(folder, at, texts, compiled)
        spent = np.array([ask(folder, at, texts, compiled) for _ in range(rounds)])
    for place_, name in enumerate(("import", "open", "first answer", "second answer")):
        wall, cpu = (statistics.median(spent[:, place_, n].tolist()) for n in (0, 1))
        click.echo(f"{name:<15}{wall:8.0f} ms wall {cpu:8.0f} ms CPU")
    both = spent[:, 1] + spent[:, 2]
    wall, cpu = (statistics.median(both[:, n].tolist()) for n in (0, 1))
    click.echo(f"{'open to answer':<15}{wall:8.0f} ms wall {cpu:8.0f} ms CPU")


def ask(folder: Path, at: float, texts: tuple[str, ...], compiled: Path) -> list[list[float]]:
    """[import, open, each answer] × [wall, CPU], milliseconds. compiled: the directory of
    bytecode."""
    command = [sys.executable, "-c", _ASK, str(folder), str(at), *texts]
    setting = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    setting["PYTHONPYCACHEPREFIX"] = str(compiled)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=setting)
    found: list[list[float]] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
