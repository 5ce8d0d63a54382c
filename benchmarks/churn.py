"""The cost of ended series for a short query: the last hour of a store with a long history.

    python -m benchmarks.churn                   100 generations of 10 000 series, an hour each
    python -m benchmarks.churn --generations 1000

Two stores get the same last generation, and one of them all those before it. Every query reads the
last minutes. `first` is the median CPU time of the first answer after opening, `warm` that of the
same query a second later. Decides how an index excludes series of other times.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from benchmarks.datasets import INTERVAL_MS, START_MS
from novaql import query, tsdb
from novaql.tsdb.model.labels import LabelColumn, SeriesTable

PODS, METRICS, SCRAPES, HOUR_MS = 100, 100, 20, 3_600_000
TEXTS = (
    'metric_042_total{{pod="pod-{pod:07d}"}}',
    "count(metric_043_total)",
    "sum by (node) (rate(metric_044_total[5m]))",
    'count(metric_045_total{{pod=~"pod-.*7"}})',
    'count({{pod=~"pod-.*42"}})',
    'count({{node="node-3"}})',
)
"""The queries; `pod` is one of the last generation."""


def batch(generation: int, rng: np.random.Generator) -> tsdb.Batch:
    """An hour's series: pods of that hour alone, on nodes that exist at all times."""
    rows = PODS * METRICS
    pod, metric = np.arange(rows) // METRICS, np.arange(rows) % METRICS
    pods = [f"pod-{generation * PODS + n:07d}" for n in range(PODS)]
    table = SeriesTable.from_columns(
        rows,
        {
            "__name__": LabelColumn.encode([f"metric_{n:03d}_total" for n in metric.tolist()]),
            "node": LabelColumn.encode([f"node-{n % 10}" for n in pod.tolist()]),
            "pod": LabelColumn((pod + 1).astype(np.int32), ("", *pods)),
        },
    )
    times = START_MS + generation * HOUR_MS + np.arange(SCRAPES) * INTERVAL_MS
    every = np.tile(times, rows) + np.repeat(pod, SCRAPES)
    values = np.cumsum(rng.poisson(50, (rows, SCRAPES)) + 1, axis=1).astype(np.float64)
    return tsdb.Batch(table, np.repeat(np.arange(rows), SCRAPES), every, values.ravel())


def build(folder: Path, generations: Sequence[int]) -> None:
    with tsdb.open(folder, sync="os") as database:
        for generation in generations:
            database.append(batch(generation, np.random.default_rng(generation)))
        database.compact()
        stats = database.stats()
    click.echo(f"{stats.block_samples} samples in {stats.blocks} blocks")


def cpu_ms(database: tsdb.Database, text: str, at: float) -> tuple[float, float]:
    """CPU milliseconds of an answer, and the sum of its values."""
    began = time.process_time()
    values = query(text, database, time=at).values
    return (time.process_time() - began) * 1e3, float(values.sum())


def measured(folder: Path, text: str, at: float, rounds: int) -> tuple[list[float], list[float]]:
    """Median CPU of the first answer and of one a second later, and the sum of their values."""
    spent, sums = [], []
    for _ in range(rounds):
        with tsdb.open(folder, read_only=True) as database:
            asked = [cpu_ms(database, text, at + second) for second in range(4)]
        spent.append([asked[0][0], statistics.median(took for took, _ in asked[1:])])
        sums = [total for _, total in asked]
    return np.median(np.array(spent), axis=0).tolist(), sums


@click.command()
@click.option("--generations", default=100, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(generations: int, rounds: int) -> None:
    """Build both stores, then run the same queries on them."""
    last = generations - 1
    at = (START_MS + last * HOUR_MS + SCRAPES * INTERVAL_MS) / 1000
    with tempfile.TemporaryDirectory() as place:
        alone, churned = Path(place) / "alone", Path(place) / "churned"
        build(alone, [last])
        build(churned, range(generations))
        click.echo(f"{'CPU ms':<44}{'alone':>16}{'churned':>16}{'ratio':>14}")
        click.echo(f"{'':<44}{'first    warm':>16}{'first    warm':>16}{'first  warm':>14}")
        for pattern in TEXTS:
            text = pattern.format(pod=last * PODS + 42)
            measured(alone, text, at, 1)  # the program itself is read and compiled
            small, right = measured(alone, text, at, rounds)
            large, found = measured(churned, text, at, rounds)
            assert found == right, (text, found, right)
            ratios = f"{large[0] / small[0]:8.1f}{large[1] / small[1]:6.1f}"
            times = "".join(f"{ms:8.1f}" for ms in (*small, *large))
            click.echo(f"{text:<44}{times}{ratios}")


if __name__ == "__main__":
    main()
