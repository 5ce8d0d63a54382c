"""The series of the pieces that were indexed, numbered once for all of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.parquet.piece import Piece, PieceIndex
from novaql.tsdb.model.labels import Ints, SeriesTable, concat_tables


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A piece, its index, and the number of each series of the index."""

    piece: Piece
    index: PieceIndex
    numbers: Ints


class Catalog:
    """Numbers series. A number never changes. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series = SeriesTable.unlabelled(0)
        self._known: dict[int, Known] = {}

    def known(self, pieces: Sequence[Piece]) -> tuple[SeriesTable, list[Known]]:
        """All series that the catalog has now, by number, and the series of these pieces. Reads
        pieces that are new. Raises `InputError`."""
        with self._lock:
            new = [piece for piece in pieces if id(piece) not in self._known]
            if new:
                self._add(new)
            return self._series, [self._known[id(piece)] for piece in pieces]

    def _add(self, pieces: Sequence[Piece]) -> None:
        indexes = [piece.index() for piece in pieces]
        before = len(self._series)
        joined = concat_tables([self._series, *(index.series for index in indexes)])
        keys = joined.keys()
        number_of = np.full(int(keys.max(initial=-1)) + 1, -1)
        number_of[keys[:before]] = np.arange(before)
        found, firsts = np.unique(keys[before:], return_index=True)
        unknown = number_of[found] < 0
        order = np.argsort(firsts[unknown])
        firsts = firsts[unknown][order]
        number_of[found[unknown][order]] = before + np.arange(len(firsts))
        self._series = joined.take(np.concatenate([np.arange(before), before + firsts]))
        at = before
        for piece, index in zip(pieces, indexes, strict=True):
            numbers = number_of[keys[at : at + len(index.series)]]
            self._known[id(piece)] = Known(piece, index, numbers)
            at += len(index.series)
