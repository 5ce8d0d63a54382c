"""Long columns of whole numbers of which a reader wants a few: arrays, or pieces of a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from tsdb.labels import Bools, Ints


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

    Memory is taken for what is there only. Safe to use from several threads.
    """

    def __init__(
        self,
        count: int,
        each: int,
        make: Callable[[int], NDArray[Any]],
        dtype: type[np.integer[Any]] = np.int64,
    ) -> None:
        """make: the numbers of a piece, given its own number; each: how many are in one, but for
        the last, which may be shorter."""
        self.each = each
        self._make = make
        self._numbers: NDArray[Any] = np.empty(count, dtype)
        self._missing = np.ones(-(-count // each), np.bool_)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, places: Ints | Bools | slice) -> NDArray[Any]:
        if self._missing.any():
            self._need(places)
        return self._numbers[places]

    def of_piece(self, number: int) -> slice:
        """Which places are in a piece."""
        return slice(number * self.each, min((number + 1) * self.each, len(self)))

    def _need(self, places: Ints | Bools | slice) -> None:
        wanted = np.zeros(len(self._missing), np.bool_)
        if isinstance(places, slice):
            begin, end, _ = places.indices(len(self))
            wanted[begin // self.each : -(-end // self.each)] = True
        else:
            numbers = places.nonzero()[0] if places.dtype == np.bool_ else places
            wanted[numbers // self.each] = True
        for number in (wanted & self._missing).nonzero()[0].tolist():
            # Two threads may do so at once; both write the same.
            self._numbers[self.of_piece(number)] = self._make(number)
            self._missing[number] = False


def running(directory: Pieces, lengths: Callable[[slice], Ints], bases: tuple[int, ...]) -> Pieces:
    """Where each of many things begins that stand one behind the other, piece by piece.

    lengths: of the things of these places of `directory`; bases: where the first one of each piece
    of it begins.
    """

    def make(number: int) -> Ints:
        sizes = lengths(directory.of_piece(number))
        begins: Ints = np.cumsum(sizes) - sizes + bases[number]
        return begins

    return Pieces(len(directory), directory.each, make)
