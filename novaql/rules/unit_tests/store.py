"""The store of one test: its input series up to a time, and what the rules write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql import tsdb
from novaql.errors import EvaluationError
from novaql.model.float_histogram import FloatHistogram
from novaql.model.histogram_columns import columns_of, histogram_at
from novaql.model.label_set import Labels, labels_of
from novaql.model.series_notation import Item, NamedHint
from novaql.model.stored_hints import Stored, with_stored_hints
from novaql.text.labels import series_text
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch, HistogramSamples
from novaql.tsdb.model.source import Source

Sample = tuple[Labels, int, Stored]
"""Series, milliseconds, value."""


class TestStore:
    """A database in memory. Input is appended as time advances: a rule cannot read the future."""

    __test__ = False  # for pytest: this is no test

    def __init__(
        self, series: Sequence[tuple[Labels, Sequence[Item]]], interval_ms: int, start_ms: int = 0
    ) -> None:
        last = dict(series)  # of two with the same labels the later one counts
        waiting: list[Sample] = []
        for labels, items in last.items():
            stored = {
                start_ms + place * interval_ms: _plain(item)
                for place, item in enumerate(items)
                if item is not None
            }
            with_hints = {**stored, **with_stored_hints(stored)}
            waiting += [(labels, time, value) for time, value in with_hints.items()]
        self._waiting = sorted(waiting, key=lambda sample: sample[1])
        self._loaded = 0
        self._database = tsdb.memory()
        self._newest: dict[Labels, tuple[int, Stored]] = {}

    def load_until(self, time_ms: int) -> None:
        """Make the input up to and with this time visible."""
        first = self._loaded
        while self._loaded < len(self._waiting) and self._waiting[self._loaded][1] <= time_ms:
            self._loaded += 1
        self._add(self._waiting[first : self._loaded])

    def source(self) -> Source:
        return self._database

    def write(self, batch: Batch) -> None:
        """Append the result of a rule. Raises `EvaluationError` if it has another value already."""
        self._add([sample for sample in _samples(batch) if self._is_new(*sample)])

    def _is_new(self, labels: Labels, time: int, value: Stored) -> bool:
        newest = self._newest.get(labels)
        if newest is None or time > newest[0]:
            return True
        if time < newest[0]:
            raise EvaluationError(
                f"{series_text(dict(labels))} has a newer sample: out of order sample"
            )
        if _same(newest[1], value):
            return False
        raise EvaluationError(
            f"{series_text(dict(labels))} has another value already: duplicate sample for timestamp"
        )

    def _add(self, samples: Sequence[Sample]) -> None:
        if samples:
            self._newest.update((labels, (time, value)) for labels, time, value in samples)
            self._database.append(_batch(samples))


def _plain(item: Item) -> Stored:
    assert item is not None
    return item.histogram if isinstance(item, NamedHint) else float(item)


def _same(one: Stored, other: Stored) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.float64(one).view(np.uint64) == np.float64(other).view(np.uint64))
    return one == other


def _batch(samples: Sequence[Sample]) -> Batch:
    numbers: dict[Labels, int] = {}
    rows = [numbers.setdefault(labels, len(numbers)) for labels, _, _ in samples]
    floats = [
        (row, time, value)
        for row, (_, time, value) in zip(rows, samples, strict=True)
        if isinstance(value, float)
    ]
    native = [
        (row, time, value)
        for row, (_, time, value) in zip(rows, samples, strict=True)
        if isinstance(value, FloatHistogram)
    ]
    histograms = None
    if native:
        histograms = HistogramSamples(
            np.array([row for row, _, _ in native], np.int64),
            np.array([time for _, time, _ in native], np.int64),
            columns_of([value for _, _, value in native]),
        )
    return Batch(
        SeriesTable.from_dicts([dict(labels) for labels in numbers]),
        np.array([row for row, _, _ in floats], np.int64),
        np.array([time for _, time, _ in floats], np.int64),
        np.array([value for _, _, value in floats], np.float64),
        histograms,
    )


def _samples(batch: Batch) -> list[Sample]:
    """The samples of a batch one by one."""
    labels = [labels_of(label_set) for label_set in batch.series]
    columns = (batch.series_index, batch.timestamps, batch.values)
    found: list[Sample] = [
        (labels[row], time, value)
        for row, time, value in zip(*(column.tolist() for column in columns), strict=True)
    ]
    if (native := batch.native) is not None:
        found += [
            (labels[row], time, histogram_at(native.histograms, number))
            for number, (row, time) in enumerate(
                zip(native.series_index.tolist(), native.timestamps.tolist(), strict=True)
            )
        ]
    return found
