"""Files of pcodec, decoded by compiled code. Importing it needs numba."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.codec.numba import pco
from novaql.tsdb.codec.numba.compiled import MARGIN

KINDS: dict[str, tuple[int, Any]] = {
    "int32": (pco.I32, np.int32),
    "int64": (pco.I64, np.int64),
    "float64": (pco.F64, np.int64),
}


@numba.njit
def _decode(data: Any, at: Any, size: Any, kind: Any, out: Any) -> Any:
    return pco.decode(data, at, size, kind, out, pco.workspace())


def decoded(file: bytes, kind: str, count: int, *, before: bytes = b"") -> NDArray[Any] | None:
    """The first numbers of a file as bit patterns; None: it is left to pcodec."""
    number, dtype = KINDS[kind]
    out = np.zeros(count, dtype)
    data = np.frombuffer(before + file + bytes(MARGIN), np.uint8)
    done = _decode(data, len(before), len(file), number, out)
    assert done in (-1, count)
    return out if done == count else None
