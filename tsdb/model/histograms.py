"""Native histograms of floats as columns.

A native histogram counts observations in buckets whose bounds follow from a schema: bucket `i` of
schema `s` (-4 … 8) has those in (2^((i - 1) · 2^-s), 2^(i · 2^-s)]; negative buckets mirror this;
the zero bucket has those within the zero threshold. Schema -53 has explicit ascending upper bounds
instead ("custom buckets"): bucket `i` has those in (bounds[i - 1], bounds[i]], the last one reaches
to +Inf.

Populations are absolute. Buckets are sparse: only populated ones are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Bools, Ints

CUSTOM_SCHEMA = -53
MIN_SCHEMA, MAX_SCHEMA = -4, 8
"""Schemas of exponential buckets: the coarsest and the finest."""

Floats = NDArray[np.float64]
Small = NDArray[np.int8]


COLUMNS: dict[str, type[np.generic]] = {
    "schema": np.int8,
    "hint": np.int8,
    "count": np.float64,
    "sum": np.float64,
    "zero_count": np.float64,
    "zero_threshold": np.float64,
    "bounds": np.int32,
}
"""Fields of `Histograms` with one number for each histogram, and their types."""


class ResetHint(IntEnum):
    """Whether the counter was reset between the previous histogram and this one."""

    UNKNOWN = 0
    RESET = 1
    NOT_RESET = 2
    GAUGE = 3


@dataclass(frozen=True, slots=True, eq=False)
class BucketRows:
    """Items for the buckets of N histograms: row i has offsets[i]:offsets[i + 1]."""

    offsets: Ints

    @property
    def sizes(self) -> Ints:
        """Number of buckets of each row."""
        return np.diff(self.offsets)

    def rows(self) -> Ints:
        """[P]: the row of each bucket."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int64), self.sizes)

    def rows_of(self, buckets: Ints) -> Ints:
        """The rows of some of the buckets, by number."""
        return np.searchsorted(self.offsets, buckets, side="right") - 1


@dataclass(frozen=True, slots=True, eq=False)
class Buckets(BucketRows):
    """Sparse buckets.

    index       [P] bucket numbers, increasing inside a row
    population  [P] never 0
    """

    index: NDArray[np.int32]
    population: Floats

    @classmethod
    def none(cls, rows: int) -> Buckets:
        return cls(np.zeros(rows + 1, np.int64), np.zeros(0, np.int32), np.zeros(0))

    def take(self, rows: Ints) -> Buckets:
        sizes = self.sizes[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        flat = flat_positions(self.offsets[rows], sizes)
        return Buckets(offsets, self.index[flat], self.population[flat])

    def between(self, first: int, last: int) -> Buckets:
        """Rows first to last - 1, as views."""
        begin, end = int(self.offsets[first]), int(self.offsets[last])
        offsets = self.offsets[first : last + 1] - begin
        return Buckets(offsets, self.index[begin:end], self.population[begin:end])

    def copy(self) -> Buckets:
        return Buckets(self.offsets.copy(), self.index.copy(), self.population.copy())

    @classmethod
    def of_flat(cls, row: Ints, index: Ints, population: Floats, rows: int) -> Buckets:
        """Build from buckets in any order; equal (row, index) are added up, empty ones are
        dropped."""
        rising = (row[1:] > row[:-1]) | ((row[1:] == row[:-1]) & (index[1:] > index[:-1]))
        if not rising.all():
            order = np.lexsort((index, row))
            row, index, population = row[order], index[order], population[order]
            differs = (np.diff(row, prepend=-1) != 0) | (np.diff(index, prepend=0) != 0)
            differs[0] = True
            fresh = np.flatnonzero(differs)
            population = np.add.reduceat(population, fresh)
            row, index = row[fresh], index[fresh]
        used = population != 0
        row, index, population = row[used], index[used], population[used]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=rows))])
        return cls(offsets.astype(np.int64), index.astype(np.int32), population)


