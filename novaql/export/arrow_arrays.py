"""Arrow arrays straight from buffers.

`pyarrow.array` imports pandas wherever it is installed, to find out whether it was given a Series:
a sixth of a second that a program without pandas should not pay. Numbers are shared, not copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tsdb.labels import Bools

py_buffer: Any = pa.py_buffer  # the stubs do not know that NumPy arrays have a buffer


def numbers(values: NDArray[Any], kind: pa.DataType, valid: Bools | None = None) -> pa.Array[Any]:
    """A fixed-width array of a type as wide as the items of `values`; not valid is null."""
    bits = None if valid is None else py_buffer(np.packbits(valid, bitorder="little"))
    data = py_buffer(np.ascontiguousarray(values))
    array: pa.Array[Any] = pa.Array.from_buffers(kind, len(values), [bits, data])
    return array


def strings(texts: Sequence[str]) -> pa.Array[Any]:
    """A string array without nulls."""
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    buffers = [None, py_buffer(offsets), py_buffer(b"".join(encoded))]
    array: pa.Array[Any] = pa.Array.from_buffers(pa.string(), len(encoded), buffers)
    return array


def booleans(values: Bools) -> pa.Array[Any]:
    packed = py_buffer(np.packbits(values, bitorder="little"))
    array: pa.Array[Any] = pa.Array.from_buffers(pa.bool_(), len(values), [None, packed])
    return array
