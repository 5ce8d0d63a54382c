"""A matrix of samples that grows by columns, as the result of a refreshed panel does.

Each matrix is a range of columns of a buffer with spare columns on the right. A column is written
once, before any matrix contains it, and never changes. So appending usually copies nothing, and an
earlier matrix of the same buffer stays valid.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from novaql.tsdb.model.labels import Bools
from novaql.tsdb.model.samples import Floats

SPARE_SHARE, LEAST_SPARE = 4, 16
"""A new buffer has a spare column for each 4 columns, and at least 16."""


class _Buffer:
    """values [S, W]; valid [S, W], or None: all columns so far are valid."""

    def __init__(self, values: Floats, valid: Bools | None, filled: int) -> None:
        self.values, self.valid = values, valid
        self._filled = filled
        self._lock = threading.Lock()

    def acquire(self, first: int, count: int) -> bool:
        """Reserve the columns from `first`, unless another thread has, or the buffer is full."""
        with self._lock:
            if first != self._filled or first + count > self.values.shape[1]:
                return False
            self._filled += count
            return True


@dataclass(frozen=True, slots=True, eq=False)
class AppendOnlyMatrix:
    """The columns from `first` to `last`, exclusive, of a buffer. Immutable and thread-safe."""

    buffer: _Buffer
    first: int
    last: int

    @classmethod
    def of(cls, values: Floats, valid: Bools | None) -> AppendOnlyMatrix:
        """Return a matrix of these arrays, which become read-only."""
        values.setflags(write=False)
        if valid is not None:
            valid.setflags(write=False)
        return cls(_Buffer(values, valid, values.shape[1]), 0, values.shape[1])

    def __len__(self) -> int:
        return self.last - self.first

    @property
    def nbytes(self) -> int:
        """Size of the buffer."""
        valid = self.buffer.valid
        return self.buffer.values.nbytes + (0 if valid is None else valid.nbytes)

    def columns(self, first: int, last: int) -> AppendOnlyMatrix:
        """Return the columns from `first` to `last`, exclusive."""
        return AppendOnlyMatrix(self.buffer, self.first + first, self.first + last)

    def views(self) -> tuple[Floats, Bools | None]:
        """Return read-only views of the values, and of which are valid (None: all)."""
        values, valid = self.buffer.values[:, self.first : self.last], self.buffer.valid
        values.setflags(write=False)
        if valid is not None:
            valid = valid[:, self.first : self.last]
            valid.setflags(write=False)
            if valid.all():
                valid = None
        return values, valid

    def append(self, values: Floats, valid: Bools | None, *, retain: int) -> AppendOnlyMatrix:
        """Return a matrix with more columns on the right.

        retain  columns of this matrix that the new one has if it needs a new buffer: the last ones
        """
        count = values.shape[1]
        buffer, matrix = self.buffer, self
        if (valid is not None and buffer.valid is None) or not buffer.acquire(self.last, count):
            retained = self.columns(len(self) - retain, len(self))
            matrix = retained._copied(count, masked=valid is not None)
            buffer = matrix.buffer
        end = matrix.last + count
        buffer.values[:, matrix.last : end] = values
        if buffer.valid is not None:
            buffer.valid[:, matrix.last : end] = True if valid is None else valid
        return AppendOnlyMatrix(buffer, matrix.first, end)

    def _copied(self, count: int, *, masked: bool) -> AppendOnlyMatrix:
        """Copy the matrix to a new buffer, in which the next `count` columns are acquired."""
        rows, columns = self.buffer.values.shape[0], len(self)
        width = columns + count + max(columns // SPARE_SHARE, LEAST_SPARE)
        values = np.empty((rows, width))
        values[:, :columns], old_valid = self.views()
        valid = None
        if masked or old_valid is not None:
            valid = np.empty((rows, width), np.bool_)
            valid[:, :columns] = True if old_valid is None else old_valid
        return AppendOnlyMatrix(_Buffer(values, valid, columns + count), 0, columns)
