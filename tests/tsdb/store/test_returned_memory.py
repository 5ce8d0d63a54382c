"""Memory that sorting has freed is returned to the system when appends pause, and once;
after a sort of very many samples at once."""

from __future__ import annotations

import numpy as np
import pytest

from novaql.tsdb.head.head import Head
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.options import StoreOptions
from novaql.tsdb.runtime.freed_memory import FREED_BYTES
from novaql.tsdb.store.flusher import SORTED_BYTES, Flusher
from novaql.tsdb.store.state import StoreState
from novaql.tsdb.store.writer import Writer

ENOUGH = FREED_BYTES // 24 + 1
TABLE = SeriesTable.from_dicts([{"__name__": "m"}])


class Store:
    """In memory, with a count of returns."""

    def __init__(self) -> None:
        self.returns = 0
        state = StoreState(None, Head(), StoreOptions(flush_bytes=1 << 30))
        self.flusher = Flusher(state, self._count)
        self._writer = Writer(state, self.flusher)
        self._at = 0

    def _count(self) -> None:
        self.returns += 1

    def append(self, samples: int) -> None:
        times = np.arange(self._at, self._at + samples)
        self._at += samples
        self._writer.append(
            Batch(TABLE, np.zeros(samples, np.int64), times, times.astype(np.float64))
        )


def test_memory_is_returned_once_when_appends_pause() -> None:
    store = Store()
    store.append(ENOUGH)
    returns = []
    for _ in range(4):
        store.flusher.flush_if_due()
        returns.append(store.returns)
    assert returns == [0, 1, 1, 1]
    store.append(ENOUGH)
    store.flusher.flush_if_due()
    store.flusher.flush_if_due()
    assert store.returns == 2


def test_memory_is_not_returned_between_appends_nor_after_few() -> None:
    store = Store()
    for _ in range(4):
        store.append(ENOUGH)
        store.flusher.flush_if_due()
    assert store.returns == 0
    few = Store()
    few.append(1000)
    for _ in range(4):
        few.flusher.flush_if_due()
    assert few.returns == 0


@pytest.mark.slow
def test_memory_is_returned_after_a_large_sort() -> None:
    """In memory a writer sorts itself before each append, so what waits is one append."""
    store = Store()
    store.append(SORTED_BYTES // 24 + 1)
    store.flusher.flush_if_due()
    assert store.returns == 1
    store.flusher.flush_if_due()
    store.append(SORTED_BYTES // 48)
    store.flusher.flush_if_due()
    assert store.returns == 2
