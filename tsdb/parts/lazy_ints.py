"""Long columns of whole numbers of which a reader wants a few: arrays, or pieces of a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.labels import Bools, Ints


class Directory(Protocol):
    """An array of whole numbers is one. What is asked for may raise what reading it raises."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, places: Ints | Bools, /) -> Ints: ...
    @overload
    def __getitem__(self, places: slice, /) -> Ints: ...


def whole(directory: Directory) -> Ints:
    """All of it."""
    return directory if isinstance(directory, np.ndarray) else directory[:]


class Pieces:
    """`Directory` whose pieces are made when one of their numbers is asked for, and kept.

    Memory is taken for what is there only, and no more of it than the largest number needs: every
    block that a query touched keeps such columns. Safe to use from several threads.
    """

    def __init__(
        self,
        count: int,
        each: int,
        make: Callable[[int], NDArray[Any]],
        below: int | None = None,
        dtype: type[np.integer[Any]] = np.int64,
    ) -> None:
        """make: the numbers of a piece, given its own number; each: how many are in one, but for
        the last, which may be shorter; below: no number is negative or as large as this (None:
        they may be); dtype: as which they are handed out."""
        self.each = each
        self._make = make
        self._dtype = np.dtype(dtype)
        self._numbers: NDArray[Any] = np.empty(count, narrowest(below, self._dtype))
        self._narrow = self._numbers.dtype != self._dtype
        self._missing = np.ones(-(-count // each), np.bool_)
        self._complete = False

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, places: Ints | Bools | slice) -> NDArray[Any]:
        if not self._complete:
            self._need(places)
        found = self._numbers[places]
        return found.astype(self._dtype) if self._narrow else found

    def as_kept(self, places: Ints | Bools | slice) -> NDArray[Any]:
        """The same, of the type that they are kept as."""
        if not self._complete:
            self._need(places)
        return self._numbers[places]

    def of_piece(self, number: int) -> slice:
        """Which places are in a piece."""
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
            # Two threads may do so at once; both write the same.
            self._numbers[self.of_piece(number)] = self._make(number)
            self._missing[number] = False
        self._complete = not self._missing.any()


def narrowest(below: int | None, otherwise: np.dtype[Any]) -> np.dtype[Any]:
    """The smallest type for numbers from 0 to below - 1, if it is smaller than `otherwise`."""
    if below is None:
        return otherwise
    found = np.min_scalar_type(max(below - 1, 0))
    return found if found.itemsize < otherwise.itemsize else otherwise


def running(
    directory: Pieces,
    lengths: Callable[[slice], Ints],
    bases: tuple[int, ...],
    total: int | None = None,
) -> Pieces:
    """Where each of many things begins that stand one behind the other, piece by piece.

    lengths: of the things of these places of `directory`; bases: where the first one of each piece
    of it begins; total: where the last one ends, if that is known.
    """

    def make(number: int) -> Ints:
        sizes = lengths(directory.of_piece(number))
        begins: Ints = np.cumsum(sizes) - sizes + bases[number]
        return begins

    return Pieces(len(directory), directory.each, make, None if total is None else total + 1)
