"""Snapshots, backups and what is restored from them: stores that hold all there was, and open."""

from __future__ import annotations

import errno
import os
import random
import threading
from pathlib import Path

import pytest

from novaql import tsdb
from novaql.tsdb.model.source import Metadata
from tests.support.disks.disk_image import Cut
from tests.support.disks.simulated_disk import STORE, PowerCut, SimulatedDisk
from tests.support.store.model import Sample, batch_of, read_all
from tests.support.store.stored_histograms import simple

COPY = STORE.parent / "copy"


def samples(start: int, count: int = 20) -> list[Sample]:
    own: list[Sample] = [
        ({"__name__": "m", "i": str(i % 3)}, start + i, i / 4) for i in range(count)
    ]
    return [*own, ({"__name__": "h"}, start, simple(3, b1=2))]


def filled(path: Path) -> tsdb.Database:
    """A database with a block and a log."""
    database = tsdb.open(path)
    database.set_metadata({"m": Metadata("gauge", "A thing.")})
    database.append(batch_of(samples(0)))
    database.flush()
    database.append(batch_of(samples(1000)))
    return database


@pytest.mark.slow
def test_a_snapshot_is_a_store_as_of_then(tmp_path: Path) -> None:
    with filled(tmp_path / "store") as database:
        expected = read_all(database)
        done = database.snapshot(tmp_path / "kept")
        assert (done.blocks, done.segments, done.linked, done.copied) == (1, 1, 2, 0)
        database.append(batch_of(samples(2000)))
        database.flush()
        assert read_all(database) != expected
    assert tsdb.check(tmp_path / "kept") == []
    with tsdb.open(tmp_path / "kept") as kept:
        assert kept.open_report.clean
        assert kept.open_report.interrupted == ""
        assert read_all(kept) == expected
        assert kept.metadata() == {"m": Metadata("gauge", "A thing.")}
        kept.append(batch_of(samples(3000)))
    with tsdb.open(tmp_path / "store") as database:
        assert database.check() == []
        assert len(read_all(database)[(("__name__", "h"),)]) == 3, "copies go their own ways"


def test_a_snapshot_without_the_head(tmp_path: Path) -> None:
    with filled(tmp_path / "store") as database:
        done = database.snapshot(tmp_path / "kept", skip_head=True)
        assert done.segments == 0
    with tsdb.open(tmp_path / "kept") as kept:
        assert [time for time, _ in read_all(kept)[(("__name__", "h"),)]] == [0]
        kept.append(batch_of(samples(5000)))
    with tsdb.open(tmp_path / "kept") as kept:
        assert [time for time, _ in read_all(kept)[(("__name__", "h"),)]] == [0, 5000]


def test_a_snapshot_beside_a_writer_of_another_process(tmp_path: Path) -> None:
    """The segment that is being written to is copied, and ended."""
    database = filled(tmp_path / "store")
    expected = read_all(database)
    done = tsdb.snapshot(tmp_path / "store", tmp_path / "kept")
    assert (done.linked, done.segments) == (1, 1)
    database.append(batch_of(samples(2000)))
    with tsdb.open(tmp_path / "kept") as kept:
        assert kept.open_report.clean
        assert read_all(kept) == expected
    database.close()


