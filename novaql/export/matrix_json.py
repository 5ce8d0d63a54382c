"""Matrices of floats as JSON by compiled functions, and the texts of earlier answers kept for them.

A refreshed panel differs from the one before in a step or two at its ends. The text of a point
hangs on its time and the bits of its value, so the text of columns that both have is copied: those
that are where they were in memory, or compare equal.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from novaql.export.compiled_text import ABSENT, ODD
from novaql.export.json_values import ValueStyle, second_tokens, value_tokens
from novaql.export.labels_json import AT_ONCE, label_bytes, metric_texts
from novaql.kept_columns import Cell, Columns
from novaql.result import Result, ResultKind
from novaql.tsdb.model.labels import Bools, Ints, SeriesTable
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.buffer_pool import BUFFERS
from novaql.tsdb.runtime.compiled import Functions
from novaql.tsdb.runtime.lru_cache import ByteCache, CacheStats

MOST_POINTS = 1 << 19
"""Of an answer whose text is kept: 18 MB if all values have 17 digits."""

Bytes = NDArray[np.uint8]
_NO_TEXT = (
    np.zeros(0, np.uint8),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros((0, 0), np.int16),
)


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """The text of a matrix, and what it is the text of.

    begins, ends, sizes  where points are in it: `matrix_text.write_matrix`
    metrics              texts of the label sets, one behind the other, and where each ends
    """

    buffer: Bytes
    begins: Ints
    ends: Ints
    sizes: Columns[np.int16]
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
        arrays: list[NDArray[Any]] = [
            self.buffer,
            self.begins,
            self.ends,
            self.metrics[0],
            self.times_ms,
        ]
        arrays += [_owner(self.values)] + ([] if self.valid is None else [_owner(self.valid)])
        return self.sizes.nbytes + sum(array.nbytes for array in arrays) + 1000


def _still(array: NDArray[Cell]) -> NDArray[Cell]:
    """What it is now, whatever becomes of it."""
    return array.copy() if array.flags.writeable else array


def _owner(array: NDArray[Any]) -> NDArray[Any]:
    """What of memory is held by holding an array."""
    return array.base if isinstance(array.base, np.ndarray) else array


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
            self._kept.limit > 0
            and 2 <= len(result.times_ms) <= result.values.size <= MOST_POINTS
            and int(label_bytes(result.series).sum()) <= AT_ONCE
        )

    def written(
        self, compiled: Functions, result: Result, style: ValueStyle, key: Hashable
    ) -> memoryview:
        """The text of a plain matrix, without brackets."""
        place = (key, style)
        old = self._kept.get(place)
        if old is not None and not _alike(old, result):
            old = None
        found = written(compiled, result, style, old)
        valid = None if found.valid is None else _still(found.valid)
        self._kept.put(place, replace(found, values=_still(found.values), valid=valid))
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
    compiled: Functions, result: Result, style: ValueStyle, old: Written | None = None
) -> Written:
    """The text of a plain matrix.

    old  of the same series and steps as far apart
    """
    values, valid, times_ms = result.values, result.valid, result.times_ms
    rows, steps = values.shape
    shift = first = last = 0
    if old is not None:
        step = int(old.times_ms[1] - old.times_ms[0])
        shift = int(times_ms[0] - old.times_ms[0]) // step
        first, last = _known(compiled, old, result, shift)
        if shift == 0 and last - first == steps == len(old.times_ms):
            return old
    if first < last:
        fresh = np.concatenate([np.arange(first), np.arange(last, steps)])
        values, times_ms = values[:, fresh], times_ms[fresh]
        valid = None if valid is None else valid[:, fresh]
    values = np.ascontiguousarray(values)
    kinds = np.full(values.shape, ABSENT, np.int8)
    odd_texts = b""
    if compiled.kinds_of(values, _mask(valid), kinds):
        odd_texts = _odd_texts(values[kinds == ODD], style)
    if old is None:
        metrics, metric_ends = _joined(metric_texts(result.series))
    else:
        metrics, metric_ends = old.metrics
    times, time_ends = _texts_of_times(times_ms)
    longest = int(np.diff(time_ends, prepend=0).max(initial=0)) + 27  # brackets, quotes, digits
    room = len(metrics) + 33 * rows + longest * values.size + len(odd_texts)
    old_text = _NO_TEXT if old is None or first == last else _text_of(old)
    out = BUFFERS.ints((room + len(old_text[0])) // 8 + 1).view(np.uint8)
    begins, ends = np.empty(rows, np.int64), np.empty(rows, np.int64)
    sizes = np.empty(values.shape, np.int16)
    size = compiled.write_matrix(
        values, kinds, times, time_ends, metrics, metric_ends,
        np.frombuffer(odd_texts or b",", np.uint8), style is ValueStyle.TEXT,
        *old_text, shift, first, last, out, begins, ends, sizes,
    )  # fmt: skip
    out = out[:size]
    out.setflags(write=False)
    return Written(
        out,
        begins,
        ends,
        _all_sizes(old, sizes, shift, first, last, steps),
        (metrics, metric_ends),
        result.series,
        result.times_ms,
        result.values,
        result.valid,
    )


def _known(compiled: Functions, old: Written, result: Result, shift: int) -> tuple[int, int]:
    """The columns of which the text is there: those that are the same memory, or compare equal."""
    steps = len(result.times_ms)
    if _moved(old.values, result.values, shift) and (
        (old.valid is None and result.valid is None)
        or (
            old.valid is not None
            and result.valid is not None
            and _moved(old.valid, result.valid, shift)
        )
    ):
        first, last = max(0, -shift), min(steps, len(old.times_ms) - shift)
        return (first, last) if first < last else (0, 0)
    equal = np.zeros(steps, np.bool_)
    compiled.equal_columns(
        _bits(result.values), _mask(result.valid), _bits(old.values), _mask(old.valid), shift, equal
    )
    return _longest(equal)


def _moved(old: Floats | Bools, new: Floats | Bools, shift: int) -> bool:
    """Whether two views, to which nobody writes, are of one array, `shift` columns apart."""
    if old.flags.writeable or new.flags.writeable:
        return False
    return (
        new.base is not None
        and old.base is new.base
        and old.strides == new.strides
        and len(old) == len(new)
        and _address(new) - _address(old) == shift * new.strides[1]
    )


def _address(array: Floats | Bools) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _bits(values: Floats) -> NDArray[np.int64]:
    return np.ascontiguousarray(values).view(np.int64)


def _text_of(old: Written) -> tuple[Bytes, Ints, Ints, NDArray[np.int16]]:
    return old.buffer, old.begins, old.ends, old.sizes.views()[0]


def _all_sizes(
    old: Written | None,
    sizes: NDArray[np.int16],
    shift: int,
    first: int,
    last: int,
    steps: int,
) -> Columns[np.int16]:
    """Of known columns and of those that are not, in their order."""
    if old is None or first == last:
        return Columns.of(sizes, None)
    if first == 0 and last + shift == len(old.sizes):
        columns = old.sizes.followed_by(sizes, None, kept=last)
        return columns.part(len(columns) - steps, len(columns))
    known = old.sizes.views()[0][:, first + shift : last + shift]
    return Columns.of(np.concatenate([sizes[:, :first], known, sizes[:, first:]], axis=1), None)


def _mask(valid: Bools | None) -> Bools:
    return np.zeros((0, 0), np.bool_) if valid is None else np.ascontiguousarray(valid)


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


def _texts_of_times(times_ms: Ints) -> tuple[Bytes, Ints]:
    """As `_joined` gives them. Whole seconds of equally many digits need not be taken apart."""
    count = len(times_ms)
    if count and not (times_ms % 1000).any():
        text = orjson.dumps(times_ms // 1000, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] + b","
        width = len(text) // count
        if text[width - 1 :: width] == b"," * count:
            digits = np.frombuffer(text, np.uint8).reshape(count, width)[:, :-1]
            return digits.ravel(), np.arange(1, count + 1) * (width - 1)
    return _joined(second_tokens(times_ms))


def _joined(texts: list[bytes]) -> tuple[Bytes, Ints]:
    """Texts one behind the other, and where each ends."""
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    return np.frombuffer(b"".join(texts), np.uint8), ends
