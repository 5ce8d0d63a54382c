"""Native histograms that are read one by one → columns."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from novaql.tsdb.model.histograms import CUSTOM_SCHEMA, Buckets, Histograms

Side = tuple[Collection[int], Collection[float]]
"""Indexes and populations of buckets, equally many, in any order. Equal indexes are added up."""


class HistogramRows:
    """Collects histograms."""

    def __init__(self) -> None:
        self._scalars: list[tuple[int, int, float, float, float, float, int]] = []
        self._sets: dict[tuple[float, ...], int] = {}
        self._positive, self._negative = _Cells(), _Cells()

    def __len__(self) -> int:
        return len(self._scalars)

    def add(
        self,
        schema: int,
        hint: int,
        count: float,
        total: float,
        zero_count: float,
        zero_threshold: float,
        positive: Side,
        negative: Side,
        bounds: tuple[float, ...] = (),
    ) -> None:
        """Add a histogram; the columns of `Histograms` describe the parts."""
        custom = schema == CUSTOM_SCHEMA
        number = self._sets.setdefault(bounds, len(self._sets)) if custom else -1
        self._scalars.append((schema, hint, count, total, zero_count, zero_threshold, number))
        self._positive.add(*positive)
        self._negative.add(*negative)

    def histograms(self) -> Histograms:
        """The added histograms, in order, without empty buckets."""
        if not self._scalars:
            return Histograms.none()
        schema, hint, count, total, zero_count, threshold, number = zip(*self._scalars, strict=True)
        return Histograms(
            np.array(schema, np.int8),
            np.array(hint, np.int8),
            np.array(count, np.float64),
            np.array(total, np.float64),
            np.array(zero_count, np.float64),
            np.array(threshold, np.float64),
            self._positive.buckets(),
            self._negative.buckets(),
            np.array(number, np.int32),
            tuple(self._sets),
        )


class _Cells:
    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._indexes: list[int] = []
        self._populations: list[float] = []

    def add(self, indexes: Collection[int], populations: Collection[float]) -> None:
        self._sizes.append(len(indexes))
        self._indexes += indexes
        self._populations += populations

    def buckets(self) -> Buckets:
        rows = len(self._sizes)
        row, index = np.repeat(np.arange(rows), self._sizes), np.array(self._indexes, np.int64)
        return Buckets.of_flat(row, index, np.array(self._populations, np.float64), rows)
