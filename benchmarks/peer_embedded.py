"""NovaQL as an embedded system of the peer benchmark, which times the same queries on its peers.

`run.py --embedded nova=benchmarks.peer_embedded:open_dataset`: the data set is loaded once into a
store beside it. Times are seconds; `match` is a list of selectors.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from novaql import Result, query, tsdb
from novaql.inputs.importer import import_into
from novaql.selectors import matcher_sets
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats

Matrix = tuple[list[dict[str, str]], Ints, Floats]
"""Labels of each series, milliseconds [T], values [S, T] with NaN where there is none."""


class Dataset:
    """The peer benchmark's calls, answered by a store opened for reading."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._database = tsdb.open(folder, read_only=True, **options)

    # The peer is a Prometheus 2, whose ranges include their left end.

    def instant(self, text: str, time: float) -> Matrix:
        return matrix(query(text, self._database, time=time, timeout=None, left_closed=True))

    def range(self, text: str, start: float, end: float, step: float) -> Matrix:
        data = self._database
        return matrix(
            query(text, data, start=start, end=end, step=step, timeout=None, left_closed=True)
        )

    def labels(self, match: Sequence[str], start: float, end: float) -> list[str]:
        return self._database.label_names(matcher_sets(match), *milliseconds(start, end))

    def label_values(self, name: str, match: Sequence[str], start: float, end: float) -> list[str]:
        return self._database.label_values(name, matcher_sets(match), *milliseconds(start, end))

    def series(self, match: Sequence[str], start: float, end: float) -> list[dict[str, str]]:
        return self._database.series(matcher_sets(match), *milliseconds(start, end)).dicts()

    def forget(self) -> None:
        """Drop decoded pages and batches: the next query reads what it needs from the files."""
        self._database.clear_pages()

    def close(self) -> None:
        self._database.close()


def matrix(result: Result) -> Matrix:
    values = result.values
    if result.valid is not None:
        values = np.where(result.valid, values, np.nan)
    return result.series.dicts(), result.times_ms, values


def milliseconds(start: float, end: float) -> tuple[int, int]:
    return round(start * 1000), round(end * 1000)


def open_dataset(dataset: str | Path) -> Dataset:
    """The data set in `dataset` (pairs of Parquet files), loaded into a store beside it if need be.

    A load that was cut short is begun again.
    """
    source = Path(dataset)
    folder = source.parent / "novaql"
    finished = folder / "LOADED"
    if not finished.exists():
        shutil.rmtree(folder, ignore_errors=True)
        with tsdb.open(folder, sync="os") as database:
            import_into(database, source)
            database.flush()
            database.maintain()  # the store's own thread, or a server, does this within minutes
        finished.touch()
    return Dataset(folder)
