"""The cache of batches: one with samples of a head is cached only until the head has others.

Each append to a head makes a run, and runs are merged soon. A batch that was read from other runs
than the head has now answers no further query of the newest samples, and would hold memory until
the least recently used batches are evicted. Ranges that end now move with every query, so of
batches of the same series and runs only the last one is cached.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable

from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.runtime.lru_cache import ByteCache


class BatchCache(ByteCache[SeriesBatch]):
    """Batches by what they were read from. Thread-safe."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._of_heads: dict[Hashable, Hashable] = {}
        """Keys of batches with samples of heads, by series and runs."""
        self._runs: Hashable = None
        self._tracking = threading.Lock()

    def put_of_heads(self, series: Hashable, key: Hashable, batch: SeriesBatch) -> None:
        """Store a batch with samples of heads, in place of the last one of these series.

        series  equal for batches of the same series and runs, whatever their range
        """
        with self._tracking:
            before = self._of_heads.get(series)
            self._of_heads[series] = key
        if before is not None and before != key:
            self.discard(before)
        self.put(key, batch)

    def heads_have(self, runs: Hashable) -> None:
        """Remove the batches with samples of heads if these had other runs at the last call."""
        if runs == self._runs:
            return
        with self._tracking:
            self._runs = runs
            gone = list(self._of_heads.values())
            self._of_heads.clear()
        for key in gone:
            self.discard(key)
