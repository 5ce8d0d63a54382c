"""Numbers in JSON answers."""

from __future__ import annotations

from enum import Enum

import numpy as np

from novaql.text.floats import float_tokens
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


def second_tokens(times_ms: Ints) -> list[bytes]:
    """Seconds with up to three decimals."""
    # The float nearest to ms / 1000 prints as exactly those three decimals (15 digits suffice).
    return float_tokens(times_ms / 1000.0)
