"""The JSON text of a matrix of floats, encoded by the compiled functions of `matrix_text`."""

from __future__ import annotations

import numpy as np
import orjson
from numpy.typing import NDArray

from novaql.export.compiled_text import DECIMAL, OTHER
from novaql.export.json_values import ValueStyle, second_tokens, value_tokens
from novaql.export.labels_json import metric_texts
from novaql.result import Result, ResultKind
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.buffer_pool import BUFFERS
from novaql.tsdb.runtime.compiled import Functions

Bytes = NDArray[np.uint8]

NO_TEXT = np.zeros(0, np.uint8)

VALUE_BYTES = 28
"""The longest text of a value, with the quote, bracket and comma after it."""

SERIES_BYTES = 33
"""Keys, brackets and commas of a series."""


def is_plain_matrix(result: Result) -> bool:
    """Whether the compiled functions can encode it: floats at steps, and at least one cell."""
    return (
        result.kind is ResultKind.MATRIX
        and result.raw is None
        and result.native is None
        and result.values.size > 0
    )


def matrix_text(compiled: Functions, result: Result, style: ValueStyle) -> memoryview:
    """Return the series of a plain matrix as JSON objects, separated by commas, without the
    brackets of the list. Series without a point are omitted."""
    values = np.ascontiguousarray(result.values)
    valid = result.valid
    mask = np.zeros((0, 0), np.bool_) if valid is None else np.ascontiguousarray(valid)
    quoted = style is ValueStyle.TEXT
    kinds = np.empty(values.shape, np.int8)
    decimal, other = compiled.kinds_of(values, mask, kinds)
    decimals = _numbers(values[kinds == DECIMAL]) if decimal else NO_TEXT
    others = NO_TEXT
    if other:
        others = np.frombuffer(
            b",".join([*value_tokens(values[kinds == OTHER], style), b""]), np.uint8
        )
    metrics, metric_ends = _concatenated(metric_texts(result.series))
    heads, head_ends = _heads(result.times_ms, quoted)
    longest = int(np.diff(head_ends, prepend=0).max(initial=0)) + VALUE_BYTES
    out = BUFFERS.ints((len(metrics) + SERIES_BYTES * len(values) + longest * values.size) // 8 + 1)
    text = out.view(np.uint8)
    size = compiled.write_matrix(
        values,
        kinds,
        heads,
        head_ends,
        metrics,
        metric_ends,
        decimals,
        others,
        quoted,
        text,
    )
    return text[:size].data


def _numbers(values: Floats | Ints) -> Bytes:
    """Return the texts of finite numbers, with a comma after each, or `]` after the last."""
    return np.frombuffer(orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY), np.uint8)[1:]


def _heads(times_ms: Ints, quoted: bool) -> tuple[Bytes, Ints]:
    """Return what precedes the value of each step, `[<seconds>,` and the quote: concatenated, and
    the end of each."""
    count = len(times_ms)
    if count and not (times_ms % 1000).any():
        text = _numbers(times_ms // 1000)
        width = len(text) // count
        commas = text[width - 1 : -1 : width] == ord(",")
        if len(text) == count * width and commas.all():  # equally many digits, the usual case
            heads = np.full((count, 1 + width + quoted), ord('"'), np.uint8)
            heads[:, 0] = ord("[")
            heads[:, 1:width] = text.reshape(count, width)[:, :-1]
            heads[:, width] = ord(",")
            return heads.ravel(), np.arange(1, count + 1) * heads.shape[1]
    end = b',"' if quoted else b","
    return _concatenated([b"[" + time + end for time in second_tokens(times_ms)])


def _concatenated(texts: list[bytes]) -> tuple[Bytes, Ints]:
    """Return the texts as one array, and the end of each."""
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    return np.frombuffer(b"".join(texts), np.uint8), ends
