"""Whether a batch keeps the contract of `Batch`."""

from __future__ import annotations

import numpy as np

from tsdb.errors import InvalidBatch
from tsdb.labels import Ints
from tsdb.selection import MAX_TIME_MS, MIN_TIME_MS
from tsdb.tile import Batch, Floats


def checked(batch: Batch) -> tuple[Ints, Ints, Floats]:
    """(series_index, timestamps, values) with the right types. Raises `InvalidBatch`."""
    if batch.native is not None and len(batch.native.timestamps):
        # Refused rather than dropped: format 1 has no place for them.
        raise InvalidBatch("native histograms cannot be stored; only float samples can")
    index = _whole("series_index", batch.series_index)
    times = _whole("timestamps", batch.timestamps)
    values = np.asarray(batch.values)
    if values.dtype != np.float64:
        raise InvalidBatch(f"values are {values.dtype}, not float64")
    for name, column in (("series_index", index), ("timestamps", times), ("values", values)):
        if column.ndim != 1 or len(column) != len(values):
            raise InvalidBatch(
                f"{name} has shape {column.shape}, but there are {len(values)} values"
            )
    if len(values) == 0:
        return index, times, values
    if int(index.min()) < 0 or int(index.max()) >= batch.series.rows:
        at = int(np.argmax((index < 0) | (index >= batch.series.rows)))
        raise InvalidBatch(
            f"sample {at} belongs to series {int(index[at])}, of {batch.series.rows} in the batch"
        )
    if int(times.min()) < MIN_TIME_MS or int(times.max()) > MAX_TIME_MS:
        at = int(np.argmax((times < MIN_TIME_MS) | (times > MAX_TIME_MS)))
        raise InvalidBatch(f"sample {at}: {int(times[at])} ms is no time that can be stored")
    return index, times, values


def _whole(name: str, column: Ints) -> Ints:
    found = np.asarray(column)
    if found.dtype.kind not in "iu" or found.dtype == np.uint64:
        raise InvalidBatch(f"{name} is {found.dtype}, not int64")
    return found.astype(np.int64, copy=False)
