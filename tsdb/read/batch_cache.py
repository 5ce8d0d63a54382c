"""The cache of batches. A batch with samples of a head is cached only until the head changes.

Each append to a head makes a run, and runs are merged soon. A batch that was read from other runs
than the head has now answers no further query of the newest samples, and would hold memory until
the least recently used batches are evicted. Ranges that end now move with every query, so of
batches of the same series and runs only the last one is cached.

Where series come and go, a range that moves on has a batch of its own for each query, also of
blocks alone. So batches that no query has used again take a small share of the cache. A batch that
the share had no space for is cached when a query needs it a second time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable

from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.runtime.lru_cache import ByteCache, each

UNUSED_SHARE = 6
"""Batches that were never used again have this fraction of the cache …"""
SMALL_BYTES = 1 << 18
"""… not counting smaller ones …"""
_FEW = 64
UNUSED_S = 10.0
"""… and are evicted for others after that time. Until then others are refused: if batches do not
all fit, a part of them is cached for the next query."""
_MOST_REFUSED = 1024
"""Number of keys of refused batches, each of some hundred bytes."""


class BatchCache(ByteCache[SeriesBatch]):
    """Batches, by the data from which they were read. Thread-safe."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._of_heads: dict[Hashable, Hashable] = {}
        """Keys of batches with samples of heads, by series and runs."""
        self._runs: Hashable = None
        self._unused: dict[Hashable, tuple[int, float]] = {}
        """Size and time of batches that no query has used, the oldest first."""
        self._refused: ByteCache[bool] = ByteCache(_MOST_REFUSED, each)
        self._tracking = threading.Lock()

    def get(self, key: Hashable) -> SeriesBatch | None:
        found = super().get(key)
        if found is not None and key in self._unused:
            with self._tracking:
                self._unused.pop(key, None)
        return found

    def put(self, key: Hashable, value: SeriesBatch) -> None:
        """Store a batch if unused ones leave enough of their share, or are old, or if it was
        refused before: a query of the same range needs it again."""
        if value.nbytes < SMALL_BYTES or self._refused.get(key) or self._takes(key, value.nbytes):
            super().put(key, value)
        else:
            self._refused.put(key, value=True)

    def _takes(self, key: Hashable, size: int) -> bool:
        now = time.monotonic()
        with self._tracking:
            unused = {one: of for one, of in self._unused.items() if one in self and one != key}
            total = size + sum(each for each, _ in unused.values())
            for one, (each, stored) in list(unused.items()):
                if total <= self.limit // UNUSED_SHARE:
                    break
                if now - stored < UNUSED_S:
                    self._unused = unused
                    return False
                del unused[one]
                self.discard(one)
                total -= each
            unused[key] = size, now
            self._unused = unused
        return True

    def put_of_heads(self, series: Hashable, key: Hashable, batch: SeriesBatch) -> None:
        """Store a batch with samples of heads, in place of the last one of these series.

        series  equal for batches of the same series and runs, whatever their range
        """
        with self._tracking:
            before = self._of_heads.get(series)
            self._of_heads[series] = key
            if len(self._of_heads) > 2 * len(self) + _FEW:  # others were evicted
                of_heads = self._of_heads.items()
                self._of_heads = {one: of for one, of in of_heads if of in self or of == key}
        if before is not None and before != key:
            self.discard(before)
        super().put(key, batch)

    def heads_have(self, runs: Hashable) -> None:
        """Remove the batches with samples of heads if the runs of the heads have changed since the
        last call."""
        if runs == self._runs:
            return
        with self._tracking:
            self._runs = runs
            gone = list(self._of_heads.values())
            self._of_heads.clear()
        for key in gone:
            self.discard(key)
