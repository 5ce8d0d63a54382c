"""Arrow arrays of numbers ↔ NumPy, by their buffers.

`Array.to_numpy` and `pyarrow.array` import pandas if it is installed: 50 MiB and half a second
of the first query of a Parquet file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.labels import Bools

if TYPE_CHECKING:
    import pyarrow as pa
else:  # loaded at the first use
    pa = lazy_module("pyarrow")


def numbers_of(array: pa.Array[Any]) -> NDArray[Any]:
    """The numbers of an integer, float, time or date array, without a copy; those of nulls are
    arbitrary."""
    kind = array.type
    width = kind.bit_width // 8
    if pa.types.is_floating(kind):
        dtype = np.dtype(f"f{width}")
    elif pa.types.is_unsigned_integer(kind):
        dtype = np.dtype(f"u{width}")
    else:
        dtype = np.dtype(f"i{width}")
    if len(array) == 0:
        return np.zeros(0, dtype)
    data = array.buffers()[1]
    assert data is not None
    return np.frombuffer(memoryview(data), dtype, len(array), array.offset * width)


def valid_of(array: pa.Array[Any]) -> Bools:
    """Which elements are not null."""
    if array.null_count == 0:
        return np.ones(len(array), np.bool_)
    bits = array.buffers()[0]
    if bits is None or pa.types.is_null(array.type):
        return np.zeros(len(array), np.bool_)
    first = array.offset // 8
    count = array.offset % 8 + len(array)
    some = np.frombuffer(memoryview(bits), np.uint8, -(-count // 8), first)
    unpacked = np.unpackbits(some, count=count, bitorder="little")
    return unpacked[array.offset % 8 :].view(np.bool_)


def arrow_of(numbers: NDArray[np.int64]) -> pa.Array[Any]:
    """An array of 64-bit integers, without a copy."""
    whole = np.ascontiguousarray(numbers)
    return pa.Array.from_buffers(pa.int64(), len(whole), [None, pa.py_buffer(whole.data)])
