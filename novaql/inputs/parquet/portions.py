"""How the series of a selection are divided into batches, each of which reads some row groups.

Files that are sorted by series have few series in each row group: a batch of about half a million
samples reads just these. In files that are sorted by time, each row group has all series, and each
batch has to read all of them: there are at most `PASSES` batches then, or more that are small.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.parquet.catalog import Known
from novaql.tsdb.model.labels import Floats, Ints

SAMPLES = 1 << 19
"""Samples of a batch. Twice as many if batches share row groups."""

PASSES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Portion:
    """Series that are read together.

    rows      in the selection, increasing
    capacity  [len(rows)] at most so many samples of each in the range
    known     the pieces that have some
    samples   about how many they have in the range
    """

    rows: Ints
    capacity: Ints
    known: Sequence[Known]
    samples: int


def portions_of(
    known: Sequence[Known], numbers: Ints, range_ms: tuple[int, int], size: int
) -> list[Portion]:
    """Portions of the series with these numbers, which are rows 0, 1, … of a selection.

    size  samples of a portion
    """
    start_ms, end_ms = range_ms
    if len(numbers) == 0:
        return []
    capacity = np.zeros(len(numbers), np.int64)
    share = np.zeros(len(numbers))
    first_piece = np.full(len(numbers), len(known))
    rows_of: list[Ints] = []
    for place, one in enumerate(known):
        rows, inside = _rows_of(one, numbers, start_ms, end_ms)
        counts = one.index.counts[inside]
        capacity[rows] += counts
        share[rows] += counts * _overlap(one, inside, start_ms, end_ms)
        np.minimum.at(first_piece, rows, place)
        rows_of.append(rows)
    order = np.lexsort((np.arange(len(numbers)), first_piece))
    total = int(capacity.sum())
    number = _numbered(order, capacity, size)
    if _rows_read(known, rows_of, number) > 2 * total:
        number = _numbered(order, capacity, max(2 * size, -(-total // PASSES)))
    pieces: list[list[Known]] = [[] for _ in range(int(number.max()) + 1)]
    for one, rows in zip(known, rows_of, strict=True):
        for portion in np.unique(number[rows]).tolist():
            pieces[portion].append(one)
    found = []
    for portion, some in enumerate(pieces):
        rows = np.flatnonzero(number == portion)
        samples = max(1, round(float(share[rows].sum())))
        found.append(Portion(rows, capacity[rows], some, samples))
    return found


def _rows_of(one: Known, numbers: Ints, start_ms: int, end_ms: int) -> tuple[Ints, Ints]:
    """The rows of a piece's series that are selected and in the range, and their places in it."""
    row_of = np.full(int(max(one.numbers.max(initial=0), numbers.max())) + 1, -1)
    row_of[numbers] = np.arange(len(numbers))
    rows = row_of[one.numbers]
    inside = (one.index.first_ms <= end_ms) & (one.index.last_ms >= start_ms)
    places = np.flatnonzero((rows >= 0) & inside)
    return rows[places], places


def _overlap(one: Known, places: Ints, start_ms: int, end_ms: int) -> Floats:
    """[len(places)] the approximate share of the samples of each series that is in the range."""
    first, last = one.index.first_ms[places], one.index.last_ms[places]
    span = np.minimum(last, end_ms) - np.maximum(first, start_ms)
    return np.where(last > first, span / np.maximum(last - first, 1), 1.0)


def _numbered(order: Ints, capacity: Ints, size: int) -> Ints:
    """The number of the portion of each row, for portions of about the given size."""
    before = np.cumsum(capacity[order]) - capacity[order]
    number = np.empty(len(order), np.int64)
    _, number[order] = np.unique(before // size, return_inverse=True)
    return number


def _rows_read(known: Sequence[Known], rows_of: Sequence[Ints], number: Ints) -> int:
    """Rows of files that all portions read."""
    return sum(
        int(one.index.counts.sum()) * len(np.unique(number[rows]))
        for one, rows in zip(known, rows_of, strict=True)
    )
