"""Native histograms in the JSON of a result: `{"count": …, "sum": …, "buckets": […]}`.

A bucket is `[rule, lower, upper, population]`; the rule is which ends belong to it: 0 the upper
one, 1 the lower one, 2 neither, 3 both. Empty buckets are omitted, and so is an empty `buckets`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from novaql.export.json_values import ValueStyle, value_tokens
from novaql.text.glued_rows import glued
from novaql.tsdb.model.histogram_buckets import Ladder, boundary_rules, ladder
from novaql.tsdb.model.histograms import Floats, Histograms


def histogram_objects(h: Histograms, *, quoted: bool) -> list[bytes]:
    """[N] objects. quoted: every number as a string, else only what JSON has no number for."""
    style = ValueStyle.TEXT if quoted else ValueStyle.NUMBER
    rungs = ladder(h)
    count = len(rungs.population)
    filled = rungs.sizes > 0
    pieces = np.empty((count, 2), object)
    pieces[:, 0] = _beginnings(boundary_rules(h, rungs), rungs, quoted)
    pieces[:, 1] = value_tokens(rungs.population, style)
    opening = [b',"buckets":[' if some else b"" for some in filled.tolist()]
    heads = [
        b'{"count":%s,"sum":%s%s' % head
        for head in zip(_tokens(h.count, quoted), _tokens(h.sum, quoted), opening, strict=True)
    ]
    end = b'"]]}' if quoted else b"]]}"
    tails = [end if some else b"}" for some in filled.tolist()]
    return glued(heads, pieces.ravel(), 2 * rungs.sizes, tails)


def _beginnings(rules: NDArray[np.int8], rungs: Ladder, quoted: bool) -> NDArray[np.object_]:
    """[P] the text of each bucket up to its population, after the end of the previous bucket.

    Equal buckets are written once.
    """
    bounds = np.stack([rules, rungs.lower.view(np.int64), rungs.upper.view(np.int64)])
    order = np.lexsort(bounds)
    bounds = bounds[:, order]
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = (bounds[:, 1:] != bounds[:, :-1]).any(axis=0)
    rule, lower, upper = bounds[:, fresh]
    quote = b'"' if quoted else b""
    ends = (_tokens(end.view(np.float64), quoted) for end in (lower, upper))
    texts = np.empty((2, len(rule)), object)
    texts[0] = [
        b"[%d,%s,%s,%s" % (*bucket, quote) for bucket in zip(rule.tolist(), *ends, strict=True)
    ]
    texts[1] = [quote + b"]," + text for text in texts[0]]
    which = np.empty(len(order), np.int64)
    which[order] = np.cumsum(fresh) - 1
    follows = np.ones(len(order), np.intp)
    follows[rungs.offsets[:-1][rungs.sizes > 0]] = 0
    return texts[follows, which]


def _tokens(values: Floats, quoted: bool) -> list[bytes]:
    if quoted:
        return [b'"%s"' % token for token in value_tokens(values, ValueStyle.TEXT)]
    return value_tokens(values, ValueStyle.NUMBER)
