"""Arrow arrays straight from buffers.

`pyarrow.array` imports pandas wherever it is installed, to check whether its argument is a Series:
that takes a sixth of a second, also in programs without pandas. Numbers are shared, not copied.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from novaql.errors import LimitExceeded
from novaql.tsdb.model.labels import Bools, Ints, LabelColumn

py_buffer: Any = pa.py_buffer  # the stubs lack the buffers of NumPy arrays


def numbers(values: NDArray[Any], kind: pa.DataType, valid: Bools | None = None) -> pa.Array[Any]:
    """A fixed-width array of a type as wide as the items of `values`; not valid is null."""
    bits = None if valid is None else py_buffer(np.packbits(valid, bitorder="little"))
    data = py_buffer(np.ascontiguousarray(values))
    found: pa.Array[Any] = pa.Array.from_buffers(kind, len(values), [bits, data])
    return found


MOST_TEXT_BYTES = 2**31 - 1
"""Bytes of all texts of one array: its offsets have 31 bits."""


def strings(texts: Sequence[str]) -> pa.Array[Any]:
    """A string array without nulls. Raises `LimitExceeded` for more than 2 GiB of texts."""
    _need_short(sum(map(len, texts)))  # a character has a byte at least
    encoded = [text.encode() for text in texts]
    _need_short(sum(map(len, encoded)))
    offsets = array("i", accumulate(map(len, encoded), initial=0))
    buffers = [None, py_buffer(offsets), py_buffer(b"".join(encoded))]
    found: pa.Array[Any] = pa.Array.from_buffers(pa.string(), len(encoded), buffers)
    return found


def _need_short(size: int) -> None:
    if size > MOST_TEXT_BYTES:
        raise LimitExceeded(
            f"a column has {size} bytes of different texts, of which Arrow and Parquet "
            f"take {MOST_TEXT_BYTES} at most; select fewer series, or leave labels out"
        )


def booleans(values: Bools) -> pa.Array[Any]:
    packed = py_buffer(np.packbits(values, bitorder="little"))
    found: pa.Array[Any] = pa.Array.from_buffers(pa.bool_(), len(values), [None, packed])
    return found


Reserve = Callable[[int], None]
"""Reserves bytes until an answer ends, or raises the error that ends it."""


def unreserved(_: int) -> None:
    """The `Reserve` of answers that no memory bounds."""


def labels_reserved(columns: Iterable[LabelColumn], reserve: Reserve) -> None:
    """Reserve the texts of compacted columns, which a writer copies and holds until its end: as
    bytes and as an array. Series of a store share long labels."""
    reserve(2 * sum(sum(map(len, column.values)) for column in columns))


class LabelRows:
    """The label of each series, as dictionary arrays that share one dictionary.

    column  a compacted one: the first of its values is no label, which is null
    """

    def __init__(self, column: LabelColumn) -> None:
        self._texts = strings(column.values[1:])
        self._indices = column.codes - np.int32(1)
        there = column.codes != 0
        self._there = None if there.all() else there

    def taken(self, series: Ints) -> pa.Array[Any]:
        """The label of each of some series, by number and in any order."""
        there = None if self._there is None else self._there[series]
        return self._array(self._indices[series], there)

    def repeated(self, series: slice, samples: Ints) -> pa.Array[Any]:
        """The label of each sample of some series. samples: the number of samples of each."""
        there = None if self._there is None else np.repeat(self._there[series], samples)
        return self._array(np.repeat(self._indices[series], samples), there)

    def _array(self, indices: NDArray[np.int32], there: Bools | None) -> pa.Array[Any]:
        codes = numbers(indices, pa.int32(), there)
        return pa.DictionaryArray.from_arrays(codes, self._texts, safe=False)
