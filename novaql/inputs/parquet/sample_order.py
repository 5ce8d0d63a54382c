"""Samples that come row group by row group → columns in order of series, then time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.inputs.sample_batches import batch_of_columns
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Bools, Floats, Ints
from novaql.tsdb.model.series_batch import SeriesBatch

_RADIX_SORTED = 1 << 16
"""NumPy sorts numbers of 16 bits by radix."""


class SampleOrder:
    """Writes samples directly to their final places, so that each is in memory once.

    capacity  [S] at most so many samples of each series
    """

    def __init__(self, capacity: Ints) -> None:
        self._offsets = np.append(0, np.cumsum(capacity)).astype(np.int64)
        self._filled = np.zeros(len(capacity), np.int64)
        size = int(self._offsets[-1])
        self._times = np.empty(size, np.int64)
        self._values = np.empty(size, np.float64)
        self._starts: Ints | None = None

    def add(self, series: Ints, times: Ints, values: Floats, starts: Ints | None) -> None:
        """Add samples in the order of the file. series: the number of the series of each sample."""
        if len(series) == 0:
            return
        if not (series[1:] >= series[:-1]).all():
            keys = series.astype(np.uint16) if len(self._filled) <= _RADIX_SORTED else series
            order = np.argsort(keys, kind="stable")
            series, times, values = series[order], times[order], values[order]
            starts = None if starts is None else starts[order]
        begins = np.append(0, np.flatnonzero(series[1:] != series[:-1]) + 1)
        lengths = np.diff(begins, append=len(series))
        of = series[begins]
        at = flat_positions(self._offsets[of] + self._filled[of], lengths)
        self._times[at] = times
        self._values[at] = values
        if starts is not None:
            if self._starts is None:
                self._starts = np.zeros(len(self._times), np.int64)
            self._starts[at] = starts
        self._filled[of] += lengths

    def finish(self, rows: Ints) -> tuple[SeriesBatch, Ints]:
        """The samples, and how many of each series were replaced by a later one of the same time
        with another value.

        rows  row number of each series, increasing
        """
        offsets, times, values, starts = self._offsets, self._times, self._values, self._starts
        self._times, self._values = np.zeros(0, np.int64), np.zeros(0)  # the batch alone has them
        if not np.array_equal(self._filled, np.diff(offsets)):
            at = flat_positions(offsets[:-1], self._filled)
            times, values = _moved(times, at), _moved(values, at)
            starts = None if starts is None else _moved(starts, at)
            offsets = np.append(0, np.cumsum(self._filled))
        replaced = np.zeros(len(rows), np.int64)
        later = np.diff(times) > 0
        later[offsets[(offsets > 0) & (offsets < len(times))] - 1] = True
        if not later.all():
            owner = np.repeat(np.arange(len(rows)), np.diff(offsets))
            order = np.lexsort((times, owner))  # stable: a later duplicate stays behind
            owner, times, values = owner[order], times[order], values[order]
            last = _last_of_equal(owner, times)
            bits = values.view(np.int64)
            changed = ~last
            changed[:-1] &= bits[1:] != bits[:-1]
            np.add.at(replaced, owner[changed], 1)
            times, values = times[last], values[last]
            starts = None if starts is None else starts[order][last]
            offsets = np.append(0, np.cumsum(np.bincount(owner[last], minlength=len(rows))))
        some = np.diff(offsets) > 0
        cuts = np.append(offsets[:-1][some], offsets[-1])
        return batch_of_columns(rows[some], cuts, times, values, starts), replaced


def _last_of_equal(owner: Ints, times: Ints) -> Bools:
    """Whether the next sample has another series or time, for each sample."""
    return np.append((owner[1:] != owner[:-1]) | (times[1:] != times[:-1]), True)[: len(owner)]


def _moved(array: NDArray[Any], at: Ints) -> NDArray[Any]:
    """The elements at increasing places, in the memory of the array. A copy would outlive the array
    and leave holes in the heap that are too small for later arrays."""
    array[: len(at)] = array[at]
    return array[: len(at)]
