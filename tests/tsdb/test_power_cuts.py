"""Power cuts at any call to the disk: what was promised is there, and the store opens.

Random lives of a store on a simulated disk, in the three modes, are cut off at calls drawn at
random; of what was not synced the disk keeps nothing, all, some pages, torn pages, or changes of
names in another order. Then the store is opened, sometimes with a second cut while it recovers.

The number of cuts is NOVAQL_POWER_CUTS, 300 by default. The long campaign:

    NOVAQL_POWER_CUTS=20000 pytest -q tests/tsdb/test_power_cuts.py
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator

import pytest

from novaql import tsdb
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.model.read_errors import ReadErrors
from tests.support.disks.disk_image import Cut, Image
from tests.support.disks.simulated_disk import STORE, PowerCut, SimulatedDisk
from tests.support.store.model import batch_of, read_all
from tests.support.store.workload import MODES, Moment, Still, Workload, contents

CUTS = int(os.environ.get("NOVAQL_POWER_CUTS", "300"))
CUTS_PER_LIFE = 12


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novaql.tsdb.database.PeriodicTask", Still)


def live(work: Workload, what: str, steps: int) -> list[tuple[str, Image, Moment]]:
    """The disk before each call that a life makes to it, and what was promised by then."""
    moments: list[tuple[str, Image, Moment]] = []

    def remember(number: int, name: str) -> None:
        told = f"{what}, call {number} ({name})"
        moments.append((told, work.disk.image.copy(), Moment.of(work.history)))

    work.disk.before_call = remember
    for _ in range(steps):
        done = work.step()
        problem = work.history.problem(read_all(work.open()))
        assert problem is None, f"{what}, after {done}: {problem}"
    work.close()
    work.disk.before_call = None
    return moments


def lives(mode: str) -> Iterator[list[tuple[str, Image, Moment]]]:
    """One life after the other; some go on with what a power cut left of another one."""
    for seed in itertools.count():
        own = random.Random(f"{mode} {seed}")
        work = Workload(SimulatedDisk(), mode, own)
        moments = live(work, f"{mode} life {seed}", own.randint(3, 20))
        yield moments
        what, image, _ = own.choice(moments)
        disk = recover(SimulatedDisk(image.after(own.choice(list(Cut)), own)), own, what)
        disk = SimulatedDisk(disk.image.after(Cut.WRITTEN, own))
        lost = ReadErrors()
        found = contents(disk, read_errors=lost)
        if lost:
            assert mode == "os", what
            continue
        second = Workload(disk, mode, own)
        second.clock = work.clock
        second.history.takes_over(found)
        yield live(second, f"{mode} life {seed}, gone on", own.randint(2, 8))


def recover(disk: SimulatedDisk, rng: random.Random, what: str) -> SimulatedDisk:
    """Open the store as a writer, perhaps with another cut on the way."""
    if rng.random() < 0.3:
        disk.cut_at = rng.randint(0, 8)
        try:
            tsdb.open(STORE, disk=disk).close()
        except PowerCut:
            return disk.after_cut(rng.choice(list(Cut)), rng)
        disk.cut_at = None
    try:
        tsdb.open(STORE, disk=disk).close()
    except tsdb.StoreError as problem:
        pytest.fail(f"{what}: it does not open: {problem}")
    return disk


def judge(image: Image, moment: Moment, rng: random.Random, what: str, mode: str) -> None:
    # Nothing is synced in the mode `os`: the cut may take segments of the log of a store that was
    # closed, which reads then report.
    lost = ReadErrors() if mode == "os" else None
    cut = rng.choice(list(Cut))
    what = f"{what}, {cut}"
    disk = SimulatedDisk(image.after(cut, rng))
    first = contents(disk, read_errors=lost)
    assert moment.problem(first) is None, f"{what}: {moment.problem(first)}"
    disk = recover(disk, rng, what)
    found = contents(disk, read_errors=lost)
    assert found == first, f"{what}: recovery changed what is there"
    if rng.random() < 0.25:  # and it goes on
        with tsdb.open(STORE, disk=disk) as database:
            database.append(batch_of([({"__name__": "after"}, 5, 1.0)]))
            database.flush()
            assert database.check() == [] or lost, what
            after = read_all(database, read_errors=lost)
        assert after.pop((("__name__", "after"),)), what
        assert after == found, f"{what}: a flush changed what is there"


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_power_cuts(mode: str) -> None:
    done = 0
    rng = random.Random(mode)
    for moments in lives(mode):
        for what, image, moment in rng.sample(moments, min(CUTS_PER_LIFE, len(moments))):
            judge(image, moment, rng, what, mode)
            done += 1
        if done >= CUTS / len(MODES):
            break


def test_no_call_of_the_simulated_disk_reaches_a_real_one() -> None:
    calls = {name for name in vars(Disk) if not name.startswith("_")}
    assert calls <= vars(SimulatedDisk).keys()