@dataclass(frozen=True, slots=True, eq=False)
class Histograms:
    """N native histograms.

    schema          [N] int8
    hint            [N] int8, `ResetHint`
    count, sum      [N]
    zero_count, zero_threshold   [N]
    positive, negative
    bounds          [N] int32: index in custom_bounds; -1 except for schema -53
    custom_bounds   finite ascending upper bounds, each set once
    """

    schema: Small
    hint: Small
    count: Floats
    sum: Floats
    zero_count: Floats
    zero_threshold: Floats
    positive: Buckets
    negative: Buckets
    bounds: NDArray[np.int32]
    custom_bounds: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def none(cls) -> Histograms:
        empty: dict[str, Any] = {name: np.zeros(0, dtype) for name, dtype in COLUMNS.items()}
        return cls(positive=Buckets.none(0), negative=Buckets.none(0), **empty)

    def __len__(self) -> int:
        return len(self.schema)

    @property
    def nbytes(self) -> int:
        """Bytes of all columns."""
        sides = (self.positive, self.negative)
        buckets = sum(s.offsets.nbytes + s.index.nbytes + s.population.nbytes for s in sides)
        return buckets + sum(int(getattr(self, name).nbytes) for name in COLUMNS)

    @property
    def is_custom(self) -> Bools:
        custom: Bools = self.schema == CUSTOM_SCHEMA
        return custom

    def without_reset_hints(self) -> Histograms:
        """Return them without information on counter resets; gauges remain gauges."""
        unknown = np.int8(ResetHint.UNKNOWN)
        return replace(
            self, hint=np.where(self.hint == ResetHint.GAUGE, self.hint, unknown).astype(np.int8)
        )

    def take(self, rows: Ints) -> Histograms:
        """Return rows by number, in any order, with repetitions."""
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in COLUMNS}
        positive, negative = self.positive.take(rows), self.negative.take(rows)
        return replace(self, positive=positive, negative=negative, **columns)

    def between(self, first: int, last: int) -> Histograms:
        """Return rows first to last - 1. They share the memory of these."""
        columns: dict[str, Any] = {name: getattr(self, name)[first:last] for name in COLUMNS}
        positive, negative = (s.between(first, last) for s in (self.positive, self.negative))
        return replace(self, positive=positive, negative=negative, **columns)

    def copy(self) -> Histograms:
        """Return a copy of all arrays."""
        columns: dict[str, Any] = {name: getattr(self, name).copy() for name in COLUMNS}
        return replace(
            self, positive=self.positive.copy(), negative=self.negative.copy(), **columns
        )

    def tidy(self) -> Histograms:
        """Return them without unused sets of custom bounds."""
        used, bounds = np.unique(self.bounds[self.bounds >= 0], return_inverse=True)
        if len(used) == len(self.custom_bounds):
            return self
        numbers = self.bounds.copy()
        numbers[self.bounds >= 0] = bounds.ravel()
        sets = tuple(self.custom_bounds[which] for which in used.tolist())
        return replace(self, bounds=numbers, custom_bounds=sets)


def concat_ranges(ranges: Sequence[tuple[Histograms, int, int]]) -> Histograms:
    """Concatenate rows first to last - 1 of histograms that share their sets of custom bounds.

    ranges  (histograms, first, last) of each; one at least. The result is a copy.
    """
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name)[first:last] for part, first, last in ranges])
        for name in COLUMNS
    }
    return replace(
        ranges[0][0],
        positive=_concat_bucket_ranges([(part.positive, a, b) for part, a, b in ranges]),
        negative=_concat_bucket_ranges([(part.negative, a, b) for part, a, b in ranges]),
        **columns,
    )


def _concat_bucket_ranges(ranges: Sequence[tuple[Buckets, int, int]]) -> Buckets:
    offsets, index, population = [], [], []
    count = 0
    for side, first, last in ranges:
        begin, end = side.offsets.item(first), side.offsets.item(last)
        offsets.append(side.offsets[first:last] + (count - begin))
        index.append(side.index[begin:end])
        population.append(side.population[begin:end])
        count += end - begin
    offsets.append(np.array([count], np.int64))
    return Buckets(np.concatenate(offsets), np.concatenate(index), np.concatenate(population))


def concat_histograms(parts: Sequence[Histograms]) -> Histograms:
    """Concatenate."""
    if not parts:
        return Histograms.none()
    if len(parts) == 1:
        return parts[0]
    ids: dict[tuple[float, ...], int] = {}
    bounds = []
    for part in parts:
        translate = np.array(
            [ids.setdefault(b, len(ids)) for b in part.custom_bounds] + [-1], np.int32
        )  # -1 selects the last element, which is -1
        bounds.append(translate[part.bounds])

    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS
    }
    columns["bounds"] = np.concatenate(bounds)
    return Histograms(
        positive=_concat_buckets([part.positive for part in parts]),
        negative=_concat_buckets([part.negative for part in parts]),
        custom_bounds=tuple(ids),
        **columns,
    )


def _concat_buckets(parts: Sequence[Buckets]) -> Buckets:
    sizes = np.concatenate([part.sizes for part in parts])
    return Buckets(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([part.index for part in parts]),
        np.concatenate([part.population for part in parts]),
    )


def equal_histograms(a: Histograms, b: Histograms) -> Bools:
    """[N] the same layout and the same numbers bit by bit: NaN equals NaN, 0 is not -0.

    Hints are not compared.
    """
    numbers = {bounds: number for number, bounds in enumerate(a.custom_bounds)}
    theirs = np.array([numbers.get(bounds, -2) for bounds in b.custom_bounds] + [-1], np.int32)
    same: Bools = (a.schema == b.schema) & (a.bounds == theirs[b.bounds])
    same &= a.zero_threshold == b.zero_threshold
    for one, other in ((a.count, b.count), (a.sum, b.sum), (a.zero_count, b.zero_count)):
        same &= _bits(one) == _bits(other)
    for side, other_side in ((a.positive, b.positive), (a.negative, b.negative)):
        same &= side.sizes == other_side.sizes
        rows = np.flatnonzero(same)
        ours, yours = side.take(rows), other_side.take(rows)
        differ = (ours.index != yours.index) | (_bits(ours.population) != _bits(yours.population))
        same[rows[ours.rows()[differ]]] = False
    return same


def _bits(values: Floats) -> NDArray[np.int64]:
    return np.ascontiguousarray(values).view(np.int64)
