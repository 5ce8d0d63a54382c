"""Streams of batches: the form in which every input is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.replaced_samples import overwritten, warnings_of
from novaql.inputs.tables.table_source import TableSource
from novaql.tsdb.model.flat_arrays import joined_starts
from novaql.tsdb.model.histograms import concat_histograms
from novaql.tsdb.model.labels import SeriesTable, concat_tables
from novaql.tsdb.model.samples import Batch, HistogramSamples
from novaql.tsdb.model.source import Metadata

Progress = Callable[[int, int], None]
"""Called now and then from the reading thread, with the bytes read so far and the bytes in all."""


def no_progress(done: int, total: int) -> None:
    """A `Progress` that does nothing."""


@dataclass(slots=True)
class BatchStream:
    """Batches that can be read once.

    metadata  complete when `batches` is exhausted
    files     number of files opened so far
    """

    batches: Iterator[Batch]
    metadata: dict[str, Metadata] = field(default_factory=dict)
    files: int = 0

    def collect(self) -> TableSource:
        """Everything, as a source in memory. Raises `InputError`."""
        batches = list(self.batches)
        notes = warnings_of(overwritten(batches), "the data")
        return TableSource(concat_batches(batches), self.metadata, notes=notes)


def concat_batches(batches: Iterable[Batch]) -> Batch:
    """All samples in one batch, in order. A table that several batches share is in it once."""
    some = list(batches)
    if len(some) == 1:
        return some[0]
    if not some:
        none = np.zeros(0, np.int64)
        return Batch(SeriesTable.unlabelled(0), none, none, np.zeros(0))
    tables: list[SeriesTable] = []
    first_row: dict[int, int] = {}
    rows = 0
    for batch in some:
        if id(batch.series) not in first_row:
            first_row[id(batch.series)] = rows
            tables.append(batch.series)
            rows += len(batch.series)
    firsts = [first_row[id(batch.series)] for batch in some]
    return Batch(
        concat_tables(tables),
        np.concatenate(
            [batch.series_index + first for batch, first in zip(some, firsts, strict=True)]
        ),
        np.concatenate([batch.timestamps for batch in some]),
        np.concatenate([batch.values for batch in some]),
        joined_native(
            [(b.native, first) for b, first in zip(some, firsts, strict=True) if b.native]
        ),
        joined_starts([(batch.starts, len(batch.values)) for batch in some]),
    )


def joined_native(parts: Sequence[tuple[HistogramSamples, int]]) -> HistogramSamples | None:
    """All in order. Each is given with the row of the new table at which its own one begins."""
    if not parts:
        return None
    return HistogramSamples(
        np.concatenate([part.series_index + first for part, first in parts]),
        np.concatenate([part.timestamps for part, _ in parts]),
        concat_histograms([part.histograms for part, _ in parts]),
        joined_starts([(part.starts, len(part.timestamps)) for part, _ in parts]),
    )
