"""A `Result` as JSON: Prometheus's `data`, and the `result` of POST /v1/novaql.

Both have the same skeleton. Prometheus writes a value as a string (`"0.5"`); NovaQL's own API
writes a number, and a string only for what JSON has no number for. Built by splicing bytes:
all numbers are formatted in one call, and one join makes the text. Native histograms are beside
the floats of their series, under `histogram` or `histograms`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import chain, pairwise

import numpy as np
import orjson

from novaql.export.compiled_text import TEXTS
from novaql.export.few_series import few_series, is_few
from novaql.export.histogram_json import histogram_objects
from novaql.export.json_values import (
    ValueStyle,
    second_token,
    second_tokens,
    value_token,
    value_tokens,
)
from novaql.export.labels_json import label_bytes, metric_texts
from novaql.export.matrix_json import is_plain, plain_pieces
from novaql.export.series_limit import first_series
from novaql.result import NativeCells, Points, Result, ResultKind
from novaql.tsdb.model.labels import Ints

POINTS_AT_ONCE = 1 << 15
"""About a megabyte of text: a piece of a large answer."""

_BYTES_A_POINT = 32
"""About the length of the text of a point."""


def prometheus_data(result: Result, *, limit: int = 0) -> bytes:
    """Return the `data` of a query answer: `{"resultType": …, "result": …}`.

    limit  include at most so many series (0: all)
    """
    rows = result_json(first_series(result, limit), ValueStyle.TEXT)
    return b'{"resultType":"%s","result":%s}' % (result.kind.value.encode(), rows)


def result_json(result: Result, style: ValueStyle) -> bytes:
    """Return the `result` alone: a list of series, or one `[time, value]` pair.

    Times are seconds with up to three decimals. Series without a point are omitted.
    """
    return b"".join(result_pieces(result, style))


def result_pieces(result: Result, style: ValueStyle) -> Iterator[bytes | memoryview]:
    """Yield what `result_json` returns in pieces, each written when it is requested."""
    if result.text is not None or result.kind is ResultKind.SCALAR:
        yield _pair(result, style)
        return
    if is_few(result):
        yield few_series(result, style)
        return
    count = result.values.size if result.raw is None else len(result.raw.values)
    compiled = TEXTS.ready(count)
    ranges = pieces_of_rows(result)
    yield b"["
    if compiled is not None and is_plain(result):
        yield from plain_pieces(compiled, result, ranges, style)
    else:
        before = b""
        for first, last in ranges:
            if text := _series(result if len(ranges) == 1 else result.rows(first, last), style):
                yield before + text
                before = b","
    yield b"]"


def pieces_of_rows(result: Result) -> list[tuple[int, int]]:
    """Return ranges of rows with about `POINTS_AT_ONCE` points, or as many bytes of labels."""
    rows = result.series.rows
    if rows == 0 or result.kind is ResultKind.SCALAR:
        return [(0, rows)]
    if result.raw is not None:
        offsets = result.raw.offsets
    else:
        steps = max(1, result.values.shape[1])
        offsets = np.arange(rows + 1) * steps
    ends = offsets[1:] + np.cumsum(label_bytes(result.series)) // _BYTES_A_POINT
    if int(offsets[-1]) <= POINTS_AT_ONCE and int(ends[-1]) <= 4 * POINTS_AT_ONCE:
        return [(0, rows)]
    number = (ends - 1) // POINTS_AT_ONCE
    bounds = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), rows]
    return list(pairwise(bounds))


def _pair(result: Result, style: ValueStyle) -> bytes:
    """A scalar or a text, and its time."""
    time = second_token(int(result.times_ms[0]))
    if result.text is not None:
        return b"[%s,%s]" % (time, orjson.dumps(result.text))
    value = value_token(float(result.values[0, 0]), style)
    if style is ValueStyle.TEXT and b"e" in value:  # a scalar has no exponent
        value = b'"%s"' % format(Decimal(value[1:-1].decode()), "f").encode()
    return b"[%s,%s]" % (time, value)


def _series(result: Result, style: ValueStyle) -> bytes:
    """Series with commas between them."""
    points = result.points()
    rows = np.flatnonzero(np.diff(points.offsets))
    if len(rows) == 0:
        return b""
    quote = b'"' if style is ValueStyle.TEXT else b""
    metrics = metric_texts(result.series.take(rows))
    if points.native is not None:
        many = b"" if result.kind is ResultKind.VECTOR else b"s"
        return _mixed(metrics, points, points.native, rows, style, many)
    if result.kind is ResultKind.VECTOR:
        return _vector(metrics, points, rows, style, quote)
    return _matrix(metrics, points, rows, style, quote)


def _vector(
    metrics: list[bytes], points: Points, rows: Ints, style: ValueStyle, quote: bytes
) -> bytes:
    first = points.offsets[rows]
    times = second_tokens(points.times_ms[first])
    values = value_tokens(points.values[first], style)
    count = len(rows)
    pieces: list[bytes] = [b""] * (6 * count)
    pieces[0::6] = [b'{"metric":', *[b',{"metric":'] * (count - 1)]
    pieces[1::6] = metrics
    pieces[2::6] = [b',"value":['] * count
    pieces[3::6] = times
    pieces[4::6] = [b"," + quote] * count
    pieces[5::6] = [value + quote + b"]}" for value in values]
    return b"".join(pieces)


def _matrix(
    metrics: list[bytes], points: Points, rows: Ints, style: ValueStyle, quote: bytes
) -> bytes:
    last = int(points.offsets[rows[-1] + 1])  # rows without points have no points in between
    tokens = value_tokens(points.values[:last], style)
    distinct, instant = np.unique(points.times_ms[:last], return_inverse=True)
    seconds = second_tokens(distinct)
    # The text before a value: the end of the previous point, and its own time.
    follow = np.array([quote + b"],[" + s + b"," + quote for s in seconds], object)
    before: list[bytes] = follow[instant].tolist()
    starts = points.offsets[rows].tolist()
    for number, (at, metric) in enumerate(zip(starts, metrics, strict=True)):
        end = quote + b"]]},{" if number else b"{"
        time = seconds[int(instant[at])]
        before[at] = end + b'"metric":' + metric + b',"values":[[' + time + b"," + quote
    pieces = chain.from_iterable(zip(before, tokens, strict=True))
    return b"%s%s]]}" % (b"".join(pieces), quote)


def _mixed(
    metrics: list[bytes],
    points: Points,
    native: NativeCells,
    rows: Ints,
    style: ValueStyle,
    many: bytes,
) -> bytes:
    """Write floats under `value` and histograms under `histogram`, or lists of them under the
    plurals if `many` is "s"."""
    last = int(points.offsets[rows[-1] + 1])
    is_float = native.which[:last] < 0
    quoted = style is ValueStyle.TEXT
    histograms, number = NativeCells(native.histograms, native.which[:last]).occurring()
    tokens = np.empty(last, object)
    texts = value_tokens(points.values[:last][is_float], style)
    tokens[is_float] = [b'"%s"' % text for text in texts] if quoted else texts
    objects = np.empty(len(histograms), object)
    objects[:] = histogram_objects(histograms, quoted=quoted)
    tokens[~is_float] = objects[number]
    times = second_tokens(points.times_ms[:last])
    pairs = np.empty(last, object)
    pairs[:] = [b"[%s,%s]" % pair for pair in zip(times, tokens.tolist(), strict=True)]
    series = [b'{"metric":' + metric for metric in metrics]
    for key, chosen in ((b"value", is_float), (b"histogram", ~is_float)):
        some: list[bytes] = pairs[chosen].tolist()
        before = np.concatenate([[0], np.cumsum(chosen)])
        bounds = zip(before[points.offsets[rows]], before[points.offsets[rows + 1]], strict=True)
        for at, (first, end) in enumerate(bounds):
            if first < end:
                listed = b",".join(some[first:end])
                series[at] += b',"%s%s":' % (key, many) + (b"[%s]" % listed if many else listed)
    return b"%s}" % b"},".join(series)
