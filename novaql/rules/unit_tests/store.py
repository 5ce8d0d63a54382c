"""The store of one test: its input series up to a time, and what the rules write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import tsdb
from novaql.errors import EvaluationError
from novaql.inputs.table_source import TableSource
from novaql.promqltest.histogram import FloatHistogram
from novaql.promqltest.native_columns import columns_of, histogram_at
from novaql.promqltest.series_notation import Item, Labels, NamedHint, format_labels, labels_of
from novaql.promqltest.stored_hints import Stored, with_stored_hints
from novaql.rules.unit_tests.joined_source import JoinedSource
from tsdb.labels import SeriesTable
from tsdb.selection import Source
from tsdb.tile import Batch, HistogramSamples

Sample = tuple[Labels, int, float | FloatHistogram]


class TestStore:
    """Floats are in a database in memory, histograms in a table that is made anew when they change.

    Input becomes visible as time goes on, so that a rule cannot look into the future.
    """

    __test__ = False  # for pytest: this is no test

    def __init__(
        self, series: Sequence[tuple[Labels, Sequence[Item]]], interval_ms: int, start_ms: int = 0
    ) -> None:
        last = dict(series)  # of two with the same labels the later one counts
        self._waiting = sorted(
            (
                (labels, start_ms + place * interval_ms, _plain(item))
                for labels, items in last.items()
                for place, item in enumerate(items)
                if item is not None
            ),
            key=lambda sample: sample[1],
        )
        self._loaded = 0
        self._floats = tsdb.memory()
        self._native: dict[Labels, dict[int, Stored]] = {}
        self._table: TableSource | None = None
        self._newest: dict[Labels, tuple[int, float | FloatHistogram]] = {}

    def load_until(self, time_ms: int) -> None:
        """Make the input up to and with this time visible."""
        first = self._loaded
        while self._loaded < len(self._waiting) and self._waiting[self._loaded][1] <= time_ms:
            self._loaded += 1
        self._add(self._waiting[first : self._loaded])

    def source(self) -> Source:
        if not self._native:
            return self._floats
        if self._table is None:
            self._table = TableSource(_histogram_batch(self._native))
        return JoinedSource(self._floats, self._table)

    def write(self, batch: Batch) -> None:
        """Add what a rule gave. Raises `EvaluationError` where another value stands already."""
        labels = [labels_of(label_set) for label_set in batch.series]
        samples: list[Sample] = [
            (labels[row], time, value)
            for row, time, value in zip(
                batch.series_index.tolist(),
                batch.timestamps.tolist(),
                batch.values.tolist(),
                strict=True,
            )
        ]
        if batch.native is not None:
            samples += [
                (labels[row], time, histogram_at(batch.native.histograms, number))
                for number, (row, time) in enumerate(
                    zip(
                        batch.native.series_index.tolist(),
                        batch.native.timestamps.tolist(),
                        strict=True,
                    )
                )
            ]
        fresh = [sample for sample in samples if self._is_new(*sample)]
        self._add(fresh)

    def _is_new(self, labels: Labels, time: int, value: float | FloatHistogram) -> bool:
        newest = self._newest.get(labels)
        if newest is None or time > newest[0]:
            return True
        if time < newest[0]:
            raise EvaluationError(
                f"{format_labels(labels)} has a newer sample: out of order sample"
            )
        if _same(newest[1], value):
            return False
        raise EvaluationError(
            f"{format_labels(labels)} has another value already: duplicate sample for timestamp"
        )

    def _add(self, samples: Sequence[Sample]) -> None:
        floats = [sample for sample in samples if isinstance(sample[2], float)]
        for labels, time, value in samples:
            self._newest[labels] = time, value
            if isinstance(value, FloatHistogram):
                self._native.setdefault(labels, {})[time] = value
                self._table = None
        if floats:
            self._floats.append(_float_batch(floats))


def _plain(item: Item) -> float | FloatHistogram:
    assert item is not None
    return item.histogram if isinstance(item, NamedHint) else float(item)


def _same(one: float | FloatHistogram, other: float | FloatHistogram) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.float64(one).view(np.uint64) == np.float64(other).view(np.uint64))
    return one == other


def _float_batch(samples: Sequence[Sample]) -> Batch:
    numbers: dict[Labels, int] = {}
    rows = [numbers.setdefault(labels, len(numbers)) for labels, _, _ in samples]
    return Batch(
        SeriesTable.from_dicts([dict(labels) for labels in numbers]),
        np.array(rows, np.int64),
        np.array([time for _, time, _ in samples], np.int64),
        np.array([value for _, _, value in samples], np.float64),
    )


def _histogram_batch(native: dict[Labels, dict[int, Stored]]) -> Batch:
    found = [
        (row, time, histogram)
        for row, samples in enumerate(native.values())
        for time, histogram in with_stored_hints(samples).items()
    ]
    return Batch(
        SeriesTable.from_dicts([dict(labels) for labels in native]),
        np.array([], np.int64),
        np.array([], np.int64),
        np.array([], np.float64),
        HistogramSamples(
            np.array([row for row, _, _ in found], np.int64),
            np.array([time for _, time, _ in found], np.int64),
            columns_of([histogram for _, _, histogram in found]),
        ),
    )
