"""The n-th call to the disk fails, for every n: nothing promised is lost, and life goes on.

A life of a store is led once without trouble, to count its calls; then again for every call and
kind of failure. Whatever was refused may be there or not; all else must be, while the store
lives, after it is killed, and after a power cut. By default one life is led, and every 31st call of
it fails. Every call, in 20 lives:

    NOVAQL_FAILING_LIVES=20 pytest -q tests/tsdb/test_every_call.py
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
from collections.abc import Callable

import pytest

from novaql import tsdb
from tests.support.disks.disk_image import Cut
from tests.support.disks.simulated_disk import STORE, Fault, PowerCut, SimulatedDisk
from tests.support.store.model import batch_of, read_all
from tests.support.store.workload import MODES, Moment, Still, Workload, contents

LIVES = int(os.environ.get("NOVAQL_FAILING_LIVES", "1"))
STEPS = 14
FULL_FOR = 12
"""Calls for which the disk stays full."""


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novaql.tsdb.database.PeriodicTask", Still)


def once(number: int, code: int) -> Fault:
    return lambda call, _: OSError(code, os.strerror(code)) if call == number else None


def full(number: int) -> Fault:
    """Nothing can be written or created for some time; removing and cutting off still work."""

    def fault(call: int, name: str) -> OSError | None:
        takes = name in ("append", "create", "make_dir", "link", "extend")
        if takes and number <= call < number + FULL_FOR:
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return None

    return fault


def dead(number: int) -> Fault:
    """From some call on nothing works any more but reading."""
    return lambda call, _: OSError(errno.EIO, os.strerror(errno.EIO)) if call >= number else None


KINDS: dict[str, Callable[[int], Fault]] = {
    "EIO": lambda number: once(number, errno.EIO),
    "ENOSPC": lambda number: once(number, errno.ENOSPC),
    "EINTR": lambda number: once(number, errno.EINTR),
    "full": full,
    "dead": dead,
}


def life(
    seed: int, mode: str, fault: Fault | None = None, failing_read: int | None = None
) -> Workload:
    """Some operations; those that are refused are tried again once."""
    rng = random.Random(f"{mode} {seed}")
    work = Workload(SimulatedDisk(), mode, rng)
    work.disk.fault, work.disk.failing_read = fault, failing_read
    # Any other error is one of the store's. Damage is none of them: nothing is damaged.
    expected = tsdb.WriteFailed if failing_read is None else (tsdb.WriteFailed, tsdb.ReadFailed)
    for _ in range(STEPS):
        for _ in range(2):
            try:
                work.step()
            except expected:
                continue
            break
        if work.database is not None:
            _must_hold(work, expected)
    return work


def _must_hold(work: Workload, expected: type[Exception] | tuple[type[Exception], ...]) -> None:
    assert work.database is not None
    for _ in range(2):
        try:
            found = read_all(work.database)
        except expected:
            continue
        problem = work.history.problem(found)
        assert problem is None, problem
        return
    pytest.fail("one call failed, and reading failed twice")


def after_trouble(work: Workload, what: str) -> None:
    """The disk works again: so does the store, at once; and it keeps what it promised."""
    work.disk.fault = None
    extra = [({"__name__": "after"}, 5, 1.0)]
    database = work.open()
    database.append(batch_of(extra))
    held = read_all(database)
    assert held.pop((("__name__", "after"),)), what
    assert work.history.problem(held) is None, f"{what}: {work.history.problem(held)}"
    for cut in (None, Cut.LOST, Cut.WRITTEN):
        if cut is None:
            left = SimulatedDisk(work.disk.image)
        else:
            left = work.disk.after_cut(cut, random.Random(what))
        found = contents(left)
        found.pop((("__name__", "after"),), None)
        history = work.history
        problem = history.problem(found) if cut is None else Moment.of(history).problem(found)
        assert problem is None, f"{what}, then {cut}: {problem}"
    database.flush()
    held = read_all(database)
    assert held.pop((("__name__", "after"),)), what
    assert work.history.problem(held) is None, f"{what}, flushed: {work.history.problem(held)}"
    assert database.check() == [], what
    work.close()
    with tsdb.open(STORE, disk=work.disk) as reopened:
        assert reopened.open_report.clean, what
        assert reopened.open_report.interrupted == "", what


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
def test_every_call_may_fail(mode: str, kind: str) -> None:
    for seed in range(LIVES):
        calls = life(seed, mode).disk.calls
        step = 1 if LIVES > 1 else 31
        for number in range(list(KINDS).index(kind) * 7 % step, calls, step):
            what = f"{mode} life {seed}, {kind} at call {number}"
            try:
                work = life(seed, mode, KINDS[kind](number))
            except AssertionError as problem:
                raise AssertionError(f"{what}: {problem}") from problem
            after_trouble(work, what)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_every_call_that_reads_may_fail(mode: str) -> None:
    """What cannot be read now is not taken for damaged or gone: once it can be, all is there."""
    for seed in range(LIVES):
        reads = life(seed, mode).disk.reads
        for number in range(0, reads, 1 if LIVES > 1 else 17):
            what = f"{mode} life {seed}, read {number} fails"
            try:
                work = life(seed, mode, failing_read=number)
            except AssertionError as problem:
                raise AssertionError(f"{what}: {problem}") from problem
            work.disk.failing_read = None
            after_trouble(work, what)
            moved = [p for p in work.disk.content() if p.parent.name == "damaged"]
            assert all(".from-" in path.name for path in moved), f"{what}: {moved}"


def test_a_store_that_could_not_be_made_at_once_is_as_safe_as_any() -> None:
    """Its directories, too: what an earlier attempt made may not have reached the disk."""
    whole = SimulatedDisk()
    tsdb.open(STORE, disk=whole).close()
    samples = [({"__name__": "m"}, 1, 1.0)]
    for number in range(whole.calls):
        for cut_off in (False, True):
            disk = SimulatedDisk()
            if cut_off:  # the process is killed there; the kernel has what it did
                disk.cut_at = number
                with pytest.raises(PowerCut):
                    tsdb.open(STORE, disk=disk)
                disk = SimulatedDisk(disk.image)
            else:
                disk.fault = once(number, errno.EIO)
                with contextlib.suppress(tsdb.WriteFailed):
                    tsdb.open(STORE, disk=disk).close()
                disk.fault = None
            database = tsdb.open(STORE, disk=disk, sync="always")
            database.append(batch_of(samples))
            left = disk.after_cut(Cut.LOST, random.Random(number))
            found = contents(left)
            assert found, f"call {number}, {'killed' if cut_off else 'failed'}: the store is gone"


def test_a_copy_that_could_not_be_made_at_once_is_as_safe_as_any() -> None:
    disk = SimulatedDisk()
    with tsdb.open(STORE, disk=disk) as database:
        database.append(batch_of([({"__name__": "m"}, 1, 1.0)]))
    target = STORE.parent / "copy"
    whole = SimulatedDisk(disk.image)
    tsdb.backup(STORE, target, disk=whole)
    for number in range(whole.calls):
        again = SimulatedDisk(disk.image)
        again.fault = once(number, errno.EIO)
        with contextlib.suppress(tsdb.WriteFailed):
            tsdb.backup(STORE, target, disk=again)
        again.fault = None
        tsdb.backup(STORE, target, disk=again)
        left = again.after_cut(Cut.LOST, random.Random(number))
        assert contents(left, target), f"call {number}: the copy is gone"


@pytest.mark.parametrize("mode", ["interval", "os"])
def test_a_segment_that_could_not_be_cut_back_is_synced_with_the_next(mode: str) -> None:
    disk = SimulatedDisk()
    database = tsdb.open(STORE, disk=disk, sync=mode, sync_interval_s=3600.0)
    database.append(batch_of([({"__name__": "m"}, 1, 1.0)]))
    disk.fault = dead(disk.calls)
    with pytest.raises(tsdb.WriteFailed):
        database.append(batch_of([({"__name__": "m"}, 2, 2.0)]))
    disk.fault = None
    database.sync()

    assert contents(disk.after_cut(Cut.LOST, random.Random(1)))


def test_a_flush_that_cannot_tell_which_segments_are_there_is_a_flush() -> None:
    """Past the manifest nothing is refused any more."""

    def flushed(failing: int | None) -> tuple[tsdb.Database, SimulatedDisk, bool]:
        disk = SimulatedDisk()
        database = tsdb.open(STORE, disk=disk)
        database.append(batch_of([({"__name__": "m"}, 1, 1.0)]))
        disk.failing_read = None if failing is None else disk.reads + failing
        try:
            database.flush()
        except tsdb.WriteFailed:
            return database, disk, False
        return database, disk, True

    _, whole, _ = flushed(None)
    told = [flushed(number) for number in range(whole.reads)]
    assert [len(database.blocks()) for database, _, _ in told] == [int(done) for *_, done in told]
    assert any(done for *_, done in told)
