"""Many floats as text at once, written as Prometheus's API writes them.

The shortest decimal that reads back as the same float, plain between 1e-6 and 1e21, beyond that
with an exponent of at least two digits (`1e-07`, `1e+21`); integers without `.0`; `NaN`, `+Inf`,
`-Inf`, `-0`.
"""

from __future__ import annotations

import math

import numpy as np
import orjson

from novaql.text.go_text import scientific, shortest_decimal
from novaql.tsdb.model.samples import Floats

_NUMPY = orjson.OPT_SERIALIZE_NUMPY


def float_tokens(values: Floats) -> list[bytes]:
    """One token for each value. orjson and `bytes.split` do the work, without a loop in Python."""
    if values.size == 0:
        return []
    text = orjson.dumps(np.ascontiguousarray(values, np.float64).ravel(), option=_NUMPY)
    text = text[1:-1].replace(b".0,", b",").removesuffix(b".0")
    size = np.abs(values.ravel())
    if ((size < 1e-6) & (size > 0)).any():
        text += b","
        for digit in b"789":
            text = text.replace(b"e-%c," % digit, b"e-0%c," % digit)
        text = text[:-1]
    tokens = text.split(b",")
    # Numbers that Go formats differently than orjson, and those that JSON does not have.
    unlike = ((size >= 1e-6) & (size < 1e-5)) | ((size >= 1e16) & (size < 1e21))
    for at in np.flatnonzero(unlike | ~np.isfinite(size)).tolist():
        tokens[at] = float_token(float(values.flat[at]))
    return tokens


def float_token(value: float) -> bytes:
    """One value; the definition that `float_tokens` is tested against."""
    if value == 0 or 1e-6 <= abs(value) < 1e21 or not math.isfinite(value):
        return shortest_decimal(value).encode()
    return scientific(value).encode()
