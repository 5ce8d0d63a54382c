"""Samples as single values, to and from batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.model.float_histogram import FloatHistogram
from novaql.model.histogram_columns import columns_of, histogram_at
from novaql.model.label_set import Labels, labels_of
from novaql.model.stored_hints import Stored
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch, HistogramSamples

Sample = tuple[Labels, int, Stored]
"""Series, milliseconds, value."""


def batch_of(samples: Sequence[Sample], starts: Sequence[int] | None = None) -> Batch:
    """Return a batch of the samples, in order. starts: as in `Batch`, of each sample."""
    numbers: dict[Labels, int] = {}
    rows = np.array([numbers.setdefault(key, len(numbers)) for key, _, _ in samples], np.int64)
    times = np.array([time for _, time, _ in samples], np.int64)
    is_float = np.array([isinstance(value, float) for _, _, value in samples], np.bool_)
    begun = None if starts is None else np.array(starts, np.int64)
    native = None
    if not is_float.all():
        native = HistogramSamples(
            rows[~is_float],
            times[~is_float],
            columns_of([value for _, _, value in samples if isinstance(value, FloatHistogram)]),
            None if begun is None else begun[~is_float],
        )
    return Batch(
        SeriesTable.from_dicts([dict(labels) for labels in numbers]),
        rows[is_float],
        times[is_float],
        np.array([value for _, _, value in samples if isinstance(value, float)], np.float64),
        native,
        None if begun is None else begun[is_float],
    )


def samples_of(batch: Batch) -> list[Sample]:
    """Return the samples of a batch: floats, then histograms."""
    labels = [labels_of(label_set) for label_set in batch.series]
    columns = (batch.series_index, batch.timestamps, batch.values)
    found: list[Sample] = [
        (labels[row], time, value)
        for row, time, value in zip(*(column.tolist() for column in columns), strict=True)
    ]
    if (native := batch.native) is not None:
        found += [
            (labels[row], time, histogram_at(native.histograms, number))
            for number, (row, time) in enumerate(
                zip(native.series_index.tolist(), native.timestamps.tolist(), strict=True)
            )
        ]
    return found
