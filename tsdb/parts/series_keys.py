"""Keys of 128 bits for the label sets of parts: equal label sets of any parts have equal keys.

The key of a label set is the sum of a token for each of its labels, as in the head
(`head/series_ids.py`), whose tokens are of one head only. Here a token is a hash of the label with
secrets of the process, so a client cannot construct a collision. To number the label sets of
several parts, keys are sorted: no text is compared, and texts that a query does not need are not
read.
"""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Sequence

import numpy as np

from novaql.tsdb.index.match import LabelIndex, numbered
from novaql.tsdb.model.key_table import Tokens
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.parts.part import Part
from novaql.tsdb.runtime.lru_cache import ByteCache

KEY_CACHE_BYTES = 32 << 20
"""The cache of a store with its series in several parts: two million keys."""

FEW = 32
"""If a query needs the keys of fewer rows than one in this many, only these are computed."""

_BYTES = 16  # of a key

_SECRETS = (secrets.token_hex(16), secrets.token_hex(16))


class SeriesKeys:
    """Keys of the index rows of parts, cached. Those of a head grow with it. Thread-safe.

    limit  bytes of the cache. 0: nothing is cached
    """

    def __init__(self, limit: int = 0) -> None:
        self.cache: ByteCache[Tokens] = ByteCache(limit)
        self._last: weakref.ref[Tokens] | None = None

    def of(self, part: Part, rows: Ints) -> Tokens:
        """[rows, 2] Return the keys of some index rows. If these are many, those of all rows are
        computed and cached, if they fit."""
        index = part.index()
        found = self.cache.get(part.origin)
        known = 0 if found is None else len(found)
        if known < index.rows:
            if FEW * len(rows) < index.rows - known or not self.cache.accepts(_BYTES * index.rows):
                return keys_of(index, rows)
            more = keys_of(index, np.arange(known, index.rows))
            found = more if found is None else np.concatenate([found, more])
            last = None if self._last is None else self._last()
            if last is not None and np.array_equal(found, last):
                found = last  # consecutive blocks mostly have the same series
            self._last = weakref.ref(found)
            self.cache.put(part.origin, found)
        assert found is not None
        return found[rows]


def keys_of(index: LabelIndex, rows: Ints) -> Tokens:
    """[rows, 2] Compute the keys of some rows of an index."""
    keys: Tokens = np.zeros((len(rows), 2), np.uint64)
    for name in index.label_names:
        column = index.column(name)
        if column is not None:
            used, places = numbered(column.codes_of(rows), column.distinct)
            keys += _tokens(name, column.texts(used))[places]
    return keys


def _tokens(name: str, texts: Sequence[str]) -> Tokens:
    """[1 + texts, 2] Return the tokens of a label's values; the first row is that of no value."""
    tokens = np.zeros((len(texts) + 1, 2), np.int64)
    for lane, secret in enumerate(_SECRETS):
        salted = f"{secret}{len(name)}:{name}".__add__  # so the name's end is known
        tokens[1:, lane] = np.fromiter(map(hash, map(salted, texts)), np.int64, len(texts))
    return tokens.view(np.uint64)
