"""Matrices that move on, as those of a refreshed panel do: columns come on the right, others stay.


Each is a view of one array, which has room for columns to come. A column is written once,
before anybody is given it, and never again; so whoever holds an earlier one keeps what it was, and
two views of one array agree on the columns that both have.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.labels import Bools

Cell = TypeVar("Cell", bound=np.generic)

SHARE_OF_ROOM, LEAST_ROOM = 4, 16
"""One column in so many is room for others, and at least so many are."""


class _Room(Generic[Cell]):
    """values [S, W], and valid [S, W] or None: all columns so far are whole."""

    def __init__(self, values: NDArray[Cell], valid: Bools | None, filled: int) -> None:
        self.values, self.valid = values, valid
        self._filled = filled
        self._lock = threading.Lock()

    def take(self, at: int, count: int) -> bool:
        """Columns at, at + 1, …, if nobody has taken them yet."""
        with self._lock:
            if at != self._filled or at + count > self.values.shape[1]:
                return False
            self._filled += count
            return True


@dataclass(frozen=True, slots=True, eq=False)
class Columns(Generic[Cell]):
    """Columns first … last - 1 of an array."""

    room: _Room[Cell]
    first: int
    last: int

    @classmethod
    def of(cls, values: NDArray[Cell], valid: Bools | None) -> Columns[Cell]:
        """All columns of a matrix, which nobody writes to from now on."""
        values.setflags(write=False)
        if valid is not None:
            valid.setflags(write=False)
        return cls(_Room(values, valid, values.shape[1]), 0, values.shape[1])

    def __len__(self) -> int:
        return self.last - self.first

    @property
    def nbytes(self) -> int:
        """Of all of the array."""
        valid = self.room.valid
        return self.room.values.nbytes + (0 if valid is None else valid.nbytes)

    def part(self, first: int, last: int) -> Columns[Cell]:
        """Some of the columns."""
        return Columns(self.room, self.first + first, self.first + last)

    def views(self) -> tuple[NDArray[Cell], Bools | None]:
        """Values and which of them there are (None: all), to look at alone."""
        values, valid = self.room.values[:, self.first : self.last], self.room.valid
        values.setflags(write=False)
        if valid is not None:
            valid = valid[:, self.first : self.last]
            valid.setflags(write=False)
            if valid.all():
                valid = None
        return values, valid

    def followed_by(
        self, values: NDArray[Cell], valid: Bools | None, *, kept: int
    ) -> Columns[Cell]:
        """With columns to their right; where room has to be made for these, the last `kept` of the
        columns move there, and the others are left behind."""
        count = values.shape[1]
        room, columns = self.room, self
        if (valid is not None and room.valid is None) or not room.take(self.last, count):
            columns = self.part(len(self) - kept, len(self))._moved(count, masked=valid is not None)
            room = columns.room
        end = columns.last + count
        room.values[:, columns.last : end] = values
        if room.valid is not None:
            room.valid[:, columns.last : end] = True if valid is None else valid
        return Columns(room, columns.first, end)

    def _moved(self, count: int, *, masked: bool) -> Columns[Cell]:
        """The same in an array of their own, where the next `count` columns are taken."""
        rows, kept = self.room.values.shape[0], len(self)
        width = kept + count + max(kept // SHARE_OF_ROOM, LEAST_ROOM)
        values = np.empty((rows, width), self.room.values.dtype)
        values[:, :kept], there = self.views()
        valid = None
        if masked or there is not None:
            valid = np.empty((rows, width), np.bool_)
            valid[:, :kept] = True if there is None else there
        return Columns(_Room(values, valid, kept + count), 0, kept)
