"""A matrix of samples that grows by columns, as the result of a refreshed panel does.

Each matrix is a range of columns of a buffer with spare columns on the right. A column is written
once, before any matrix contains it, and never changes. So appending usually copies nothing, an
earlier matrix of the same buffer stays valid, and texts of values stay true: a buffer caches those
that answers contain, so a refreshed panel converts only its new values to text (`CachedTexts`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import Bools
from novaql.tsdb.model.samples import Floats

SPARE_SHARE, LEAST_SPARE = 4, 16
"""A new buffer has a spare column for each 4 columns, and at least 16."""


CELL_WORDS = 3
"""Words of 8 bytes that a cached text has: 23 bytes, and in the last byte its length."""

Cells = NDArray[np.uint64]
"""[S, J, CELL_WORDS] texts of values; the length is 0 where a text is too long."""

WriteCells = Callable[[Floats, Cells], None]


class _Buffer:
    """values [S, W]; valid [S, W], or None: all columns so far are valid.

    most_text_bytes  texts are cached if all of them take at most so many bytes
    """

    def __init__(
        self, values: Floats, valid: Bools | None, filled: int, *, most_text_bytes: int
    ) -> None:
        self.values, self.valid = values, valid
        self._filled = filled
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._cells: Cells | None = None
        self._written = 0, 0  # columns of `_cells`
        size = 8 * CELL_WORDS * values.size
        self._cell_bytes = size if size <= most_text_bytes else 0

    @property
    def nbytes(self) -> int:
        """Size of the arrays, with that of the texts before they exist."""
        valid = 0 if self.valid is None else self.valid.nbytes
        return self.values.nbytes + valid + self._cell_bytes

    def acquire(self, first: int, count: int) -> bool:
        """Reserve the columns from `first`, unless another thread has, or the buffer is full."""
        with self._lock:
            if first != self._filled or first + count > self.values.shape[1]:
                return False
            self._filled += count
            return True

    def cells(self, first: int, last: int, write: WriteCells) -> Cells | None:
        """Return the texts of columns; see `CachedTexts.cells`."""
        if not self._cell_bytes or not self._writing.acquire(blocking=False):
            return None
        try:
            if self._cells is None:
                self._cells = np.empty((*self.values.shape, CELL_WORDS), np.uint64)
                self._written = first, first
            begin, end = self._written
            if first < begin:
                return None
            if end < last:
                write(self.values[:, end:last], self._cells[:, end:last])
                self._written = begin, last
            return self._cells[:, first:last]
        finally:
            self._writing.release()


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
        buffer = _Buffer(values, valid, values.shape[1], most_text_bytes=0)
        return cls(buffer, 0, values.shape[1])

    def __len__(self) -> int:
        return self.last - self.first

    @property
    def nbytes(self) -> int:
        """Size of the buffer."""
        return self.buffer.nbytes

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

    def append(
        self, values: Floats, valid: Bools | None, *, retain: int, most_text_bytes: int
    ) -> AppendOnlyMatrix:
        """Return a matrix with more columns on the right.

        If it needs a new buffer, that has the last `retain` columns of this matrix, and caches
        texts if all of them take at most `most_text_bytes`.
        """
        count = values.shape[1]
        buffer, matrix = self.buffer, self
        if (valid is not None and buffer.valid is None) or not buffer.acquire(self.last, count):
            retained = self.columns(len(self) - retain, len(self))
            matrix = retained._copied(
                count, masked=valid is not None, most_text_bytes=most_text_bytes
            )
            buffer = matrix.buffer
        end = matrix.last + count
        buffer.values[:, matrix.last : end] = values
        if buffer.valid is not None:
            buffer.valid[:, matrix.last : end] = True if valid is None else valid
        return AppendOnlyMatrix(buffer, matrix.first, end)

    def _copied(self, count: int, *, masked: bool, most_text_bytes: int) -> AppendOnlyMatrix:
        """Copy the matrix to a new buffer, in which the next `count` columns are acquired."""
        rows, columns = self.buffer.values.shape[0], len(self)
        width = columns + count + max(columns // SPARE_SHARE, LEAST_SPARE)
        values = np.empty((rows, width))
        values[:, :columns], old_valid = self.views()
        valid = None
        if masked or old_valid is not None:
            valid = np.empty((rows, width), np.bool_)
            valid[:, :columns] = True if old_valid is None else old_valid
        buffer = _Buffer(values, valid, columns + count, most_text_bytes=most_text_bytes)
        return AppendOnlyMatrix(buffer, 0, columns)


class CachedTexts:
    """The texts of an array of values, which is a view of a matrix: pickled as None."""

    __slots__ = ("_matrix", "_values")

    def __init__(self, matrix: AppendOnlyMatrix, values: Floats) -> None:
        self._matrix, self._values = matrix, values

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()

    def cells(self, values: Floats, write: WriteCells) -> Cells | None:
        """Return the texts of these values, read-only; None if they are not cached.

        values  the array itself, not a copy or a part of it: otherwise its texts are not cached
        write   writes the texts of values that are not cached yet; no other thread writes at the
                same time, which would get None
        """
        if values is not self._values:
            return None
        return self._matrix.buffer.cells(self._matrix.first, self._matrix.last, write)
