"""Numbers in JSON answers."""

from __future__ import annotations

import math
from enum import Enum

import numpy as np

from novaql.text.floats import float_token, float_tokens
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats


class ValueStyle(Enum):
    """How the JSON represents the value of a sample."""

    TEXT = "text"
    """Always a string, as in Prometheus."""
    NUMBER = "number"
    """A number; `"NaN"`, `"+Inf"` and `"-Inf"` are strings."""


def value_tokens(values: Floats, style: ValueStyle) -> list[bytes]:
    """Return the texts of values, without the quotes that `TEXT` adds."""
    tokens = float_tokens(values)
    if style is ValueStyle.NUMBER:
        for at in np.flatnonzero(~np.isfinite(values)).tolist():
            tokens[at] = b'"%s"' % tokens[at]
    return tokens


def value_token(value: float, style: ValueStyle) -> bytes:
    """Return the text of one value, with its quotes."""
    token = float_token(value)
    quoted = style is ValueStyle.TEXT or not math.isfinite(value)
    return b'"%s"' % token if quoted else token


def second_token(time_ms: int) -> bytes:
    """Return one time as `second_tokens` does."""
    return float_token(time_ms / 1000)


def second_tokens(times_ms: Ints) -> list[bytes]:
    """Seconds with up to three decimals."""
    # The float nearest to ms / 1000 prints as exactly those three decimals (15 digits suffice).
    return float_tokens(times_ms / 1000.0)
