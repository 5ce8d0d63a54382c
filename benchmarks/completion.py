"""How long a completion takes on a store of a million series, at each keystroke of some queries.

    python -m benchmarks.completion
    python -m benchmarks.completion --store FOLDER   builds it once, and uses it again

A thousand metrics of 900 targets, and one metric with 100 000 values of the label `user`. *Typing*
uses the caches as they are after the keystroke before; *growing* adds a series before each
keystroke, as a busy store does; *first* clears the caches before each keystroke. The limit is 20 ms
at the 99th percentile of typing and of growing.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

from benchmarks.datasets import START_MS
from novaql import tsdb
from novaql.complete import complete
from novaql.tsdb.model.labels import LabelColumn, SeriesTable

TARGETS, METRICS, USERS = 900, 1000, 100_000
TARGET_BATCH = 100
_NUMBERS = itertools.count()
KINDS = ("requests_total", "errors_total", "duration_seconds_sum", "queue_length", "memory_bytes")
QUERIES = (
    "sum by (job, instance) (rate(svc042_requests_total[5m]))",
    'histogram_quantile(0.9, sum by (le) (rate(svc007_duration_seconds_sum{job="job-3"}[5m])))',
    'svc100_queue_length{instance="host-0123:9100"} > 5',
    'sum(user_requests_total{user="user-0042017"})',
    'user_requests_total{user=~"4201',
    'sum by (job) (svc123_errors_total{job=~"job-.", instance!="host-0001:9100"})',
    "svc001_memory_bytes[5m] |> avg_over_time |> sum by (job) |> topk(5)",
    "let r = rate(svc042_requests_total[5m]) in sum(r) / on (job) group_left () count(r)",
)


def _batch(first: int) -> tsdb.Batch:
    """Series of some targets: each metric of each target, in the order of metrics."""
    rows = TARGET_BATCH * METRICS
    metric, target = np.arange(rows) // TARGET_BATCH, np.arange(rows) % TARGET_BATCH
    names = [f"svc{n // len(KINDS):03d}_{KINDS[n % len(KINDS)]}" for n in range(METRICS)]
    hosts = [f"host-{first + n:04d}:9100" for n in range(TARGET_BATCH)]
    jobs = [f"job-{n}" for n in range(10)]
    return _samples(
        SeriesTable.from_columns(
            rows,
            {
                "__name__": LabelColumn((metric + 1).astype(np.int32), ("", *names)),
                "instance": LabelColumn((target + 1).astype(np.int32), ("", *hosts)),
                "job": LabelColumn((target % 10 + 1).astype(np.int32), ("", *jobs)),
            },
        )
    )


def _users() -> tsdb.Batch:
    users = [f"user-{n:07d}" for n in range(USERS)]
    codes = np.arange(1, USERS + 1, dtype=np.int32)
    name = LabelColumn.constant("user_requests_total", USERS)
    user = LabelColumn(codes, ("", *users))
    return _samples(SeriesTable.from_columns(USERS, {"__name__": name, "user": user}))


def _samples(table: SeriesTable) -> tsdb.Batch:
    rows = len(table)
    return tsdb.Batch(table, np.arange(rows), np.full(rows, START_MS), np.ones(rows))


def _build(folder: Path) -> None:
    with tsdb.open(folder, sync="os") as database:
        for first in range(0, TARGETS, TARGET_BATCH):
            database.append(_batch(first))
        database.append(_users())
        database.compact()


@click.command()
@click.option("--store", type=click.Path(path_type=Path), help="Default: a temporary folder.")
@click.option("--slow", is_flag=True, help="Print the slowest keystrokes, too.")
def main(store: Path | None, slow: bool) -> None:
    """Build a store, then complete at each keystroke of each query."""
    with tempfile.TemporaryDirectory() as place:
        folder = store or Path(place) / "store"
        if not folder.exists():
            _build(folder)
        copy = Path(shutil.copytree(folder, Path(place) / "copy"))
        with tsdb.open(copy, sync="os") as database:
            complete("s", None, database)  # opens the blocks
            before = {"typing": _nothing, "growing": _grow, "first": tsdb.Database.clear_cache}
            for name, change in before.items():
                spent = _typed(database, change)
                click.echo(f"{name}: {len(spent)} keystrokes")
                for clock, took in zip(
                    ("wall", "CPU"), np.array([s[:2] for s in spent]).T, strict=True
                ):
                    p50, p99 = np.percentile(took, (50, 99))
                    click.echo(
                        f"  {clock:<5} p50 {p50:7.2f} ms, p99 {p99:7.2f} ms, "
                        f"most {took.max():7.2f} ms"
                    )
                for _, ms, text in sorted(spent, key=lambda s: -s[1])[: 8 if slow else 0]:
                    click.echo(f"    {ms:7.2f} ms CPU  {text}")


def _nothing(database: tsdb.Database) -> None:
    """Do not clear the caches."""


def _grow(database: tsdb.Database) -> None:
    number = next(_NUMBERS)
    name, instance = f"svc{number % 200:03d}_{KINDS[0]}", f"new-{number}"
    labels = {"__name__": name, "instance": instance, "job": "job-1"}
    database.append(_samples(SeriesTable.from_dicts([labels])))


def _typed(
    database: tsdb.Database, change: Callable[[tsdb.Database], None]
) -> list[tuple[float, float, str]]:
    """Milliseconds of the clock and of the CPU, and text, of each keystroke.

    change  runs before each keystroke
    """
    spent = []
    for query in QUERIES:
        for end in range(len(query) + 1):
            change(database)
            begin, busy = time.perf_counter(), time.thread_time()
            complete(query[:end], None, database)
            wall, cpu = time.perf_counter() - begin, time.thread_time() - busy
            spent.append((1e3 * wall, 1e3 * cpu, query[:end]))
    return spent


if __name__ == "__main__":
    main()
