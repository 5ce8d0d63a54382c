"""Processes are killed while they append, delete, flush, merge and let go; nothing is lost.

Blocks are short and samples come late, in the same runs: there a merged block covers time for which
the log still owes samples. The process is killed at any moment, also while it reads what an earlier
kill has left. After each kill the store opens, is sound, and holds all that was acknowledged.

The number of kills is NOVAQL_KILLS, 100 by default. The long campaign:

    NOVAQL_KILLS=1000 pytest -q tests/tsdb/test_kills.py
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from novaql import tsdb
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.maintenance.check import check_blocks
from tests.support.store.killed_writer import STEP_MS, Expected, operation, write
from tests.support.store.model import read_all

KILLS = int(os.environ.get("NOVAQL_KILLS", "100"))
KILLS_PER_STORE = 20
MODES = ("interval", "always", "os")


def options_of(mode: str, retention_ms: int | None, rng: random.Random) -> dict[str, Any]:
    """Everything is short, so that much happens before the kill."""
    block_ms = rng.choice([5, 20, 60]) * STEP_MS
    return {
        "sync": mode,
        "sync_interval_s": 0.02,
        "block_ms": block_ms,
        "most_block_ms": 9 * block_ms,
        "segment_bytes": rng.choice([2000, 20_000, 64 << 20]),
        "retention_ms": retention_ms,
    }


class Killer:
    """Starts writers one after the other in one store, and kills each."""

    def __init__(self, folder: Path, seed: int, mode: str) -> None:
        self.path, self.told = folder / "store", folder / "told"
        self.seed, self.mode, self.rng = seed, mode, random.Random(seed)
        retention = self.rng.choice([None, None, 300 * STEP_MS])
        self.expected = Expected(retention)
        self.next = 0
        self.rounds = 0
        # A server that has all modules and no threads: a child of it is ready at once.
        self.processes = multiprocessing.get_context("forkserver")
        self.processes.set_forkserver_preload(["tests.support.store.killed_writer"])

    def round(self) -> int:
        """One life of a process; how many operations it had acknowledged."""
        self.told.unlink(missing_ok=True)
        self.rounds += 1
        options = options_of(self.mode, self.expected.retention_ms, self.rng)
        process = self.processes.Process(
            target=write, args=(self.path, self.seed, self.next, options, self.told)
        )
        process.start()
        early = self.rng.random() < 0.2  # while it starts, which may be while it recovers
        if not early:
            self._wait_for_the_first(process)
        time.sleep(self.rng.uniform(0, 0.08 if early else 0.2))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        lines = self.told.read_text().split() if self.told.exists() else []
        assert "failed" not in lines, f"seed {self.seed}:\n{self.told.read_text()}"
        assert process.exitcode == -signal.SIGKILL
        done = [int(line) for line in lines if line.isdigit()]
        assert done == list(range(self.next, self.next + len(done)))
        self._judge(len(done))
        return len(done)

    def _wait_for_the_first(self, process: Any) -> None:
        end = time.monotonic() + 60
        while not (self.told.exists() and self.told.read_bytes().count(b"\n") > 1):
            assert process.is_alive(), self.told.read_text() if self.told.exists() else "it ended"
            assert time.monotonic() < end, "it acknowledged nothing in a minute"
            time.sleep(0.002)

    def _judge(self, done: int) -> None:
        what = f"seed {self.seed}, {self.mode}, round {self.rounds}, operation {self.next + done}"
        for number in range(self.next, self.next + done):
            self.expected.take(operation(self.seed, number))
        under_way = operation(self.seed, self.next + done)
        self.next += done + 1
        if not (self.path / "MANIFEST").exists():
            assert done == 0, what
            return
        with tsdb.open(self.path, read_only=True, cache_bytes=0) as beside:
            assert beside.open_report.damaged == (), what
            assert beside.open_report.orphans == 0, what
            found = read_all(beside)
        self.expected.settle(under_way, found)
        problem = self.expected.problem(found)
        assert problem is None, f"{what}: {problem}"
        assert check_blocks(Disk(), self.path) == [], what
        if self.rng.random() < 0.3:  # otherwise the next process recovers, and may be killed at it
            with tsdb.open(self.path, compaction=False) as database:
                assert database.check() == [], what
                assert read_all(database) == found, f"{what}: recovery changed what is there"


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_kills(tmp_path: Path, mode: str) -> None:
    kills = acknowledged = 0
    for number in range(KILLS):
        folder = tmp_path / str(number)
        folder.mkdir()
        killer = Killer(folder, number * len(MODES) + MODES.index(mode), mode)
        for _ in range(KILLS_PER_STORE):
            if kills >= KILLS / len(MODES):
                assert acknowledged > kills
                return
            acknowledged += killer.round()
            kills += 1
