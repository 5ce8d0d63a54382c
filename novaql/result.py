"""What a query answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tsdb.labels import Bools, Ints, SeriesTable
from tsdb.tile import Floats


class ResultKind(StrEnum):
    """Prometheus's `resultType`."""

    SCALAR = "scalar"
    VECTOR = "vector"
    MATRIX = "matrix"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class QueryStats:
    """What the query cost: series selected, samples read, bytes of them, seconds per stage."""

    series: int = 0
    samples: int = 0
    bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Ragged form: row i owns times_ms[offsets[i]:offsets[i + 1]] and the values beside them."""

    offsets: Ints
    times_ms: Ints
    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Result of a query; rows are series, columns are steps.

    kind      scalar: one row without labels, one step (a range query of a scalar is a matrix).
              vector: one step. matrix: many, or, for a range selector as an instant query, `raw`.
    series    labels of each row
    times_ms  [J] steps in milliseconds
    values    [S, J]; where not valid the value means nothing
    valid     [S, J], or None: all are there. NaN is an ordinary value
    raw       samples with times of their own (instant query of a range vector); then
              times_ms and values are empty
    text      a string result
    """

    kind: ResultKind
    series: SeriesTable
    times_ms: Ints
    values: Floats
    valid: Bools | None = None
    raw: Points | None = None
    text: str | None = None
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    stats: QueryStats = field(default_factory=QueryStats)

    def points(self) -> Points:
        """Present points of every row, row after row."""
        if self.raw is not None:
            return self.raw
        rows, steps = self.values.shape
        if self.valid is None:
            return Points(
                np.arange(rows + 1, dtype=np.int64) * steps,
                np.tile(self.times_ms, rows),
                self.values.ravel(),
            )
        counts: NDArray[np.int64] = np.count_nonzero(self.valid, axis=1).astype(np.int64)
        times = np.broadcast_to(self.times_ms, self.valid.shape)[self.valid]
        return Points(np.concatenate([[0], np.cumsum(counts)]), times, self.values[self.valid])
