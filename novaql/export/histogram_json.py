"""Native histograms in the JSON of a result: `{"count": …, "sum": …, "buckets": […]}`.

A bucket is `[rule, lower, upper, population]`; the rule says which ends belong to it: 0 the upper
one, 1 the lower one, 2 neither, 3 both. Empty buckets are left out, and `buckets` with them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from novaql.export.float_tokens import float_tokens
from novaql.export.glued_rows import glued
from tsdb.histogram_bounds import boundary_rules, ladder
from tsdb.histograms import Floats, Histograms


def histogram_objects(h: Histograms, *, quoted: bool) -> list[bytes]:
    """[N] objects. quoted: every number as a string, else only what JSON has no number for."""
    rungs = ladder(h)
    rules: list[int] = boundary_rules(h, rungs).tolist()
    separators = np.full(len(rules), b",", object)
    filled = rungs.sizes > 0
    separators[rungs.offsets[1:][filled] - 1] = b""
    items = [
        b"[%d,%s,%s,%s]%s" % bucket
        for bucket in zip(
            rules,
            _repeated(rungs.lower, quoted),
            _repeated(rungs.upper, quoted),
            _tokens(rungs.population, quoted),
            separators.tolist(),
            strict=True,
        )
    ]
    opening = [b',"buckets":[' if some else b"" for some in filled.tolist()]
    heads = [
        b'{"count":%s,"sum":%s%s' % head
        for head in zip(_tokens(h.count, quoted), _tokens(h.sum, quoted), opening, strict=True)
    ]
    tails = [b"]}" if some else b"}" for some in filled.tolist()]
    return glued(heads, items, rungs.sizes, tails)


def _tokens(values: Floats, quoted: bool) -> list[bytes]:
    tokens = float_tokens(values)
    if quoted:
        return [b'"%s"' % token for token in tokens]
    for at in np.flatnonzero(~np.isfinite(values)).tolist():
        tokens[at] = b'"%s"' % tokens[at]
    return tokens


def _repeated(values: Floats, quoted: bool) -> list[bytes]:
    """Tokens of bounds, of which there are few different ones."""
    bits, place = np.unique(values.view(np.int64), return_inverse=True)
    tokens: NDArray[np.object_] = np.empty(len(bits), object)
    tokens[:] = _tokens(bits.view(np.float64), quoted)
    out: list[bytes] = tokens[place].tolist()
    return out
