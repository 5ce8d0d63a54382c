"""Matrices of floats as JSON by compiled functions, and the texts of earlier answers kept for them.

A refreshed panel differs from the one before in a step or two at its ends. The text of a point
hangs on its time and the bits of its value, so the text of columns that are equal in both, by
comparing them, is copied.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from novaql.export.compiled_text import Compiled
from novaql.export.json_values import ValueStyle, second_tokens, value_tokens
from novaql.export.matrix_text import ABSENT, ODD
from novaql.result import Result, ResultKind
from tsdb.cache import ByteCache, CacheStats
from tsdb.labels import Bools, Ints, SeriesTable
from tsdb.tile import Floats

MOST_POINTS = 1 << 18
"""Of an answer whose text is kept: some megabytes."""

Bytes = NDArray[np.uint8]
_NOTHING = np.zeros(0, np.uint8), np.zeros((0, 0), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """The text of a matrix, and what it is the text of.

    ends     where points end in it: `matrix_text.write_matrix`
    metrics  texts of the label sets, one behind the other, and where each ends
    """

    buffer: Bytes
    ends: NDArray[np.int64]
    metrics: tuple[Bytes, Ints]
    series: SeriesTable
    times_ms: Ints
    values: Floats
    valid: Bools | None

    @property
    def text(self) -> memoryview:
        return self.buffer.data

    @property
    def nbytes(self) -> int:
        """With the values: it may be the last that holds them."""
        valid = 0 if self.valid is None else self.valid.nbytes
        arrays = (self.buffer, self.ends, self.metrics[0], self.times_ms, self.values)
        return valid + sum(array.nbytes for array in arrays) + 1000


def is_plain_matrix(result: Result) -> bool:
    """Whether compiled functions can write it."""
    return (
        result.kind is ResultKind.MATRIX
        and result.raw is None
        and result.native is None
        and result.values.size > 0
    )


class KeptTexts:
    """Texts of answers, for the next answer to the same question. For any thread.

    Never wrong, whatever the question: what is taken of a text was compared.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._kept: ByteCache[Written] = ByteCache(limit_bytes, lambda kept: kept.nbytes)

    def takes(self, result: Result) -> bool:
        """Whether the text of such an answer is kept, if there is room."""
        return (
            self._kept.limit > 0 and 2 <= len(result.times_ms) <= result.values.size <= MOST_POINTS
        )

    def written(
        self, compiled: Compiled, result: Result, style: ValueStyle, key: Hashable
    ) -> memoryview:
        """The text of a plain matrix, without brackets."""
        place = (key, style)
        old = self._kept.get(place)
        if old is not None and not _alike(old, result):
            old = None
        found = written(compiled, result, style, old, note=True)
        self._kept.put(place, found)
        return found.text

    def stats(self) -> CacheStats:
        """Hits and misses, entries and bytes."""
        return self._kept.stats()


def _alike(old: Written, result: Result) -> bool:
    """Whether both have the same series, and steps that may meet."""
    step = int(result.times_ms[1] - result.times_ms[0])
    return (
        int(old.times_ms[1] - old.times_ms[0]) == step
        and int(result.times_ms[0] - old.times_ms[0]) % step == 0
        and old.series.surely_equals(result.series)
    )


def written(
    compiled: Compiled,
    result: Result,
    style: ValueStyle,
    old: Written | None = None,
    *,
    note: bool = False,
) -> Written:
    """The text of a plain matrix.

    old   of the same series and steps as far apart
    note  fill in `ends`
    """
    values = np.ascontiguousarray(result.values)
    rows, steps = values.shape
    valid = None if result.valid is None else np.ascontiguousarray(result.valid)
    shift = first = last = 0
    if old is not None:
        step = int(old.times_ms[1] - old.times_ms[0])
        shift = int(result.times_ms[0] - old.times_ms[0]) // step
        equal = np.zeros(steps, np.bool_)
        bits, others = values.view(np.int64), old.values.view(np.int64)
        compiled.equal_columns(bits, _mask(valid), others, _mask(old.valid), shift, equal)
        first, last = _longest(equal)
    kinds = np.full(values.shape, ABSENT, np.int8)
    odd_texts = b""
    if compiled.kinds_of(values, _mask(valid), kinds, first, last):
        odd_texts = _odd_texts(values[kinds == ODD], style)
    if old is None:
        metrics, metric_ends = _joined(list(map(orjson.dumps, result.series.dicts())))
    else:
        metrics, metric_ends = old.metrics
    times, time_ends = _joined(second_tokens(result.times_ms))
    longest = int(np.diff(time_ends, prepend=0).max()) + 26  # brackets, quotes, digits
    room = len(metrics) + 33 * rows + longest * rows * (steps - last + first) + len(odd_texts)
    buffer, ends = _NOTHING if old is None else (old.buffer, old.ends)
    out = np.empty(room + (len(buffer) if first < last else 0), np.uint8)
    noted = np.empty((rows, steps + 1) if note else (0, 0), np.int64)
    size = compiled.write_matrix(
        values, kinds, times, time_ends, metrics, metric_ends,
        np.frombuffer(odd_texts or b",", np.uint8), style is ValueStyle.TEXT,
        buffer, ends, shift, first, last, out, noted,
    )  # fmt: skip
    out = out[:size]
    out.setflags(write=False)
    return Written(
        out, noted, (metrics, metric_ends), result.series, result.times_ms, values, valid
    )


def _mask(valid: Bools | None) -> Bools:
    return np.zeros((0, 0), np.bool_) if valid is None else valid


def _longest(chosen: Bools) -> tuple[int, int]:
    """Begin and end of the longest stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    if len(edges) == 0:
        return 0, 0
    longest = int(np.argmax(edges[1::2] - edges[::2]))
    return int(edges[2 * longest]), int(edges[2 * longest + 1])


def _odd_texts(values: Floats, style: ValueStyle) -> bytes:
    """Texts of values, a comma after each."""
    size = np.abs(values)
    if ((size >= 1e-5) & (size < 1e15)).all():  # orjson writes these as Prometheus does
        return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] + b","
    return b",".join(value_tokens(values, style)) + b","


def _joined(texts: list[bytes]) -> tuple[Bytes, Ints]:
    """Texts one behind the other, and where each ends."""
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    return np.frombuffer(b"".join(texts), np.uint8), ends
