"""The JSON text of a few series of floats, written value by value.

For such a result, the arrays that the other writers of `prometheus_json.py` make take longer than
the text: 77 µs for one sample, 5 µs here.
"""

from __future__ import annotations

from novaql.export.json_values import ValueStyle, second_token, value_token
from novaql.export.labels_json import metric_text
from novaql.result import Result, ResultKind

MOST_POINTS = 16
"""More points, or more series, are faster in arrays."""


def is_few(result: Result) -> bool:
    """Whether `few_series` can write it: steps of a few series, without native histograms."""
    return (
        result.values.size <= MOST_POINTS
        and result.series.rows <= MOST_POINTS
        and result.raw is None
        and result.native is None
    )


def few_series(result: Result, style: ValueStyle) -> bytes:
    """Return a list of series. Those without a point are omitted."""
    seconds = [second_token(ms) for ms in result.times_ms.tolist()]
    valid = None if result.valid is None else result.valid.tolist()
    one = result.kind is ResultKind.VECTOR
    series: list[bytes] = []
    for row, values in enumerate(result.values.tolist()):
        there = None if valid is None else valid[row]
        points = [
            b"[%s,%s]" % (time, value_token(value, style))
            for step, (time, value) in enumerate(zip(seconds, values, strict=False))
            if there is None or there[step]
        ]
        if points:
            metric = metric_text(result.series.labels(row))
            shown = b'"value":%s' % points[0] if one else b'"values":[%s]' % b",".join(points)
            series.append(b'{"metric":%s,%s}' % (metric, shown))
    return b"[%s]" % b",".join(series)
