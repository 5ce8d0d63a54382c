"""A `Result` as JSON: Prometheus's `data`, and the `result` of POST /v1/novaql.

Both have the same skeleton. Prometheus writes a value as a string (`"0.5"`); NovaQL's own API
writes a number, and a string only for what JSON has no number for. Built by splicing bytes:
numbers become tokens all at once, and one join makes the text. Native histograms stand beside the
floats of their series, under `histogram` or `histograms`.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from itertools import chain

import numpy as np
import orjson
from numpy.typing import NDArray

from novaql.export.compiled_text import Compiled, ready
from novaql.export.float_tokens import float_tokens
from novaql.export.histogram_json import histogram_objects
from novaql.export.matrix_text import ODD
from novaql.result import NativeCells, Points, Result, ResultKind
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
    compiled = ready()
    if compiled is not None and _is_plain_matrix(result):
        return _compiled_matrix(compiled, result, style, limit)
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
    if points.native is not None:
        many = b"" if result.kind is ResultKind.VECTOR else b"s"
        return _mixed(list(metrics), points, points.native, rows, style, many)
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


def _is_plain_matrix(result: Result) -> bool:
    return (
        result.kind is ResultKind.MATRIX
        and result.raw is None
        and result.native is None
        and result.values.size > 0
    )


def _compiled_matrix(compiled: Compiled, result: Result, style: ValueStyle, limit: int) -> bytes:
    """The same text as `_matrix` gives."""
    series, valid = result.series, result.valid
    values = np.ascontiguousarray(result.values)
    if limit:
        there = np.arange(len(values))
        if valid is not None:
            there = np.flatnonzero(np.logical_or.reduce(valid, axis=1))
        there = there[:limit]
        series, values = series.take(there), values[there]
        valid = None if valid is None else valid[there]
    kinds = np.empty(values.shape, np.int8)
    known = np.zeros((0, 0), np.bool_) if valid is None else np.ascontiguousarray(valid)
    odd_texts = b""
    if compiled.kinds_of(values, known, kinds):
        odd_texts = _odd_texts(values[kinds == ODD], style)
    metrics, metric_ends = _joined(list(map(orjson.dumps, series.dicts())))
    times, time_ends = _joined(_seconds(result.times_ms))
    longest = int(np.diff(time_ends, prepend=0).max()) + 26  # brackets, quotes, digits
    room = len(metrics) + 32 * len(values) + longest * values.size + len(odd_texts)
    out = np.empty(room, np.uint8)
    odd = np.frombuffer(odd_texts or b",", np.uint8)
    quoted = style is ValueStyle.TEXT
    size = compiled.write_matrix(
        values, kinds, times, time_ends, metrics, metric_ends, odd, quoted, out
    )
    return b"".join((b"[", out[:size].data, b"]"))


def _odd_texts(values: Floats, style: ValueStyle) -> bytes:
    """Texts of values, a comma after each."""
    size = np.abs(values)
    if ((size >= 1e-5) & (size < 1e15)).all():  # orjson writes these as Prometheus does
        return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] + b","
    return b",".join(_values(values, style)) + b","


def _joined(texts: list[bytes]) -> tuple[NDArray[np.uint8], Ints]:
    """Texts one behind the other, and where each ends."""
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    return np.frombuffer(b"".join(texts), np.uint8), ends


def _mixed(
    metrics: list[bytes],
    points: Points,
    native: NativeCells,
    rows: Ints,
    style: ValueStyle,
    many: bytes,
) -> bytes:
    """Floats as `value`, histograms as `histogram`; each with an `s`, and listed, if `many`."""
    last = int(points.offsets[rows[-1] + 1])
    is_float = native.which[:last] < 0
    quoted = style is ValueStyle.TEXT
    histograms, number = NativeCells(native.histograms, native.which[:last]).occurring()
    tokens = np.empty(last, object)
    texts = _values(points.values[:last][is_float], style)
    tokens[is_float] = [b'"%s"' % text for text in texts] if quoted else texts
    objects = np.empty(len(histograms), object)
    objects[:] = histogram_objects(histograms, quoted=quoted)
    tokens[~is_float] = objects[number]
    times = _seconds(points.times_ms[:last])
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
    return b"[%s}]" % b"},".join(series)


def _values(values: Floats, style: ValueStyle) -> list[bytes]:
    tokens = float_tokens(values)
    if style is ValueStyle.NUMBER:
        for at in np.flatnonzero(~np.isfinite(values)).tolist():
            tokens[at] = b'"%s"' % tokens[at]
    return tokens


def _seconds(times_ms: Ints) -> list[bytes]:
    # The float nearest to ms / 1000 prints as exactly those three decimals (15 digits suffice).
    return float_tokens(times_ms / 1000.0)
