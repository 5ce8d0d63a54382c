"""`FloatHistogram`s, one by one, to and from the columns that the engine reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.model.float_histogram import FloatHistogram, ResetHint, Span, spans_of
from novaql.tsdb.model.histograms import Buckets, Histograms
from novaql.tsdb.model.histograms import ResetHint as HintCode

_CODES = {
    ResetHint.UNKNOWN: HintCode.UNKNOWN,
    ResetHint.RESET: HintCode.RESET,
    ResetHint.NOT_RESET: HintCode.NOT_RESET,
    ResetHint.GAUGE: HintCode.GAUGE,
}
_HINTS = {int(code): hint for hint, code in _CODES.items()}


def columns_of(histograms: Sequence[FloatHistogram]) -> Histograms:
    """The same histograms, in order, without empty buckets."""
    plain = [histogram.compacted() for histogram in histograms]
    bounds = {h.custom_values: None for h in plain if h.custom}
    number = {values: i for i, values in enumerate(bounds)}
    return Histograms(
        np.array([h.schema for h in plain], np.int8),
        np.array([_CODES[h.hint] for h in plain], np.int8),
        np.array([h.count for h in plain], np.float64),
        np.array([h.sum for h in plain], np.float64),
        np.array([h.zero_count for h in plain], np.float64),
        np.array([h.zero_threshold for h in plain], np.float64),
        _buckets([h.positive for h in plain]),
        _buckets([h.negative for h in plain]),
        np.array([number[h.custom_values] if h.custom else -1 for h in plain], np.int32),
        tuple(bounds),
    )


def _buckets(sides: Sequence[tuple[Span, ...]]) -> Buckets:
    sizes = [sum(len(span.counts) for span in spans) for spans in sides]
    flat = [(span.start + i, count) for spans in sides for span in spans
            for i, count in enumerate(span.counts)]  # fmt: skip
    return Buckets(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.array([index for index, _ in flat], np.int32),
        np.array([count for _, count in flat], np.float64),
    )


def histogram_at(columns: Histograms, row: int) -> FloatHistogram:
    """One of them."""
    bounds = int(columns.bounds[row])
    return FloatHistogram(
        int(columns.schema[row]),
        float(columns.count[row]),
        float(columns.sum[row]),
        float(columns.zero_count[row]),
        float(columns.zero_threshold[row]),
        _spans(columns.positive, row),
        _spans(columns.negative, row),
        columns.custom_bounds[bounds] if bounds >= 0 else (),
        _HINTS[int(columns.hint[row])],
    )


def _spans(buckets: Buckets, row: int) -> tuple[Span, ...]:
    some = slice(int(buckets.offsets[row]), int(buckets.offsets[row + 1]))
    indices, counts = buckets.index[some].tolist(), buckets.population[some].tolist()
    return spans_of(dict(zip(indices, counts, strict=True)))