def test_copies_go_where_nothing_else_is(tmp_path: Path) -> None:
    with filled(tmp_path / "store") as database:
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "letter").write_text("mine")
        with pytest.raises(tsdb.TargetInUse, match="other files"):
            database.snapshot(tmp_path / "full")
        with pytest.raises(tsdb.TargetInUse, match="it is no place"):
            database.backup(tmp_path / "store")
        with pytest.raises(tsdb.TargetInUse, match="it is no place"):
            database.backup(tmp_path / "full" / "letter")
        database.snapshot(tmp_path / "kept")
        with pytest.raises(tsdb.TargetInUse, match="it holds a store"):
            database.snapshot(tmp_path / "kept")
        with filled(tmp_path / "other") as other, pytest.raises(tsdb.TargetInUse, match="another"):
            other.backup(tmp_path / "kept")
        tsdb.open(tmp_path / "kept").close()  # somebody writes there now
        with pytest.raises(tsdb.TargetInUse, match="a store in use"):
            database.backup(tmp_path / "kept")
        assert (tmp_path / "full" / "letter").read_text() == "mine"
    with pytest.raises(tsdb.StoreNotFound):
        tsdb.backup(tmp_path / "nothing", tmp_path / "new")
    with pytest.raises(tsdb.StoreError, match="in memory"):
        tsdb.memory().snapshot(tmp_path / "new")


def test_a_backup_writes_what_is_new_and_removes_what_has_gone(tmp_path: Path) -> None:
    with filled(tmp_path / "store") as database:
        first = database.backup(tmp_path / "backup")
        assert (first.unchanged, first.linked) == (0, 0)
        assert database.backup(tmp_path / "backup").copied == 0
        database.append(batch_of(samples(2000)))
        again = database.backup(tmp_path / "backup")
        assert (again.unchanged, again.segments) == (2, 2)
        assert 0 < again.copied < first.copied
        database.flush()
        last = database.backup(tmp_path / "backup")
        assert (last.unchanged, last.segments, last.blocks) == (1, 0, 2)
        assert list((tmp_path / "backup" / "wal").iterdir()) == []
        expected = read_all(database)
    assert tsdb.check(tmp_path / "backup") == []
    done = tsdb.restore(tmp_path / "backup", tmp_path / "restored")
    assert done.linked == 0
    with tsdb.open(tmp_path / "restored") as restored:
        assert read_all(restored) == expected
        assert restored.check() == []
    assert not (tmp_path / "backup" / "LOCK").exists()


