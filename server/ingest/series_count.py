"""Count the distinct series of a body while its batches are read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from novaql.inputs import LabelLimits
from novaql.tsdb import Batch, Ints, SeriesTable

_Hashes = NDArray[np.uint64]
_MIX = np.uint64(0x9E3779B97F4A7C15)
_FEW = 1 << 16


class SeriesCount:
    """Counts distinct series by 64-bit hashes; does not hash a body of one batch.

    limits  `series` is the limit of the count
    """

    def __init__(self, limits: LabelLimits) -> None:
        self._limits = limits
        self._first: tuple[SeriesTable, Ints] | None = None
        self._seen: _Hashes = np.zeros(0, np.uint64)
        self._fresh: list[_Hashes] = []
        self._waiting = 0

    def add(self, batch: Batch) -> None:
        """Count the series of a batch. Raises `LimitExceeded`."""
        native = batch.native
        rows = [batch.series_index] if native is None else [batch.series_index, native.series_index]
        used = np.unique(np.concatenate(rows))
        self._limits.check_series(len(used))
        if self._first is None and not len(self._seen) and not self._fresh:
            self._first = batch.series, used
            return
        if self._first is not None:
            self._put(_hashes(*self._first))
            self._first = None
        self._put(_hashes(batch.series, used))

    def _put(self, hashes: _Hashes) -> None:
        self._fresh.append(hashes)
        self._waiting += len(hashes)
        if self._waiting > max(_FEW, len(self._seen)):
            self._limits.check_series(self.total())

    def total(self) -> int:
        """The number of distinct series."""
        if self._first is not None:
            return len(self._first[1])
        if self._fresh:
            self._seen = np.unique(np.concatenate([self._seen, *self._fresh]))
            self._fresh, self._waiting = [], 0
        return len(self._seen)


def _hashes(table: SeriesTable, rows: Ints) -> _Hashes:
    """A hash of each label set, independent of the columns of its table."""
    found: _Hashes = np.zeros(len(rows), np.uint64)
    for name, column in table.columns.items():
        codes, place = np.unique(column.codes[rows], return_inverse=True)
        of_values = np.fromiter(
            (hash((name, column.values[code])) if code else 0 for code in codes.tolist()),
            np.int64,
            len(codes),
        ).view(np.uint64)
        found += ((of_values ^ (of_values >> np.uint64(29))) * _MIX)[place]
    return found
