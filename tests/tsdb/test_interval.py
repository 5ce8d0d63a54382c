"""`interval` keeps its bound without the background thread: late appends wait for a sync.

On a busy machine the thread that syncs may not run for seconds. Here it never runs at all.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.wal.pace import Pace
from tests.support.disks.disk_image import Cut
from tests.support.disks.simulated_disk import STORE, SimulatedDisk
from tests.support.store.batches import one_exemplar
from tests.support.store.model import batch_of, read_all
from tests.support.store.workload import Still

INTERVAL = 0.02


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SimulatedDisk:
    monkeypatch.setattr("novaql.tsdb.database.PeriodicTask", Still)
    return SimulatedDisk()


def opened(disk: SimulatedDisk, sync: str = "interval") -> tsdb.Database:
    return tsdb.open(STORE, disk=disk, sync=sync, sync_interval_s=INTERVAL)


def after_cut(disk: SimulatedDisk) -> tsdb.Database:
    left = disk.after_cut(Cut.LOST, random.Random(1))
    return tsdb.open(STORE, disk=left, read_only=True)


def sample(time_ms: int) -> tsdb.Batch:
    return batch_of([({"__name__": "m"}, time_ms, float(time_ms))])


LATE_WRITES: dict[str, Callable[[tsdb.Database], object]] = {
    "append": lambda database: database.append(sample(2)),
    "exemplars": lambda database: database.append(one_exemplar(2)),
    "metadata": lambda database: database.set_metadata({"m": Metadata("gauge")}),
    "delete": lambda database: database.delete([[Matcher("__name__", MatchOp.EQUAL, "m")]], 9, 9),
}


@pytest.mark.parametrize("name", ["append", "exemplars", "metadata"])
def test_a_late_write_is_not_acknowledged_before_what_is_older_is_safe(
    disk: SimulatedDisk, name: str
) -> None:
    database = opened(disk)
    database.append(one_exemplar(1))
    database.append(sample(1))
    time.sleep(INTERVAL)
    LATE_WRITES[name](database)
    with after_cut(disk) as left:
        (samples,) = read_all(left).values()
        assert samples[0][0] == 1
        found = left.exemplars([[Matcher("__name__", MatchOp.EQUAL, "m")]])
        assert len(found.exemplars) >= 1


@pytest.mark.parametrize("name", list(LATE_WRITES))
def test_always_has_every_kind_of_write_when_it_returns(disk: SimulatedDisk, name: str) -> None:
    database = opened(disk, "always")
    database.append(sample(9))
    LATE_WRITES[name](database)
    with after_cut(disk) as left:
        assert read_all(left) == read_all(database)
        assert left.metadata() == database.metadata()
        for one in (left, database):
            found = one.exemplars([[Matcher("__name__", MatchOp.EQUAL, "m")]])
            assert bool(len(found)) == (name == "exemplars")


def test_writes_within_the_interval_do_not_sync(disk: SimulatedDisk) -> None:
    database = tsdb.open(STORE, disk=disk, sync_interval_s=3600.0)
    database.append(sample(1))
    before = disk.log.count("fsync 0000000001.wal")
    for step in range(100):
        database.append(sample(step))
    assert disk.log.count("fsync 0000000001.wal") == before


def test_late_writers_share_a_sync(disk: SimulatedDisk) -> None:
    database = opened(disk)
    database.append(sample(0))
    time.sleep(INTERVAL)
    first, go_on = threading.Event(), threading.Event()

    def wait(_: int, name: str) -> None:
        if name == "fsync":
            first.set()
            go_on.wait(60)

    before = disk.log.count("fsync 0000000001.wal")
    disk.before_call = wait
    threads = [threading.Thread(target=database.append, args=(sample(n),)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    assert first.wait(60)
    head = database._state.current.head
    while head.appended < 9:  # all have written, and wait for the one that syncs
        time.sleep(0.001)
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert disk.log.count("fsync 0000000001.wal") - before <= 3
    with after_cut(disk) as left:
        assert len(next(iter(read_all(left).values()))) == 9


def state(pace: Pace) -> tuple[bool, bool]:
    return pace.due, pace.late


def test_the_pace() -> None:
    now = [0.0]
    pace = Pace(1.0, lambda: now[0])
    assert state(pace) == (False, False)
    pace.wrote()
    now[0] = 0.5
    assert state(pace) == (True, False)
    now[0] = 1.0
    assert state(pace) == (True, True)
    pace.begin()
    pace.wrote()  # by another thread, while the sync is under way
    assert state(pace) == (True, True), "what is being synced is not safe yet"
    now[0] = 1.3
    pace.end(everything=True)
    assert state(pace) == (False, False)
    now[0] = 1.7  # a sync took 0.3 s: one that begins now ends 1.0 s after the record
    assert state(pace) == (True, True)
    pace.begin()
    now[0] = 1.8
    pace.end(everything=False)
    now[0] = 1.95
    assert state(pace) == (True, True), "a sync that failed makes nothing younger"
    assert np.isclose(pace._age(), 0.95)
    off = Pace(None, lambda: now[0])
    off.wrote()
    now[0] = 1e9
    assert state(off) == (False, False)
