"""One writer and many readers: every read is a whole prefix of what was written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb import Batch, HistogramSamples, SeriesTable
from tests.support.store.stored_histograms import histograms_of, simple

SERIES = 40
STEPS = 250


def run_together(work: list[Callable[[], None]]) -> None:
    problems: list[BaseException] = []

    def guarded(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as problem:  # noqa: BLE001  (shown by the test)
            problems.append(problem)

    threads = [threading.Thread(target=guarded, args=(task,)) for task in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["memory", "disk"])
def test_readers_see_whole_batches_and_their_own_writes(tmp_path: Path, place: str) -> None:
    database = tsdb.memory() if place == "memory" else tsdb.open(tmp_path, sync="os")
    table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(SERIES)])
    written = [0]
    done = threading.Event()

    def write() -> None:
        try:
            rows, values = np.arange(SERIES), np.arange(float(SERIES))
            for step in range(STEPS):
                database.append(Batch(table, rows, np.full(SERIES, step), values + 1000 * step))
                written[0] = step + 1
                if step % 60 == 59:
                    database.flush()
        finally:
            done.set()

    def read() -> None:
        while not done.is_set():
            before = written[0]
            version = database.version
            selection = database.select([], 0, STEPS)
            lengths = set()
            for view in selection.views():
                flat = view.ragged()
                assert flat.offsets is not None
                lengths |= set(np.diff(flat.offsets).tolist())
                index = np.repeat(flat.rows, np.diff(flat.offsets))
                numbers = np.array([int(labels["i"]) for labels in selection.series])[index]
                assert (flat.values == numbers + 1000.0 * flat.timestamps).all()
            if before:
                assert len(lengths) == 1, "a batch was seen in part"
                assert before <= lengths.pop() <= written[0] + 1
            assert database.version >= version

    run_together([write, read, read])
    assert database.stats().duplicates == 0
    assert database.select([], 0, STEPS).samples == SERIES * STEPS
    database.close()


def test_floats_and_histograms_of_a_batch_are_seen_together() -> None:
    database = tsdb.memory()
    table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(2)])
    done = threading.Event()

    def write() -> None:
        try:
            for step in range(STEPS):
                one, time = np.array([1 - step % 2]), np.array([step])
                held = histograms_of([simple(step, b1=step + 1)])
                native = HistogramSamples(1 - one, time, held)
                database.append(Batch(table, one, time, np.array([float(step)]), native))
                if step % 60 == 59:
                    database.flush()
        finally:
            done.set()

    def read() -> None:
        while not done.is_set():
            selection = database.select([], 0, STEPS)
            floats = [t for v in selection.views() for t in v.ragged().timestamps.tolist()]
            natives = [t for ref in selection.histograms for t in ref.load().timestamps.tolist()]
            assert sorted(floats) == sorted(natives) == list(range(len(floats)))

    run_together([write, read])
    assert database.select([], 0, STEPS).samples == 2 * STEPS


def test_writers_take_turns(tmp_path: Path) -> None:
    with tsdb.open(tmp_path, sync="os") as database:

        def write(number: int) -> None:
            for step in range(100):
                table = SeriesTable.from_dicts([{"w": str(number)}, {"w": "all", "s": str(step)}])
                database.append(
                    Batch(table, np.arange(2), np.array([step, number]), np.array([1.0, 2.0]))
                )

        run_together([lambda n=n: write(n) for n in range(4)])  # type: ignore[misc]
        selection = database.select([], 0, 1000)
        assert len(selection.series) == 4 + 100
        assert selection.samples == 2 * 4 * 100
