"""The wide layout of a store: one row a time and target, one column a metric.

A target is the set of labels that series share besides the metric's name. Series of one target are
side by side, as in a table made by hand, and `read_frame` reads it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from novaql.errors import InputError
from novaql.export.arrow import TIMESTAMP, label_fields
from novaql.export.arrow_arrays import LabelRows, numbers
from novaql.export.columns import TIME
from novaql.export.stored.samples import Piece, StoredSamples
from novaql.text.labels import quoted
from novaql.tsdb.model.labels import METRIC_NAME, Ints, SeriesTable
from novaql.tsdb.model.source import Selection

SLICE_SAMPLES = 1 << 22
_LOOKS_LONG = frozenset(["value", "val", "v", "_value"])  # a table with such a column is long

Select = Callable[[int, int], Selection]


class WideForm:
    """Batches of the wide layout. Native histograms have no place in it.

    series  every series that may come
    select  the samples of a span of time
    """

    def __init__(self, series: SeriesTable, select: Select) -> None:
        self._select = select
        self.samples = self.left_out = 0  # written so far; native histograms
        labels = [name for name in series.names() if name != METRIC_NAME]
        metrics = series.column(METRIC_NAME).compacted()
        if series.rows and not metrics.codes.all():
            raise InputError("a series without a metric name has no column in the wide layout")
        self._metrics = {name: number for number, name in enumerate(metrics.values[1:])}
        taken = {TIME, *labels}
        self._labels = {_free(name, taken) if name == TIME else name: name for name in labels}
        fields: list[pa.Field[Any]] = [pa.field(TIME, TIMESTAMP, nullable=False)]
        fields += label_fields(self._labels)
        odd = taken | _LOOKS_LONG | set(self._labels)
        fields += [
            pa.field(f"{{{quoted(name)}}}" if name in odd else name, pa.float64())
            for name in self._metrics
        ]
        self.schema = pa.schema(fields)

    def batches(self, start_ms: int, end_ms: int) -> Iterator[pa.RecordBatch]:
        """One slice of time after the other, each with about `SLICE_SAMPLES` at most."""
        spans = [(start_ms, end_ms)]
        while spans:
            first, last = spans.pop()
            selection = self._select(first, last)
            native = sum(each.samples for each in selection.histograms)
            floats = selection.samples - native
            if floats > SLICE_SAMPLES and last > first:
                middle = first + (last - first) // 2
                spans += [(middle + 1, last), (first, middle)]
                continue
            self.left_out += native
            if floats:
                yield from self._slice(selection)

    def _slice(self, selection: Selection) -> Iterator[pa.RecordBatch]:
        samples = StoredSamples(selection, native=False)
        pieces = list(samples.pieces())
        if not pieces:
            return
        row = np.concatenate([piece.row for piece in pieces])
        times = np.concatenate([piece.times_ms for piece in pieces])
        values = np.concatenate([piece.values for piece in pieces])
        self.samples += len(row)
        series = selection.series
        targets = series.drop([METRIC_NAME])
        target = targets.keys()
        _, leader = np.unique(target, return_index=True)
        first = int(times.min())
        span = int(times.max()) - first + 1
        cell, place = np.unique(target[row] * span + (times - first), return_inverse=True)
        owner = leader[cell // span]
        arrays: list[pa.Array[Any]] = [numbers(first + cell % span, TIMESTAMP)]
        columns = (targets.column(label).compacted() for label in self._labels.values())
        arrays += [LabelRows(column).taken(owner) for column in columns]
        arrays += self._columns(Piece(row, place.astype(np.int64), values), series, len(cell))
        yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _columns(self, samples: Piece, series: SeriesTable, rows: int) -> list[pa.Array[Any]]:
        """`samples.times_ms` are rows of the table here."""
        name = series.column(METRIC_NAME)
        column_of = np.array([self._metrics.get(text, -1) for text in name.values], np.int64)
        metric = column_of[name.codes][samples.row]
        order = np.argsort(metric, kind="stable")
        bounds = np.searchsorted(metric[order], np.arange(len(self._metrics) + 1))
        found: list[pa.Array[Any]] = []
        for number in range(len(self._metrics)):
            some: Ints = order[bounds[number] : bounds[number + 1]]
            values, there = np.zeros(rows), np.zeros(rows, np.bool_)
            values[samples.times_ms[some]] = samples.values[some]
            there[samples.times_ms[some]] = True
            found.append(numbers(values, pa.float64(), there))
        return found


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"label_{name}"
    return name
