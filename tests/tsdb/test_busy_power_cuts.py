"""Power cuts while other processes keep the processors busy: what was acknowledged is there.

Real threads, the real clock, and a disk whose fsync takes a while. With `interval` a power cut may
take what was acknowledged within the last `sync_interval_s`; with `always` nothing. The bound is a
matter of time, so it is checked only where it is asked for:

    NOVAQL_BUSY_CUTS=500 pytest -q --log-cli-level=INFO tests/tsdb/test_busy_power_cuts.py

runs 500 cuts in each mode beside four busy processes, and logs how old the oldest lost sample was.
It takes a quarter of an hour. Without the variable a few cuts are made with `always`. A failure
names what was lost, when the log was synced, and the pauses that another process saw meanwhile.
"""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from novaql import tsdb
from novaql.tsdb.disk.vfs import AppendFile, Buffer
from tests.support.disks.disk_image import Cut, Image
from tests.support.disks.simulated_disk import STORE, SimulatedDisk
from tests.support.store.model import batch_of
from tests.support.store.workload import contents

CUTS = int(os.environ.get("NOVAQL_BUSY_CUTS", "0"))
CUTS_PER_LIFE = 25
BUSY_PROCESSES = 4
INTERVAL_S = 1.0
BOUND_S = 1.2
FSYNC_S = 0.03
"""A sync takes up to this long."""
log = logging.getLogger(__name__)


class SharedDisk(SimulatedDisk):
    """For several threads: one call at a time, but a sync lets the others go on meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.guard = threading.RLock()
        self.syncs: list[tuple[float, float]] = []
        """When each sync of a file began and ended."""

    def create(self, path: Path) -> AppendFile:
        with self.guard:
            return _SharedFile(self, super().create(path), self.image.names[path])

    def extend(self, path: Path) -> AppendFile:
        with self.guard:
            return _SharedFile(self, super().extend(path), self.image.names[path])

    def rename(self, old: Path, new: Path) -> None:
        with self.guard:
            super().rename(old, new)

    def unlink(self, path: Path) -> None:
        with self.guard:
            super().unlink(path)

    def fsync_dir(self, path: Path) -> None:
        with self.guard:
            super().fsync_dir(path)

    def moment(self) -> tuple[float, Image]:
        """The state of the disk, and a time that is no later."""
        with self.guard:
            return time.monotonic(), self.image.copy()


class _SharedFile(AppendFile):
    def __init__(self, disk: SharedDisk, file: AppendFile, inode: int) -> None:
        self._disk, self._file, self._inode = disk, file, inode
        self.size = file.size

    def append(self, pieces: Sequence[Buffer]) -> None:
        with self._disk.guard:
            self._file.append(pieces)
            self.size = self._file.size

    def truncate(self, size: int) -> None:
        with self._disk.guard:
            self._file.truncate(size)
            self.size = size

    def fsync(self) -> None:
        """Safe is what was written before it began."""
        began = time.monotonic()
        inodes = self._disk.image.inodes
        with self._disk.guard:
            written = inodes[self._inode].data
        time.sleep(random.uniform(0, FSYNC_S))
        with self._disk.guard:
            inodes[self._inode] = replace(inodes[self._inode], safe=written)
            self._disk.syncs.append((began, time.monotonic()))

    def close(self) -> None:
        self._file.close()


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Other processes that do nothing but compute."""
    running = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)
    ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


@dataclass
class Life:
    """A store that is written to until `stop`, and when each sample was acknowledged."""

    mode: str
    disk: SharedDisk = field(default_factory=SharedDisk)
    acknowledged: list[float] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def write(self) -> None:
        rng = random.Random(self.mode)
        with tsdb.open(
            STORE, disk=self.disk, sync=self.mode, sync_interval_s=INTERVAL_S, segment_bytes=50_000
        ) as database:
            for step in range(10**9):
                if self.stop.is_set():
                    return
                database.append(batch_of([({"__name__": "m"}, step, float(step))]))
                self.acknowledged.append(time.monotonic())
                time.sleep(rng.uniform(0, 0.01))


@dataclass(frozen=True)
class Loss:
    """What a cut lost. Times in seconds before the cut; `held`: samples that are there."""

    lost: Sequence[int] = ()
    acknowledged: Sequence[float] = ()
    held: int = 0
    syncs: Sequence[tuple[float, float]] = ()

    @property
    def age(self) -> float:
        """Of the oldest acknowledged sample that is lost, 0 if none is."""
        return max(self.acknowledged, default=0.0)


def cuts(mode: str, count: int) -> Iterator[Loss]:
    """What each cut lost of what was acknowledged before."""
    rng = random.Random(f"busy {mode}")
    while count > 0:
        life = Life(mode)
        writer = threading.Thread(target=life.write)
        writer.start()
        moments: list[tuple[float, Image, int]] = []
        try:
            for _ in range(min(count, CUTS_PER_LIFE)):
                time.sleep(rng.uniform(0.1, 1.5) if mode == "interval" else rng.uniform(0.02, 0.2))
                moments.append((*life.disk.moment(), len(life.acknowledged)))
        finally:
            life.stop.set()
            writer.join()
        for when, image, known in moments:
            left = SimulatedDisk(image.after(Cut.LOST, rng))
            held = {step for samples in contents(left).values() for step, _ in samples}
            lost = [
                step
                for step, at in enumerate(life.acknowledged[:known])
                if at <= when and step not in held
            ]
            yield Loss(
                lost,
                [when - life.acknowledged[step] for step in lost],
                len(held),
                [(when - began, when - ended) for began, ended in life.disk.syncs],
            )
        count -= len(moments)


PULSE = """
import time
last = time.monotonic()
while True:
    time.sleep(0.02)
    now = time.monotonic()
    if now - last > 0.2:
        print(f"{now - last:.2f} s", flush=True)
    last = now
"""


@contextmanager
def pulse() -> Iterator[Path]:
    """Another process, which hardly works: a file with the pauses that it saw, above 0.2 s."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pauses")
        with path.open("w") as out:
            process = subprocess.Popen([sys.executable, "-c", PULSE], stdout=out)
        try:
            yield path
        finally:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_always_loses_nothing() -> None:
    with busy(BUSY_PROCESSES if CUTS else 0):
        losses = list(cuts("always", CUTS or 10))
    log.info(
        "always: %d cuts, %d with a loss",
        len(losses),
        sum(bool(one.lost) for one in losses),
    )
    assert [one for one in losses if one.lost] == []


@pytest.mark.skipif(not CUTS, reason="takes minutes and real time: set NOVAQL_BUSY_CUTS=500")
def test_interval_loses_no_more_than_the_last_second() -> None:
    with pulse() as pauses, busy(BUSY_PROCESSES):
        losses = sorted(cuts("interval", CUTS), key=lambda one: one.age)
        beside = pauses.read_text().split("\n")
    middle, most, load = losses[len(losses) // 2], losses[-1], os.getloadavg()[0]
    told = "interval: %d cuts, oldest loss %.2f s, median %.2f s, load %.1f"
    log.info(told, len(losses), most.age, middle.age, load)
    assert most.age <= BOUND_S, (most, beside)
