"""Samples with start timestamps, one by one, and those that a source returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Source
from tests.support.store.model import Labels, batch_of, bits, key_of
from tests.support.store.stored_histograms import Native, natives_of

StartedSample = tuple[Mapping[str, str], int, float | Native, int]
"""Labels, milliseconds, value or histogram, start timestamp (0: none)."""
Started = dict[tuple[Labels, int], tuple[int | Native, int]]
"""(series, time) → (bits of the value, or the histogram; start timestamp)."""


def started_batch(samples: Sequence[StartedSample]) -> tuple[Batch, Started]:
    """A batch of samples, and those that have precedence: histograms count as later than floats."""
    floats = [s for s in samples if not isinstance(s[2], Native)]
    native = [s for s in samples if isinstance(s[2], Native)]
    batch = batch_of([(labels, time, value) for labels, time, value, _ in samples])
    batch = replace(batch, starts=np.array([s[3] for s in floats], np.int64))
    if batch.native is not None:
        starts = np.array([s[3] for s in native], np.int64)
        batch = replace(batch, native=replace(batch.native, starts=starts))
    last: Started = {}
    for labels, time, value, start in (*floats, *native):
        stored = value if isinstance(value, Native) else bits(value)
        last[key_of(labels), time] = (stored, start)
    return batch, last


def read_started(source: Source) -> Started:
    """All samples of a source."""
    selection = source.select([], MIN_TIME_MS, MAX_TIME_MS)
    keys = [key_of(labels) for labels in selection.series]
    found: Started = {}
    for view in selection.views():
        flat = view.ragged()
        assert flat.offsets is not None
        owners = np.repeat(flat.rows, np.diff(flat.offsets)).tolist()
        patterns = np.ascontiguousarray(flat.values).view(np.uint64).tolist()
        starts = [0] * len(owners) if flat.starts is None else flat.starts.tolist()
        for row, time, pattern, start in zip(
            owners, flat.timestamps.tolist(), patterns, starts, strict=True
        ):
            found[keys[row], time] = (pattern, start)
    for native in selection.histograms:
        held = native.load()
        owners = np.repeat(held.rows, np.diff(held.offsets)).tolist()
        starts = [0] * len(owners) if held.starts is None else held.starts.tolist()
        for row, time, histogram, start in zip(
            owners, held.timestamps.tolist(), natives_of(held.histograms), starts, strict=True
        ):
            found[keys[row], time] = (histogram, start)
    return found
