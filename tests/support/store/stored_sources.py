"""Copies a source into a store on disk: some of its samples are in blocks, some in the head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from novaql import tsdb
from novaql.tsdb.model.histograms import Histograms, concat_histograms
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Batch, HistogramSamples
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Source

_NONE = np.zeros(0, np.int64)


def stored(source: Source, path: Path) -> tsdb.Database:
    """A new store with the samples of a source. Every third time is in a block, every third in the
    head, and the rest in a second block that overlaps both."""
    batch = batch_from(source)
    database = tsdb.open(path, sync="os")
    for third in (0, 1, 2):
        database.append(_every_third(batch, third))
        if third < 2:
            database.flush()
    return database


def batch_from(source: Source) -> Batch:
    """All samples of a source."""
    selection = source.select([], MIN_TIME_MS, MAX_TIME_MS)
    views = [view.ragged() for view in selection.views()]
    rows, starts = [_NONE], [_NONE]
    for view in views:
        rows.append(view.owners())
        starts.append(np.zeros(len(view.values), np.int64) if view.starts is None else view.starts)
    native = [ref.load() for ref in selection.histograms]
    return Batch(
        selection.series,
        np.concatenate(rows),
        np.concatenate([_NONE, *(view.timestamps for view in views)]),
        np.concatenate([np.zeros(0), *(view.values for view in views)]),
        HistogramSamples(
            _joined([np.repeat(part.rows, np.diff(part.offsets)) for part in native]),
            _joined([part.timestamps for part in native]),
            concat_histograms([part.histograms for part in native])
            if native
            else Histograms.none(),
            _joined(
                [np.zeros_like(t.timestamps) if t.starts is None else t.starts for t in native]
            ),
        ),
        np.concatenate(starts),
    )


def _joined(columns: Sequence[Ints]) -> Ints:
    return np.concatenate([_NONE, *columns])


def _every_third(batch: Batch, which: int) -> Batch:
    """The samples at every third of the batch's times."""
    native = batch.native
    assert native is not None
    assert native.starts is not None
    assert batch.starts is not None
    every = np.unique(np.concatenate([batch.timestamps, native.timestamps]))
    floats = np.flatnonzero(np.searchsorted(every, batch.timestamps) % 3 == which)
    held = np.flatnonzero(np.searchsorted(every, native.timestamps) % 3 == which)
    return Batch(
        batch.series,
        batch.series_index[floats],
        batch.timestamps[floats],
        batch.values[floats],
        HistogramSamples(
            native.series_index[held],
            native.timestamps[held],
            native.histograms.take(held),
            native.starts[held],
        ),
        batch.starts[floats],
    )
