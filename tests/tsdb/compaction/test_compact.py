"""Merged blocks hold what the store held before, bit for bit, whatever came when."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from novaql import tsdb
from novaql.tsdb.model.labels import LabelColumn, SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import STALE, Batch
from tests.support.disks.simulated_disk import STORE, SimulatedDisk
from tests.support.store.model import Model, Sample, batch_of, from_bits, read_all
from tests.support.store.stored_histograms import Native, simple
from tests.support.store.workload import Still

MINUTE = 60_000
names = st.sampled_from(["up", "load", "took_seconds_bucket"])
label_sets = st.fixed_dictionaries(
    {"__name__": names},
    optional={"job": st.sampled_from("ab"), "le": st.sampled_from(["0.1", "1", "10", "+Inf"])},
)
values = st.one_of(
    st.integers(0, 1000).map(float),
    st.integers(0, 1000).map(lambda n: n / 100),
    st.integers(0, 2**64 - 1).map(from_bits),
    st.just(STALE),
)
natives = st.integers(1, 9).map(lambda n: simple(n, b1=n, b3=2 * n))


@st.composite
def scrapes(draw: st.DrawFn) -> list[Sample]:
    """Series that share times: a stretch from somewhere on, so that stretches follow, overlap …"""
    chosen = draw(st.lists(label_sets, min_size=1, max_size=4))
    first = draw(st.integers(0, 30)) * 15_000
    step = draw(st.sampled_from([15_000, 15_000, 7_000]))
    what: st.SearchStrategy[float | Native] = draw(st.sampled_from([values, values, natives]))
    return [
        (labels, first + n * step, draw(what))
        for labels in chosen
        for n in range(draw(st.integers(1, 6)))
    ]


deletions = st.tuples(names, st.integers(0, 40), st.integers(0, 20))
actions = st.lists(
    st.one_of(scrapes(), scrapes(), deletions, st.sampled_from(["flush", "compact", "clean"])),
    min_size=2,
    max_size=12,
)


def act(database: tsdb.Database, model: Model, action: object) -> None:
    match action:
        case "flush":
            database.flush()
        case "compact":
            database.compact()
        case "clean":
            database.clean_tombstones()
        case list():
            database.append(batch_of(action))
            model.append(action)
        case (str(name), int(first), int(length)):
            matchers = [Matcher("__name__", MatchOp.EQUAL, name)]
            start, end = first * 15_000, (first + length) * 15_000
            database.delete([matchers], start, end)
            for key in model.select(matchers):
                model.series[key] = {
                    t: v for t, v in model.series[key].items() if not start <= t <= end
                }


@pytest.mark.slow
@settings(deadline=None)
@given(actions, st.booleans())
def test_what_is_stored_stays_the_same(steps: list[object], one_by_one: bool) -> None:
    disk = SimulatedDisk()
    options = {"block_ms": MINUTE, "compaction": False, "cache_bytes": 0, "sync": "os"}
    database = tsdb.open(STORE, disk=disk, **options)  # type: ignore[arg-type]
    model = Model()
    for step in steps:
        act(database, model, step)
        if one_by_one and isinstance(step, list):
            database.flush()

        assert read_all(database) == model.select()
    database.compact()

    assert read_all(database) == model.select()
    assert database.check() == []
    database.close()
    with tsdb.open(STORE, disk=disk, **options) as again:  # type: ignore[arg-type]
        assert again.open_report.removed == ()
        assert read_all(again) == model.select()


def test_start_timestamps_are_merged_too(tmp_path: Path) -> None:
    def batch(first: int, start: int) -> Batch:
        times = np.arange(first, first + 40) * 1000
        series = SeriesTable.from_dicts([{"__name__": "hits_total"}])
        rows = np.zeros(40, np.int64)
        return Batch(series, rows, times, times / 8, starts=np.full(40, start))

    with tsdb.open(tmp_path, compaction=False) as database:
        for first, start in ((0, 5), (40, 5), (80, 79_500), (30, 7)):
            database.append(batch(first, start))
            database.flush()
        assert database.stats().blocks == 4
        database.compact()
        assert database.stats().blocks == 1
        (view,) = database.select([], 0, 10**9).views()
        starts = view.ragged().starts

    assert starts is not None
    assert starts.tolist() == [5] * 30 + [7] * 40 + [5] * 10 + [79_500] * 40


def fleet(count: int, first: int, steps: int) -> Batch:
    """Counters of `count` series with the same times, `steps` from the step `first` on."""
    times = (first + np.arange(steps)) * 15_000
    rows = np.repeat(np.arange(count), steps)
    values = (times[None, :] // 5000 * (1 + np.arange(count)[:, None])).astype(np.float64)
    columns = {
        "__name__": LabelColumn.constant("hits_total", count),
        "i": LabelColumn.encode(f"{n:05d}" for n in range(count)),
    }
    table = SeriesTable.from_columns(count, columns)
    return Batch(table, rows, np.tile(times, count), values.ravel())


@pytest.mark.slow
def test_levels_grow_by_themselves(tmp_path: Path) -> None:
    with tsdb.open(tmp_path, block_ms=10 * MINUTE, sync="os") as database:
        for hour in range(20):
            database.append(fleet(10, hour * 40, 40))
            database.flush()
            database.maintain()
        spans = [
            (entry.entry.last_ms - entry.entry.first_ms) // MINUTE
            for entry in database._state.current.blocks
        ]
        assert database.stats().blocks <= 9
        assert max(spans) >= 89
        assert sum(b.entry.samples for b in database._state.current.blocks) == 8000
        assert database.check() == []


def test_a_compacted_store_is_smaller(tmp_path: Path) -> None:
    with tsdb.open(tmp_path, sync="os", compaction=False) as database:
        for part in range(12):
            database.append(fleet(40, part * 40, 40))
            database.flush()
        before = database.stats()
        result = database.compact()
        after = database.stats()

    assert (before.blocks, after.blocks) == (12, 1)
    assert before.block_samples == after.block_samples == 40 * 480
    assert after.block_bytes < before.block_bytes / 2
    assert result.blocks_read >= 12
    assert result.bytes_read >= before.block_bytes > result.bytes_written


def test_readers_keep_what_they_saw(tmp_path: Path) -> None:
    with tsdb.open(tmp_path, compaction=False, cache_bytes=0) as database:
        for part in range(3):
            database.append(fleet(5, part * 40, 40))
            database.flush()
        selection = database.select([], 0, 10**9)
        with tsdb.open(tmp_path, read_only=True, cache_bytes=0) as beside:
            database.compact()
            assert len(list((tmp_path / "blocks").iterdir())) == 4

            assert sum(view.sample_count for view in selection.views()) == 600
            del selection
            database.maintain()
            assert len(list((tmp_path / "blocks").iterdir())) == 1
            assert beside.select([], 0, 10**9).samples == 600
            assert sum(len(found) for found in read_all(beside).values()) == 600


@pytest.mark.slow
def test_readers_and_a_writer_go_on_meanwhile(tmp_path: Path) -> None:
    problems: list[BaseException] = []
    done = threading.Event()

    with tsdb.open(tmp_path, compaction=False, sync="os", block_ms=10 * MINUTE) as database:
        for part in range(6):
            database.append(fleet(20, part * 40, 40))
            database.flush()

        def read() -> None:
            try:
                while not done.is_set():
                    found = database.select([], 0, 240 * 15_000 - 1)
                    assert sum(view.sample_count for view in found.views()) == 20 * 240
            except (AssertionError, tsdb.StoreError) as problem:
                problems.append(problem)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for thread in readers:
            thread.start()
        for part in range(6, 14):
            database.append(fleet(20, part * 40, 40))
            database.compact()
        done.set()
        for thread in readers:
            thread.join()
        assert problems == []
        assert sum(len(found) for found in read_all(database).values()) == 20 * 14 * 40
        assert database.check() == []


@pytest.mark.slow
def test_every_failing_call_leaves_everything_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """EIO from each call in turn that a compaction makes, once and from then on."""
    monkeypatch.setattr("novaql.tsdb.database.PeriodicTask", Still)
    prepared, model = SimulatedDisk(), Model()
    with tsdb.open(STORE, disk=prepared, compaction=False, sync="os") as database:
        for first in (0, 3, 6):
            samples: list[Sample] = [
                ({"__name__": "up", "i": str(i)}, (first + n) * 15_000, float(first + n))
                for i in range(3)
                for n in range(5)
            ]
            database.append(batch_of(samples))
            model.append(samples)
            database.flush()
    at, once = 0, True
    while True:
        disk = SimulatedDisk(prepared.image)
        database = tsdb.open(STORE, disk=disk, compaction=False, sync="os")
        begun = disk.calls

        def fault(
            number: int, name: str, begun: int = begun, at: int = at, once: bool = once
        ) -> OSError | None:
            failing = number == begun + at if once else number >= begun + at
            return OSError(errno.EIO, f"{name} refused") if failing else None

        disk.fault = fault
        try:
            database.compact()
            completed = True
        except tsdb.WriteFailed:
            completed = False
        reached = disk.calls - begun > at
        disk.fault = None

        assert read_all(database) == model.select()
        # The call that failed may have been one for the second manifest: the next one writes it.
        assert [one for one in database.check() if one.path.name != "MANIFEST.copy"] == []
        if not completed:
            disk.kill()
            left = SimulatedDisk(disk.image)
            with tsdb.open(STORE, disk=left, read_only=True) as seen:
                assert read_all(seen) == model.select()
        database.compact()
        assert read_all(database) == model.select()
        assert database.stats().blocks == 1
        assert completed or database.check() == []
        if not reached:
            assert at > 8
            if not once:
                break
            at, once = -1, False
        at += 1


def test_a_damaged_block_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with tsdb.open(tmp_path, compaction=False) as database:
        for part in range(3):
            database.append(fleet(5, part * 40, 40))
            database.flush()
    damaged = sorted((tmp_path / "blocks").iterdir())[1]
    content = bytearray(damaged.read_bytes())
    content[60] ^= 1
    damaged.write_bytes(content)
    with tsdb.open(tmp_path, compaction=False) as database:
        database.compact()

        assert "not merged" in caplog.text
        assert damaged.exists()
        assert sum(b.entry.samples for b in database._state.current.blocks) == 600
        assert database.select([], 0, 39 * 15_000).samples == 200


def test_closing_does_not_wait_for_a_long_merge(tmp_path: Path) -> None:
    with tsdb.open(tmp_path, compaction=False) as database:
        for part in range(3):
            database.append(fleet(5, part * 40, 40))
            database.flush()
        database._compactor.stopping.set()
        result = database.compact()

        assert result.blocks_read == 0
        assert database.stats().blocks == 3
    assert tsdb.check(tmp_path) == []
    assert not [f for f in (tmp_path / "blocks").iterdir() if f.suffix != ".block"]


def test_memory_is_compacted_too() -> None:
    with tsdb.memory() as database:
        database.append(fleet(2, 0, 5))
        assert database.compact() == tsdb.CompactionResult()
        assert sum(len(found) for found in read_all(database).values()) == 10
