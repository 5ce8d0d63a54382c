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
from novaql.tsdb.model.samples import Floats

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import compute
else:  # loaded at the first use
    pa = lazy_module("pyarrow")
    compute = lazy_module("pyarrow.compute")

_EXACT = 1 << 53
"""Every whole number up to this one is a float64."""

_EXACT_POWER = 22
"""10^22 is the largest power of ten that is a float64."""


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


def nearest_floats(array: pa.Array[Any]) -> Floats:
    """The float64 nearest to each number; those of nulls are arbitrary.

    Raises `pyarrow.ArrowInvalid` or `pyarrow.ArrowNotImplementedError` for what is no number.
    """
    if pa.types.is_decimal(array.type):
        return _floats_of_decimals(array)
    return numbers_of(array.cast(pa.float64(), safe=False))


def _floats_of_decimals(array: pa.Array[Any]) -> Floats:
    # Arrow's own cast multiplies by 10^-scale, which is no float64: the last bit is often wrong.
    # A division of exact numbers rounds once.
    unscaled, small = _unscaled(array)
    power = float(10 ** min(abs(array.type.scale), _EXACT_POWER))
    floats: Floats = unscaled / power if array.type.scale > 0 else unscaled * power
    if abs(array.type.scale) > _EXACT_POWER:
        small = np.zeros(len(array), np.bool_)
    if not small.all():
        rows = np.flatnonzero(~small & valid_of(array))
        floats[rows] = _floats_by_text(array.take(arrow_of(rows)))
    return floats


def _floats_by_text(array: pa.Array[Any]) -> Floats:
    """A text is read as the nearest float, whatever its length."""
    kind = array.type
    # Arrow refuses to write some scales.
    whole = getattr(pa, f"decimal{kind.bit_width}")(kind.precision, 0)
    digits = pa.Array.from_buffers(whole, len(array), array.buffers(), offset=array.offset)
    ends: Any = (f"E{-kind.scale}", "")  # the exponent and nothing between; the stubs are narrower
    texts = compute.binary_join_element_wise(digits.cast(pa.string()), *ends)
    return numbers_of(texts.cast(pa.float64()))


def _unscaled(array: pa.Array[Any]) -> tuple[Floats, Bools]:
    """The whole numbers that a scale divides, as floats, and which of them are exact. The others
    are arbitrary."""
    width = array.type.bit_width // 8
    if len(array) == 0:
        return np.zeros(0), np.zeros(0, np.bool_)
    data = array.buffers()[1]
    assert data is not None
    dtype = np.dtype(f"i{min(width, 8)}")
    words = np.frombuffer(
        memoryview(data), dtype, len(array) * width // dtype.itemsize, array.offset * width
    ).reshape(len(array), -1)  # the lowest first
    low = words[:, 0].astype(np.int64)
    small = (low >= -_EXACT) & (low <= _EXACT)
    for word in words[:, 1:].T:
        small &= word == low >> 63
    return low.astype(np.float64), small


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
