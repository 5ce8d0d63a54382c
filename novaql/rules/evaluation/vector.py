"""Instant results as columns: one row for each series, floats and histograms separately."""

from __future__ import annotations

import numpy as np

from novaql.engine import evaluate
from novaql.errors import EvaluationError
from novaql.fast_dataclass import dataclass
from novaql.model.float_histogram import FloatHistogram
from novaql.model.histogram_columns import histogram_at
from novaql.result import NativeCells, ResultKind
from novaql.rules.evaluation.context import RuleContext
from novaql.tsdb.model.labels import SeriesTable, concat_tables
from novaql.tsdb.model.samples import STALE, Batch, Floats, HistogramSamples


@dataclass(frozen=True, slots=True)
class Vector:
    """Series and their values at one time; `native` marks which of them are histograms."""

    series: SeriesTable
    values: Floats
    native: NativeCells | None = None

    def __len__(self) -> int:
        return self.series.rows

    def value(self, row: int) -> float | FloatHistogram:
        if self.native is not None and (number := int(self.native.which[row])) >= 0:
            return histogram_at(self.native.histograms, number)
        return float(self.values[row])

    def batch(self, time_ms: int, gone: SeriesTable | None = None) -> Batch:
        """Return the batch to write, with a staleness marker for each series of `gone`."""
        ended = 0 if gone is None else gone.rows
        series = self.series if gone is None else concat_tables([self.series, gone])
        values = np.concatenate([self.values, np.full(ended, STALE)])
        rows = np.arange(series.rows, dtype=np.int64)
        times = np.full(series.rows, time_ms, np.int64)
        if self.native is None:
            return Batch(series, rows, times, values)
        which = self.native.which
        is_native = np.concatenate([which >= 0, np.zeros(ended, np.bool_)])
        chosen = np.flatnonzero(which >= 0)
        histograms = self.native.histograms.take(which[chosen].astype(np.int64))
        samples = HistogramSamples(chosen, times[chosen], histograms)
        plain = ~is_native
        return Batch(series, rows[plain], times[plain], values[plain], samples)


def instant_vector(expr: str, time_ms: int, context: RuleContext) -> Vector:
    """The result of an expression at a time; a scalar is one series without labels.

    Raises `EvaluationError` for a result of another kind, and what `novaql.evaluate` raises.
    """
    options, cancellation = context.options(time_ms), context.cancellation
    result = evaluate(expr, context.store.source(), options, cancellation=cancellation)
    if result.kind not in (ResultKind.SCALAR, ResultKind.VECTOR) or result.raw is not None:
        raise EvaluationError("rule result is not a vector or scalar")
    native = result.native
    if native is not None:
        native = NativeCells(native.histograms, native.which[:, 0])
    return Vector(result.series, result.values[:, 0], native)
