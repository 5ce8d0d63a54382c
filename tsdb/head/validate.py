"""Validates a batch against the contract of `Batch`."""

from __future__ import annotations

import numpy as np

from novaql.tsdb.errors import InvalidBatch
from novaql.tsdb.head.float_run import FloatSamples
from novaql.tsdb.head.histogram_run import NativeSamples
from novaql.tsdb.model.exemplars import Exemplars, SeriesExemplars
from novaql.tsdb.model.histograms import (
    COLUMNS,
    CUSTOM_SCHEMA,
    MAX_SCHEMA,
    MIN_SCHEMA,
    Buckets,
    Histograms,
    ResetHint,
)
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS

MOST_EXEMPLAR_CHARACTERS = 128
"""Limit of the names and values of the labels of one exemplar, from OpenMetrics."""


def checked(batch: Batch) -> FloatSamples:
    """Return floats with the right types; ids are rows of `series`. Raises `InvalidBatch`."""
    values = np.asarray(batch.values)
    if values.dtype != np.float64:
        raise InvalidBatch(f"values are {values.dtype}, not float64")
    if values.ndim != 1:
        raise InvalidBatch(f"values have shape {values.shape}, but must be one column")
    index, times = _places(batch, batch.series_index, batch.timestamps, len(values), "values")
    return FloatSamples(index, times, values, checked_starts(batch.starts, len(values), "values"))


def checked_native(batch: Batch) -> NativeSamples | None:
    """Return native histograms, as `checked`; None if there are none. Raises `InvalidBatch`."""
    native = batch.native
    if native is None or len(native.histograms) == 0 == len(native.timestamps):
        return None
    found = native.histograms
    problem = invalid_histograms(found)
    if problem is not None:
        raise InvalidBatch(problem)
    index, times = _places(
        batch, native.series_index, native.timestamps, len(found), "native histograms"
    )
    starts = checked_starts(native.starts, len(found), "native histograms")
    return NativeSamples(index, times, found, starts)


def checked_exemplars(batch: Batch) -> SeriesExemplars | None:
    """Return exemplars with the label sets of their series; None if there are none. Those with too
    long labels are dropped. Raises `InvalidBatch`."""
    found = batch.exemplars
    if found is None or len(found) == 0:
        return None
    count = len(found)
    if found.values.dtype != np.float64 or found.values.shape != (count,):
        raise InvalidBatch(f"exemplars: values are {found.values.dtype}{list(found.values.shape)}")
    if found.labels.rows != count:
        raise InvalidBatch(f"exemplars: {found.labels.rows} label sets for {count} of them")
    index, times = _places(batch, found.series_index, found.timestamps, count, "exemplars")
    length = np.zeros(count, np.int64)
    for name, column in found.labels.columns.items():
        size = np.array([len(name) + len(text) if text else 0 for text in column.values])
        length += size[column.codes]
    short = length <= MOST_EXEMPLAR_CHARACTERS
    values = found.values.copy()  # the caller may reuse them
    exemplars = Exemplars(index, times.copy(), values, found.labels)
    if not short.any():
        return None
    return SeriesExemplars(batch.series, exemplars).take(short).compacted()


def checked_starts(starts: Ints | None, count: int, what: str) -> Ints | None:
    """[count] Return start timestamps; None if there are none. Raises `InvalidBatch`."""
    if starts is None:
        return None
    found = _whole("starts", starts)
    if found.shape != (count,):
        raise InvalidBatch(f"starts has shape {found.shape}, but there are {count} {what}")
    if not found.any():
        return None
    if int(found.min()) < MIN_TIME_MS or int(found.max()) > MAX_TIME_MS:
        at = int(np.argmax((found < MIN_TIME_MS) | (found > MAX_TIME_MS)))
        raise InvalidBatch(f"sample {at}: {int(found[at])} ms is no start that can be stored")
    return found


def _places(
    batch: Batch, series_index: Ints, timestamps: Ints, count: int, what: str
) -> tuple[Ints, Ints]:
    index = _whole("series_index", series_index)
    times = _whole("timestamps", timestamps)
    for name, column in (("series_index", index), ("timestamps", times)):
        if column.ndim != 1 or len(column) != count:
            raise InvalidBatch(f"{name} has shape {column.shape}, but there are {count} {what}")
    if count == 0:
        return index, times
    if int(index.min()) < 0 or int(index.max()) >= batch.series.rows:
        at = int(np.argmax((index < 0) | (index >= batch.series.rows)))
        raise InvalidBatch(
            f"sample {at} belongs to series {int(index[at])}, of {batch.series.rows} in the batch"
        )
    if int(times.min()) < MIN_TIME_MS or int(times.max()) > MAX_TIME_MS:
        at = int(np.argmax((times < MIN_TIME_MS) | (times > MAX_TIME_MS)))
        raise InvalidBatch(f"sample {at}: {int(times[at])} ms is no time that can be stored")
    return index, times


def _whole(name: str, column: Ints) -> Ints:
    found = np.asarray(column)
    if found.dtype.kind not in "iu" or found.dtype == np.uint64:
        raise InvalidBatch(f"{name} is {found.dtype}, not int64")
    return found.astype(np.int64, copy=False)


def invalid_histograms(h: Histograms) -> str | None:
    """Return what is wrong with a container, in words; None if it satisfies the contract of
    `Histograms`."""
    for name, dtype in COLUMNS.items():
        column = getattr(h, name)
        if column.dtype != dtype or column.shape != (len(h.schema),):
            return f"native histograms: {name} is {column.dtype}{list(column.shape)}"
    for name, side in (("positive", h.positive), ("negative", h.negative)):
        problem = _invalid_buckets(side, len(h))
        if problem is not None:
            return f"native histograms: {name} buckets: {problem}"
    custom = h.schema == CUSTOM_SCHEMA
    if not (custom | ((h.schema >= MIN_SCHEMA) & (h.schema <= MAX_SCHEMA))).all():
        return "native histograms: there is no such schema"
    if not ((h.hint >= 0) & (h.hint <= max(ResetHint))).all():
        return "native histograms: there is no such reset hint"
    in_range = (h.bounds >= 0) & (h.bounds < len(h.custom_bounds))
    if not (np.where(custom, in_range, h.bounds == -1)).all():
        return "native histograms: bounds belong to schema -53, and only to it"
    for bounds in h.custom_bounds:
        ladder = np.array(bounds, np.float64)
        if not np.isfinite(ladder).all() or (np.diff(ladder) <= 0).any():
            return "native histograms: custom bounds must be finite and ascend"
    return None


def _invalid_buckets(side: Buckets, rows: int) -> str | None:
    offsets, index, population = side.offsets, side.index, side.population
    if index.dtype != np.int32 or population.dtype != np.float64 or offsets.dtype != np.int64:
        return f"columns are {offsets.dtype}, {index.dtype}, {population.dtype}"
    if len(offsets) != rows + 1 or len(index) != len(population):
        return f"{len(offsets)} offsets, {len(index)} numbers, {len(population)} populations"
    if offsets[0] != 0 or offsets[-1] != len(index) or (np.diff(offsets) < 0).any():
        return "offsets are wrong"
    if (population == 0).any():
        return "an empty one is listed"
    steps = index[1:] > index[:-1]
    begins = offsets[1:-1]
    steps[begins[(begins > 0) & (begins < len(index))] - 1] = True
    return None if steps.all() else "their numbers do not increase"
