"""Long columns of whole numbers of which readers need a few: arrays, or pages that are read on
demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.runtime.lru_cache import ignored


class Directory(Protocol):
    """A column of whole numbers: an array, or a `Pieces`. A read may raise what its pages raise."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, places: Ints | Bools, /) -> Ints: ...
    @overload
    def __getitem__(self, places: slice, /) -> Ints: ...


def whole(directory: Directory) -> Ints:
    """Return all numbers."""
    return directory if isinstance(directory, np.ndarray) else directory[:]


class Pieces:
    """A `Directory` that computes a piece when one of its numbers is first read, and caches it.

    Memory is allocated only for pieces that exist, in the narrowest type for the largest number,
    since every block that a query has read holds such columns. Safe to use from several threads.
    """

    def __init__(
        self,
        count: int,
        each: int,
        make: Callable[[int], NDArray[Any]],
        below: int | None = None,
        dtype: type[np.integer[Any]] = np.int64,
        *,
        grew: Callable[[int], None] = ignored,
    ) -> None:
        """make: returns the numbers of a piece, given its index; each: numbers in a piece, except
        for the last, which may be shorter; below: all numbers are in [0, below), None: unknown;
        dtype: type of the numbers that are returned; grew: called with the bytes of each piece."""
        self.each = each
        self._grew = grew
        self._make = make
        self._dtype = np.dtype(dtype)
        self._numbers: NDArray[Any] = np.empty(count, narrowest(below, self._dtype))
        self._narrow = self._numbers.dtype != self._dtype
        self._missing = np.ones(-(-count // each), np.bool_)
        self._complete = False

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, places: Ints | Bools | slice) -> NDArray[Any]:
        found = self.stored(places)
        return found.astype(self._dtype) if self._narrow else found

    def stored(self, places: Ints | Bools | slice) -> NDArray[Any]:
        """Return numbers in the narrow type in which they are stored."""
        if not self._complete:
            self._need(places)
        return self._numbers[places]

    def of_piece(self, number: int) -> slice:
        """Return the positions of a piece."""
        return slice(number * self.each, min((number + 1) * self.each, len(self)))

    def _need(self, places: Ints | Bools | slice) -> None:
        if isinstance(places, slice):
            begin, end, _ = places.indices(len(self))
            wanted = np.zeros(len(self._missing), np.bool_)
            wanted[begin // self.each : -(-end // self.each)] = True
        else:
            pieces = (places.nonzero()[0] if places.dtype == np.bool_ else places) // self.each
            if not np.count_nonzero(self._missing[pieces]):
                return
            wanted = np.zeros(len(self._missing), np.bool_)
            wanted[pieces] = True
        for number in (wanted & self._missing).nonzero()[0].tolist():
            # Two threads may compute the same piece; both write the same numbers.
            of_piece = self._numbers[self.of_piece(number)]
            of_piece[:] = self._make(number)
            self._missing[number] = False
            self._grew(of_piece.nbytes)
        self._complete = not self._missing.any()


def narrowest(below: int | None, otherwise: np.dtype[Any]) -> np.dtype[Any]:
    """Return the smallest type for numbers in [0, below), if it is smaller than `otherwise`."""
    if below is None:
        return otherwise
    found = np.min_scalar_type(max(below - 1, 0))
    return found if found.itemsize < otherwise.itemsize else otherwise


def running(
    directory: Pieces,
    lengths: Callable[[slice], Ints],
    bases: tuple[int, ...],
    total: int | None = None,
    *,
    grew: Callable[[int], None] = ignored,
) -> Pieces:
    """Return the position at which each of many adjacent ranges begins, computed piece by piece.

    lengths: returns the lengths of the ranges at these positions of `directory`; bases: where the
    first range of each piece begins; total: where the last one ends, if that is known; grew: as of
    `Pieces`.
    """

    def make(number: int) -> Ints:
        sizes = lengths(directory.of_piece(number))
        begins: Ints = np.cumsum(sizes) - sizes + bases[number]
        return begins

    below = None if total is None else total + 1
    return Pieces(len(directory), directory.each, make, below, grew=grew)
