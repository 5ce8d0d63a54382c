"""The head takes bounded memory, however much is written; the answers are the same before and after
its flush and after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.head import head as heads
from novaql.tsdb.head.float_run import FloatSamples
from novaql.tsdb.head.head import Head
from novaql.tsdb.model.labels import LabelColumn, SeriesTable
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS
from novaql.tsdb.options import StoreOptions
from novaql.tsdb.store.flusher import (
    HEAD_BYTES_PER_SERIES,
    HEAD_SERIES_BYTES,
    SAMPLES_PER_SERIES,
    is_full,
)

MIB = 1 << 20
SERIES = 1000
STEP_MS = 15_000
TABLE = SeriesTable.from_columns(
    SERIES,
    {
        "__name__": LabelColumn.constant("m", SERIES),
        "i": LabelColumn.encode([str(number) for number in range(SERIES)]),
    },
)
INDEX = np.arange(SERIES)


def scrape(step: int) -> Batch:
    """One sample of each series; targets of 50 series have times of their own."""
    values = np.sin(INDEX + step)
    return Batch(TABLE, INDEX, INDEX // 50 * 7 + step * STEP_MS, values)


def all_samples(database: tsdb.Database) -> dict[tuple[str, int], int]:
    """The bits of every value by series and time."""
    found = {}
    selection = database.select([], MIN_TIME_MS, MAX_TIME_MS)
    names = selection.series.column("i").texts()
    for view in selection.views():
        flat = view.ragged()
        rows, times = flat.owners().tolist(), flat.timestamps.tolist()
        bits = flat.values.view(np.int64).tolist()
        for row, time, value in zip(rows, times, bits, strict=True):
            found[names[row], time] = value
    return found


def expected(steps: range) -> dict[tuple[str, int], int]:
    found = {}
    for step in steps:
        batch = scrape(step)
        columns = batch.timestamps.tolist(), batch.values.view(np.int64).tolist()
        found.update({(str(n), t): v for n, (t, v) in enumerate(zip(*columns, strict=True))})
    return found


def test_samples_are_sorted_without_readers() -> None:
    head = Head()
    registry_ids = head.registry.ids_of(TABLE)
    for step in range(3000):
        batch = scrape(step)
        head.add(FloatSamples(registry_ids, batch.timestamps, batch.values))
        head.sort_backlog()
        assert head.nbytes <= 8.5 * head.appended + heads.SAMPLE_BYTES * heads.UNSORTED_SAMPLES
    assert head.nbytes < 12 * head.appended
    assert head.part().samples == head.appended == 3000 * SERIES


def test_a_head_counts_its_bytes() -> None:
    head = Head()
    ids = head.registry.ids_of(TABLE)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for step in range(1000):
            batch = scrape(step)
            head.add(FloatSamples(ids, batch.timestamps, batch.values))
        unsorted = tracemalloc.get_traced_memory()[0] - before
        assert 0.8 * unsorted < head.nbytes < 1.2 * unsorted
        head.part()
        head.compact()
        held = tracemalloc.get_traced_memory()[0] - before - heads.SAMPLE_BYTES * (1 << 16)
        assert 0.8 * held < head.nbytes < 1.2 * held
    finally:
        tracemalloc.stop()


def test_a_head_of_more_series_may_be_larger() -> None:
    options = StoreOptions(flush_bytes=MIB, flush_samples=10**9)
    head = Head()
    ids = head.registry.ids_of(TABLE)
    while not is_full(head, options):
        head.add(FloatSamples(ids, np.full(SERIES, head.appended), np.zeros(SERIES)))
    assert MIB <= head.nbytes < 1.1 * MIB
    many = SeriesTable.from_columns(
        10_000, {"i": LabelColumn.encode([str(number) for number in range(10_000)])}
    )
    head.registry.ids_of(many)
    while not is_full(head, options):
        head.add(FloatSamples(ids, np.full(SERIES, head.appended), np.zeros(SERIES)))
    assert head.nbytes >= 10_000 * HEAD_BYTES_PER_SERIES > MIB


def names_of(prefix: str, count: int) -> LabelColumn:
    return LabelColumn.encode([f"{prefix}{number}" for number in range(count)])


NEW_SERIES = {
    "small": lambda n: {"i": names_of(f"{n}-", 20_000)},
    "long": lambda n: {"i": names_of(f"{n}-{'x' * 40_000}", 500)},
    "wide": lambda n: {"i": names_of(f"{n}-{'😀' + 'x' * 10_000}", 500)},
    "names": lambda n: {f"{n}-{one}": names_of("v", 100) for one in range(1000)},
    "columns": lambda n: {f"{n}-{one}": names_of("v", 1) for one in range(4000)},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", NEW_SERIES)
def test_a_head_counts_the_bytes_of_its_series(kind: str) -> None:
    head = Head()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(5):
            columns = NEW_SERIES[kind](number)
            rows = len(next(iter(columns.values())).codes)
            head.registry.ids_of(SeriesTable.from_columns(rows, columns))
            del columns
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.7 * held < head.registry.nbytes < 1.5 * held


def test_a_head_of_long_labels_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each series has one sample, so that the bytes of the samples never fill the head."""
    head, options = Head(), StoreOptions()
    series = SeriesTable.from_columns(500, NEW_SERIES["long"](0))
    ids = head.registry.ids_of(series)
    head.add(FloatSamples(ids, np.zeros(500, np.int64), np.zeros(500)))
    assert not is_full(head, options)
    monkeypatch.setattr(type(head.registry), "nbytes", HEAD_SERIES_BYTES)
    assert is_full(head, options)


