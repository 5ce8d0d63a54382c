"""A disk that is full or fails: writes are refused, reads go on, nothing acknowledged is lost."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from novaql import tsdb
from tests.support.disks.failing_disk import FailingDisk
from tests.support.store.model import Model, Sample, batch_of, read_all
from tests.support.store.stored_histograms import simple

LATENCY = {"__name__": "latency"}


def samples(start: int, count: int = 10) -> list[Sample]:
    return [({"__name__": "m", "i": str(i % 3)}, start + i, i / 4) for i in range(count)]


@pytest.mark.parametrize("room", [0, 1, 30, 100, 250])
@pytest.mark.parametrize("truncate_fails", [False, True])
def test_full_disk(tmp_path: Path, room: int, truncate_fails: bool) -> None:
    disk, model = FailingDisk(), Model()
    database = tsdb.open(tmp_path, disk=disk)
    database.append(batch_of(samples(0)))
    model.append(samples(0))
    disk.refusals.room, disk.refusals.truncate = room, truncate_fails
    with pytest.raises(tsdb.StorageFull, match="no room left"):
        database.append(batch_of(samples(100, 60)))
    assert read_all(database) == model.select()
    disk.refusals.room, disk.refusals.truncate = None, False
    database.append(batch_of(samples(200)))
    model.append(samples(200))
    assert read_all(database) == model.select()
    database.close()
    with tsdb.open(tmp_path) as reopened:
        assert read_all(reopened) == model.select()
        assert reopened.open_report.damaged == ()


@pytest.mark.parametrize("room", [0, 1, 30, 700, 720, 800, 1000])
@pytest.mark.parametrize("first", [True, False])
def test_full_disk_when_histograms_come(tmp_path: Path, room: int, first: bool) -> None:
    """The first ones need a new manifest and a new segment before their record."""
    disk, model = FailingDisk(), Model()
    database = tsdb.open(tmp_path, disk=disk)
    before: list[Sample] = samples(0) if first else [*samples(0), (LATENCY, 0, simple(1, b1=1))]
    database.append(batch_of(before))
    model.append(before)
    more: list[Sample] = [(LATENCY, n, simple(n, b2=n)) for n in range(1, 30)]
    disk.refusals.room = room
    with pytest.raises(tsdb.StorageFull, match="no room left"):
        database.append(batch_of(more))
    assert read_all(database) == model.select()
    with tsdb.open(tmp_path, read_only=True) as beside:
        assert read_all(beside) == model.select()
    disk.refusals.room = None
    for wanted in (samples(200), more):
        database.append(batch_of(wanted))
        model.append(wanted)
    database.close()
    with tsdb.open(tmp_path) as reopened:
        assert read_all(reopened) == model.select()
        assert reopened.open_report.damaged == ()
        assert reopened.check() == []


def test_failed_rename_keeps_histograms_out_of_an_old_store(tmp_path: Path) -> None:
    """A program that knows no histograms must refuse the store before there is one in its log."""
    disk, store = FailingDisk(), tmp_path / "store"
    shutil.copytree(Path(__file__).parent / "old_formats" / "format1", store)
    with tsdb.open(store, disk=disk) as database:
        before = read_all(database)
        disk.refusals.rename = True
        with pytest.raises(tsdb.WriteFailed, match="replacing the manifest"):
            database.append(batch_of([(LATENCY, 1, simple(1))]))
        disk.refusals.rename = False
        assert read_all(database) == before
        assert (store / "MANIFEST").read_bytes().startswith(b"novaql-store 1 ")
        database.append(batch_of([(LATENCY, 1, simple(1))]))
        assert (store / "MANIFEST").read_bytes().startswith(b"novaql-store 6 ")


@pytest.mark.parametrize("trouble", ["room", "rename", "fsync"])
def test_failed_flush_is_tried_again(tmp_path: Path, trouble: str) -> None:
    disk, model = FailingDisk(), Model()
    database = tsdb.open(tmp_path, disk=disk, sync="os")
    database.append(batch_of(samples(0)))
    model.append(samples(0))
    setattr(disk.refusals, trouble, 50 if trouble == "room" else True)
    with pytest.raises(tsdb.WriteFailed, match="flushing"):
        database.flush()
    assert read_all(database) == model.select()
    setattr(disk.refusals, trouble, None if trouble == "room" else False)
    database.append(batch_of(samples(5)))
    model.append(samples(5))
    database.flush()
    assert database.stats().blocks == 2
    assert read_all(database) == model.select()
    assert list((tmp_path / "wal").iterdir()) == []
    database.close()
    with tsdb.open(tmp_path) as reopened:
        assert read_all(reopened) == model.select()


def test_failed_fsync_is_not_acknowledged(tmp_path: Path) -> None:
    disk, model = FailingDisk(), Model()
    database = tsdb.open(tmp_path, disk=disk, sync="always")
    database.append(batch_of(samples(0)))
    disk.refusals.fsync = True
    with pytest.raises(tsdb.WriteFailed, match="fsync refused"):
        database.append(batch_of(samples(100)))
    disk.refusals.fsync = False
    database.append(batch_of(samples(100)))  # as a client does that got no acknowledgement
    model.append([*samples(0), *samples(100)])
    assert len(list((tmp_path / "wal").iterdir())) == 2  # nothing goes behind a failed fsync
    database.flush_if_due()  # what the disk did not confirm is brought to safety
    assert database.stats().blocks == 1
    assert read_all(database) == model.select()
    database.close()


def test_always_means_synced_and_callers_share(tmp_path: Path) -> None:
    disk = FailingDisk()
    database = tsdb.open(tmp_path, disk=disk, sync="always")
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        barrier.wait()
        for step in range(20):
            database.append(batch_of([({"__name__": "m", "i": str(number)}, step, 1.0)]))
            (segment,) = (tmp_path / "wal").iterdir()
            assert disk.refusals.fsyncs[-1] <= segment.stat().st_size

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (segment,) = (tmp_path / "wal").iterdir()
    assert disk.refusals.fsyncs[-1] == segment.stat().st_size
    assert sum(len(found) for found in read_all(database).values()) == 160
    database.close()


def test_interval_syncs_in_the_background(tmp_path: Path) -> None:
    disk = FailingDisk()
    database = tsdb.open(tmp_path, disk=disk, sync="interval", sync_interval_s=0.02)
    database.append(batch_of(samples(0)))
    (segment,) = (tmp_path / "wal").iterdir()
    size = segment.stat().st_size
    pause = threading.Event()
    for _ in range(500):
        if size in disk.refusals.fsyncs:
            break
        pause.wait(0.01)
    assert size in disk.refusals.fsyncs
    database.close()


@pytest.mark.parametrize("mode", ["os", "interval"])
def test_a_segment_that_could_not_be_cut_back_is_synced_like_any_other(
    tmp_path: Path, mode: str
) -> None:
    """It holds whole records before the torn one, and `sync` promises them."""
    disk = FailingDisk()
    database = tsdb.open(tmp_path, disk=disk, sync=mode, sync_interval_s=3600.0)
    database.append(batch_of(samples(0)))
    disk.refusals.room, disk.refusals.truncate = 30, True
    with pytest.raises(tsdb.StorageFull):
        database.append(batch_of(samples(100)))
    disk.refusals.room, disk.refusals.truncate = None, False
    before = len(disk.refusals.fsyncs)
    database.sync()
    assert len(disk.refusals.fsyncs) == before + 1
    (segment,) = (tmp_path / "wal").iterdir()
    assert disk.refusals.fsyncs[-1] == segment.stat().st_size
    database.close()


def test_what_a_disk_could_not_sync_after_that_is_not_promised(tmp_path: Path) -> None:
    disk = FailingDisk()
    database = tsdb.open(tmp_path, disk=disk, sync="os")
    database.append(batch_of(samples(0)))
    disk.refusals.room, disk.refusals.truncate, disk.refusals.fsync = 30, True, True
    with pytest.raises(tsdb.StorageFull):
        database.append(batch_of(samples(100)))
    for _ in range(2):
        with pytest.raises(tsdb.WriteFailed, match="sync"):
            database.sync()
    disk.refusals.room, disk.refusals.truncate, disk.refusals.fsync = None, False, False
    database.flush_if_due()
    database.sync()
    assert database.stats().blocks == 1
    database.close()
