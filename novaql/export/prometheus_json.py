"""A `Result` as JSON: Prometheus's `data`, and the `result` of POST /v1/novaql.

Both have the same skeleton. Prometheus writes a value as a string (`"0.5"`); NovaQL's own API
writes a number, and a string only for what JSON has no number for. Built by splicing bytes:
numbers become tokens all at once, and one join makes the text.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from itertools import chain

import numpy as np
import orjson

from novaql.export.float_tokens import float_tokens
from novaql.result import Points, Result, ResultKind
from tsdb.labels import Ints
from tsdb.tile import Floats


class ValueStyle(Enum):
    """How a sample's value stands in the JSON."""

    TEXT = "text"
    """Always a string, as Prometheus has it."""
    NUMBER = "number"
    """A number; `"NaN"`, `"+Inf"` and `"-Inf"` are strings."""


def prometheus_data(result: Result, *, limit: int = 0) -> bytes:
    """The `data` of a query answer: `{"resultType": …, "result": …}`.

    limit  keep only the first so many series (0: all)
    """
    kind = result.kind.value.encode()
    rows = result_json(result, ValueStyle.TEXT, limit=limit)
    return b'{"resultType":"%s","result":%s}' % (kind, rows)


def result_json(result: Result, style: ValueStyle, *, limit: int = 0) -> bytes:
    """The `result` alone: a list of series, or one `[time, value]` pair.

    Times are seconds with up to three decimals. A series without a point is left out.
    """
    if result.text is not None:
        return b"[%s,%s]" % (_seconds(result.times_ms[:1])[0], orjson.dumps(result.text))
    points = result.points()
    quote = b'"' if style is ValueStyle.TEXT else b""
    if result.kind is ResultKind.SCALAR:
        value = _values(points.values[:1], style)[0]
        if style is ValueStyle.TEXT and b"e" in value:
            value = format(Decimal(value.decode()), "f").encode()  # a scalar has no exponent
        return b"[%s,%s%s%s]" % (_seconds(points.times_ms[:1])[0], quote, value, quote)
    rows = np.flatnonzero(np.diff(points.offsets))
    if limit:
        rows = rows[:limit]
    if len(rows) == 0:
        return b"[]"
    metrics = map(orjson.dumps, result.series.take(rows).dicts())
    if result.kind is ResultKind.VECTOR:
        return _vector(list(metrics), points, rows, style, quote)
    return _matrix(list(metrics), points, rows, style, quote)


def series_count(result: Result) -> int:
    """How many series the JSON shows: those with a point."""
    if result.text is not None or result.kind is ResultKind.SCALAR:
        return 1
    return int(np.count_nonzero(np.diff(result.points().offsets)))


def _vector(
    metrics: list[bytes], points: Points, rows: Ints, style: ValueStyle, quote: bytes
) -> bytes:
    first = points.offsets[rows]
    times = _seconds(points.times_ms[first])
    values = _values(points.values[first], style)
    count = len(rows)
    pieces: list[bytes] = [b""] * (6 * count)
    pieces[0::6] = [b'{"metric":', *[b',{"metric":'] * (count - 1)]
    pieces[1::6] = metrics
    pieces[2::6] = [b',"value":['] * count
    pieces[3::6] = times
    pieces[4::6] = [b"," + quote] * count
    pieces[5::6] = [value + quote + b"]}" for value in values]
    return b"[%s]" % b"".join(pieces)


def _matrix(
    metrics: list[bytes], points: Points, rows: Ints, style: ValueStyle, quote: bytes
) -> bytes:
    last = int(points.offsets[rows[-1] + 1])  # rows without points own nothing in between
    tokens = _values(points.values[:last], style)
    distinct, instant = np.unique(points.times_ms[:last], return_inverse=True)
    seconds = _seconds(distinct)
    # What stands before a value: the end of the point before it, and its own time.
    follow = np.array([quote + b"],[" + s + b"," + quote for s in seconds], object)
    before: list[bytes] = follow[instant].tolist()
    starts = points.offsets[rows].tolist()
    for number, (at, metric) in enumerate(zip(starts, metrics, strict=True)):
        end = quote + b"]]},{" if number else b"{"
        time = seconds[int(instant[at])]
        before[at] = end + b'"metric":' + metric + b',"values":[[' + time + b"," + quote
    pieces = chain.from_iterable(zip(before, tokens, strict=True))
    return b"[%s%s]]}]" % (b"".join(pieces), quote)


def _values(values: Floats, style: ValueStyle) -> list[bytes]:
    tokens = float_tokens(values)
    if style is ValueStyle.NUMBER:
        for at in np.flatnonzero(~np.isfinite(values)).tolist():
            tokens[at] = b'"%s"' % tokens[at]
    return tokens


def _seconds(times_ms: Ints) -> list[bytes]:
    # The float nearest to ms / 1000 prints as exactly those three decimals (15 digits suffice).
    return float_tokens(times_ms / 1000.0)