@pytest.mark.slow
def test_the_head_is_flushed_by_bytes(tmp_path: Path) -> None:
    """Two heads exist during a flush; a third one is not begun before its end."""
    flush_bytes = 4 * MIB
    with tsdb.open(tmp_path, sync="os", flush_bytes=flush_bytes, compaction=False) as database:
        for step in range(4000):  # 91 MiB of ids, times and values
            database.append(scrape(step))
            held = sum(head.nbytes for head in database._state.current.heads)
            assert held <= 2 * flush_bytes + 5 * heads.SAMPLE_BYTES * heads.UNSORTED_SAMPLES
        stats = database.stats()
        assert stats.blocks >= 2
        assert stats.block_samples + stats.head_samples == 4000 * SERIES
        # Another thread may still sort samples, which changes their size between two readings.
        deadline = monotonic() + 60
        while (shown := database.stats().head_bytes) != (
            held := sum(head.nbytes for head in database._state.current.heads)
        ):
            assert monotonic() < deadline, f"stats show {shown} bytes, the heads have {held}"
            sleep(0.01)


@pytest.mark.parametrize(("of_each", "expected"), [(10, SAMPLES_PER_SERIES), (50, 50)])
def test_a_head_of_very_many_series_has_more_than_a_few_samples_of_each(
    of_each: int, expected: int
) -> None:
    options = StoreOptions(flush_bytes=10**12, flush_samples=of_each * SERIES)
    head = Head()
    ids = head.registry.ids_of(TABLE)
    scrapes = 0
    while not is_full(head, options):
        head.add(FloatSamples(ids, np.full(SERIES, scrapes), np.zeros(SERIES)))
        scrapes += 1
    assert scrapes == expected


def test_a_head_that_another_thread_has_flushed_is_not_followed_by_a_small_block(
    tmp_path: Path,
) -> None:
    """A thread that finds a full head waits for the flush of the one before; meanwhile another
    thread may flush the full one."""
    with tsdb.open(tmp_path, sync="os", compaction=False) as database:
        database.append(scrape(0))
        full = database._state.current.head
        database.flush()
        database.append(scrape(1))
        database._flusher.flush(full)
        stats = database.stats()
        assert (stats.blocks, stats.head_samples) == (1, SERIES)
        database._flusher.flush(database._state.current.head)
        assert database.stats().blocks == 2


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True])
def test_answers_are_the_same_before_and_after_a_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, late: bool
) -> None:
    monkeypatch.setattr(heads, "UNSORTED_SAMPLES", 4 * SERIES)
    steps = range(60)
    with tsdb.open(tmp_path, sync="os") as database:
        for step in steps if not late else [*steps[::2], *reversed(steps[1::2])]:
            database.append(scrape(step))
        assert all_samples(database) == expected(steps)
        database.flush()
        assert database.stats().head_samples == 0
        assert all_samples(database) == expected(steps)
        database.append(scrape(60))
        database.compact()
        assert all_samples(database) == expected(range(61))
    with tsdb.open(tmp_path, read_only=True) as database:
        assert all_samples(database) == expected(range(61))


KILLED = """
import os, signal, sys
from pathlib import Path
from novaql import tsdb
from tests.tsdb.store.test_head_memory import MIB, scrape
database = tsdb.open(Path(sys.argv[1]), sync="os", flush_bytes=MIB, compaction=False)
for step in range(400):
    database.append(scrape(step))
assert database.stats().blocks >= 1
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
def test_a_kill_after_flushes_by_bytes_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL
    with tsdb.open(tmp_path, sync="os") as database:
        assert all_samples(database) == expected(range(400))
        assert not database.check()


RESIDENT = """
import sys, tempfile
import psutil
from novaql import tsdb
from tests.tsdb.store.test_head_memory import MIB, SERIES, scrape
process = psutil.Process()
with tempfile.TemporaryDirectory() as folder:
    with tsdb.open(folder, sync="os", compaction=False) as database:
        for step in range(50):
            database.append(scrape(step))
        database.flush()
        before = process.memory_info().rss
        for step in range(50, 6000):
            database.append(scrape(step))
        database.flush()
        print((process.memory_info().rss - before) // MIB)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="reads what is resident after a flush")
def test_memory_of_a_flushed_head_is_returned() -> None:
    """6 M samples, 137 MiB as they arrive."""
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT], capture_output=True, text=True, check=True, timeout=300
    )
    assert int(done.stdout) < 60