def test_a_damaged_copy_is_not_restored(tmp_path: Path) -> None:
    with filled(tmp_path / "store") as database:
        database.backup(tmp_path / "backup")
    (block,) = (tmp_path / "backup" / "blocks").iterdir()
    content = bytearray(block.read_bytes())
    content[60] ^= 1
    block.write_bytes(content)
    with pytest.raises(tsdb.Corrupted, match="page"):
        tsdb.restore(tmp_path / "backup", tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def test_copies_while_somebody_writes_and_flushes(tmp_path: Path) -> None:
    """Each holds whole batches, none of them missing among those that came before the call."""
    with tsdb.open(tmp_path / "store", sync="os") as database:
        stop = threading.Event()
        written = [0]

        def write() -> None:
            for step in range(10**9):
                if stop.is_set():
                    return
                database.append(
                    batch_of([({"__name__": "m", "i": str(i)}, step, 1.0) for i in range(3)])
                )
                written[0] = step + 1
                if step % 20 == 19:
                    database.flush()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(6):
                promised = written[0]
                if number % 2:
                    database.snapshot(tmp_path / f"{number}")
                else:
                    tsdb.backup(tmp_path / "store", tmp_path / f"{number}")
                with tsdb.open(tmp_path / f"{number}", read_only=True) as kept:
                    assert kept.open_report.clean
                    found = read_all(kept)
                for found_samples in found.values():
                    times = [time for time, _ in found_samples]
                    assert times == list(range(len(times)))
                    assert len(times) >= promised
        finally:
            stop.set()
            writer.join()


def read(disk: SimulatedDisk, path: Path) -> object:
    with tsdb.open(path, disk=disk, read_only=True) as database:
        assert database.open_report.damaged == ()
        return read_all(database)


def on_a_simulated_disk() -> SimulatedDisk:
    disk = SimulatedDisk()
    with tsdb.open(STORE, disk=disk) as database:
        database.append(batch_of(samples(0)))
        database.flush()
        database.append(batch_of(samples(1000)))
        tsdb.backup(STORE, COPY, disk=disk)
        database.append(batch_of(samples(2000)))
        database.flush()
        database.append(batch_of(samples(3000)))
    return disk


@pytest.mark.slow
def test_a_backup_can_be_cut_off_anywhere() -> None:
    """The earlier one stands until the new one is there."""
    disk = on_a_simulated_disk()

    old, new = read(disk, COPY), read(disk, STORE)
    whole = SimulatedDisk(disk.image)
    tsdb.backup(STORE, COPY, disk=whole)
    assert read(whole, COPY) == new
    rng = random.Random(3)
    for number in range(whole.calls):
        for cut in Cut:
            left = SimulatedDisk(disk.image)
            left.cut_at = number
            with pytest.raises(PowerCut):
                tsdb.backup(STORE, COPY, disk=left)
            left = left.after_cut(cut, rng)
            assert read(left, STORE) == new
            assert read(left, COPY) in (old, new)
            tsdb.backup(STORE, COPY, disk=left)
            assert read(left, COPY) == new


def test_a_copy_that_fails_leaves_nothing_behind() -> None:
    disk = on_a_simulated_disk()
    target = STORE.parent / "new"
    whole = SimulatedDisk(disk.image)
    tsdb.snapshot(STORE, target, disk=whole)
    for number in range(whole.calls):
        failing = SimulatedDisk(disk.image)
        failing.fault = lambda call, name, number=number: (
            OSError(errno.EIO, os.strerror(errno.EIO))
            if call == number and name != "link"
            else None
        )
        try:
            tsdb.snapshot(STORE, target, disk=failing)
        except tsdb.WriteFailed:
            failing.fault = None
            tsdb.snapshot(STORE, target, disk=failing)
        with tsdb.open(target, disk=failing, read_only=True) as kept:
            assert len(read_all(kept)[(("__name__", "h"),)]) == 4


@pytest.mark.slow
def test_a_copy_names_the_file_that_cannot_be_read() -> None:
    disk = on_a_simulated_disk()
    target = STORE.parent / "new"
    whole = SimulatedDisk(disk.image)
    tsdb.backup(STORE, target, disk=whole)
    for number in range(whole.reads):
        failing = SimulatedDisk(disk.image)
        failing.failing_read = number
        problem: tsdb.StoreError | None = None
        try:
            tsdb.backup(STORE, target, disk=failing)
        except tsdb.StoreError as raised:
            problem = raised
        refused = failing.refused
        assert refused is not None
        if problem is not None:  # an unreadable copy of the manifest stops nothing
            assert str(STORE if refused.is_relative_to(STORE) else target) in str(problem)
            assert isinstance(problem, tsdb.ReadFailed) == refused.is_relative_to(STORE)
        failing.failing_read = None
        tsdb.backup(STORE, target, disk=failing)
        assert read(failing, target) == read(disk, STORE)


def test_a_copy_of_a_store_that_lost_files_fails_or_carries_the_loss(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with tsdb.open(store, segment_bytes=300) as database:
        database.append(batch_of([({"__name__": "m"}, n, 1.0) for n in range(50)]))
        database.flush()
        for start in (100, 200, 300):
            database.append(batch_of([({"__name__": "m"}, start + n, 1.0) for n in range(50)]))
    segment = sorted((store / "wal").iterdir())[0]
    segment.unlink()
    tsdb.backup(store, tmp_path / "backup")
    for one in (store, tmp_path / "backup"):
        assert [v.path.name for v in tsdb.check(one)] == [segment.name]
    with pytest.raises(tsdb.Corrupted, match=segment.name):
        tsdb.restore(tmp_path / "backup", tmp_path / "restored")
    (block,) = (store / "blocks").iterdir()
    block.unlink()
    with pytest.raises(tsdb.Corrupted, match="it is missing; `novaql repair`"):
        tsdb.backup(store, tmp_path / "another")
