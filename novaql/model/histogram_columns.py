"""`FloatHistogram`s, one by one, to and from the columns that the engine reads."""

from __future__ import annotations

from collections.abc import Sequence

from novaql.model.float_histogram import FloatHistogram, ResetHint, Span, populations, spans_of
from novaql.model.histogram_rows import HistogramRows, Side
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
    """Return the histograms as columns, in order, without empty buckets."""
    rows = HistogramRows()
    for h in histograms:
        above, below = populations(h.positive), populations(h.negative)
        scalars = h.count, h.sum, h.zero_count, h.zero_threshold
        rows.add(h.schema, _CODES[h.hint], *scalars, _side(above), _side(below), h.custom_values)
    return rows.histograms()


def _side(populations: dict[int, float]) -> Side:
    return populations.keys(), populations.values()


def histogram_at(columns: Histograms, row: int) -> FloatHistogram:
    """Return one histogram of the columns."""
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
