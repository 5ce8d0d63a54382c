"""Bytes a sample on disk, everything included: data, index, checksums, manifest, log.

    python -m benchmarks.size                          the pinned corpus of corpus.py
    python -m benchmarks.size PEERBENCH_DATA/dataset   and the peer benchmark's data, set by set

`live` is the directory right after loading, with the store still open, once a flush that was under
way has ended; `compacted` after `Database.compact`. Bytes are those that the file system has
allocated, in whole blocks of the disk. CPU seconds are those of the process.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, standalone

from benchmarks import corpus
from novaql import tsdb
from novaql.inputs.importer import import_into
from novaql.tsdb.model.samples import Batch

SETS = {"requests": 0.40, "cpu": 0.55, "histogram": 0.9, "churn": 2.5}
"""Sets of the peer benchmark, and what their size should be at most."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The result of one data set: samples, bytes of the directory, and CPU seconds."""

    name: str
    goal: float
    samples: int
    live: int
    compacted: int
    load_s: float
    compact_s: float

    def line(self) -> str:
        live, compacted = self.live / self.samples, self.compacted / self.samples
        rate = self.samples / self.load_s / 1e6
        return (
            f"{self.name:<12}{self.samples:>12}{live:>8.3f}{compacted:>11.4f}{self.goal:>7.2f}"
            f"{'yes' if compacted <= self.goal else 'NO':>5}{rate:>10.2f}{self.compact_s:>9.1f}"
        )


HEADING = (
    f"{'set':<12}{'samples':>12}{'live':>8}{'compacted':>11}{'goal':>7}{'met':>5}"
    f"{'load M/s':>10}{'pack s':>9}"
)


def directory_bytes(folder: Path) -> int:
    """The disk usage of the files of a directory."""
    return sum(f.stat().st_blocks * 512 for f in folder.rglob("*") if f.is_file())


def settle(database: tsdb.Database) -> None:
    """Wait until a running flush has ended."""
    while database.stats().head_samples >= database.options.flush_samples:
        time.sleep(1)


def measured(name: str, goal: float, load: Loader) -> Sizes:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as place:
        folder = Path(place) / "store"
        with tsdb.open(folder, sync="interval") as database:
            began = time.process_time()
            load.into(database)
            loaded = time.process_time()
            settle(database)
            live = directory_bytes(folder)
            before = time.process_time()
            database.compact()
            after = time.process_time()
            stats = database.stats()
        return Sizes(
            name,
            goal,
            stats.block_samples,
            live,
            directory_bytes(folder),
            loaded - began,
            after - before,
        )


@dataclass(frozen=True, slots=True)
class Loader:
    """Batches, or files that are imported."""

    batches: Iterable[Batch] = ()
    files: tuple[Path, ...] = ()

    def into(self, database: tsdb.Database) -> None:
        for batch in self.batches:
            database.append(batch)
        for file in self.files:
            import_into(database, file)


def by_pcodec_alone() -> float:
    """Bytes a sample of the pinned corpus with a plain file of pcodec for each series and for the
    times of each target: it identifies the corpus for which the goal was set."""
    config = ChunkConfig(compression_level=8)
    size = 0
    for node in corpus.nodes():
        columns: list[NDArray[np.generic]] = [node.times, *node.values]
        size += sum(len(standalone.simple_compress(column, config)) for column in columns)
    return size / corpus.SAMPLES


@click.command()
@click.argument("dataset", required=False, type=click.Path(path_type=Path))
@click.option("--only", multiple=True, help="Only these sets: pinned, requests, …, all.")
def main(dataset: Path | None, only: tuple[str, ...]) -> None:
    """Print a table of sizes."""
    click.echo(HEADING)

    def row(name: str, goal: float, load: Loader) -> None:
        if not only or name in only:
            click.echo(measured(name, goal, load).line())

    row("pinned", 0.95, Loader(batches=corpus.batches()))
    if dataset is not None:
        for name, goal in SETS.items():
            row(name, goal, Loader(files=(dataset / f"{name}.samples.parquet",)))
        row("all", 0.75, Loader(files=(dataset,)))
    if not only or "pinned" in only:
        click.echo(f"pinned corpus by pcodec alone, level 8: {by_pcodec_alone():.3f}")


if __name__ == "__main__":
    main()
