"""The components of a database work without it, over a state of their own."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from novaql.tsdb.head.head import Head
from novaql.tsdb.model.source import NO_HINTS
from novaql.tsdb.options import StoreOptions
from novaql.tsdb.runtime.periodic import PeriodicTask
from novaql.tsdb.store.flusher import Flusher
from novaql.tsdb.store.reader import Reader
from novaql.tsdb.store.state import StoreState
from novaql.tsdb.store.writer import Writer
from tests.support.store.model import batch_of


def test_a_reader_sees_what_a_writer_appended_to_the_same_state() -> None:
    state = StoreState(None, Head(), StoreOptions(out_of_order_ms=100))
    reader, writer = Reader(state), Writer(state, Flusher(state))

    writer.append(batch_of([({"__name__": "m"}, 1000, 1.0)]))
    result = writer.append(batch_of([({"__name__": "m"}, 899, 2.0), ({"__name__": "m"}, 900, 3.0)]))

    assert (result.appended, result.rejected, result.late) == (1, 1, 1)
    assert reader.select((), 0, 2000, NO_HINTS).samples == 2
    assert state.changed_since(1) == (2, [(899, 900)])


class Counter:
    def __init__(self) -> None:
        self.called = threading.Semaphore(0)

    def call(self) -> None:
        self.called.release()


def test_a_task_calls_its_method_when_woken_and_not_after_it_was_stopped() -> None:
    counter = Counter()
    task = PeriodicTask("test", counter.call, 3600.0)
    task.wake()
    assert counter.called.acquire(timeout=60)
    task.stop()
    task.wake()

    assert not counter.called.acquire(timeout=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("called", [False, True])
def test_a_task_ends_with_the_object_of_its_method(*, called: bool) -> None:
    counter = Counter()
    task = PeriodicTask("test", counter.call, 3600.0)
    if called:
        task.wake()
        assert counter.called.acquire(timeout=60)
    gone = weakref.ref(counter)
    del counter
    task._thread.join(60)
    gc.collect()

    assert not task._thread.is_alive()
    assert gone() is None
