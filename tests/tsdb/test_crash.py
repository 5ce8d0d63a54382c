"""What is left after a process is killed, a record is torn, or a bit is flipped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from novaql import tsdb
from novaql.tsdb.errors import StoreError
from novaql.tsdb.wal.record import SEGMENT_HEADER
from tests.support.store.model import Labels, Model, Sample, Stored, batch_of, read_all
from tests.support.store.stored_histograms import Native, simple

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
import numpy as np
from novaql import tsdb
from tests.support.store.stored_histograms import histograms_of, simple
from novaql.tsdb import Batch, HistogramSamples, SeriesTable

table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(20)])
database = tsdb.open(sys.argv[1], sync=sys.argv[2], flush_samples=2000)
rows = np.arange(20)
for step in range(int(sys.argv[3]), 10**9):
    native = None
    if step % 3 == 0:  # the first two series then have histograms in place of floats
        held = histograms_of([simple(step + 1, b1=step + 1), simple(step + 2, b1=step + 2)])
        native = HistogramSamples(rows[:2], np.full(2, step), held)
    database.append(Batch(table, rows, np.full(20, step), np.arange(20) + step / 8, native))
    print(step, flush=True)
    if step % 97 == 96:
        database.flush()
"""


def kill_a_writer(path: Path, mode: str, first: int, seconds: float) -> int:
    """Let a process append until it is killed; the last step that it acknowledged."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), mode, str(first)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    process.stdout.readline()  # it has begun
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    process.stdout.close()
    return int(rest[-1]) if rest else first


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["interval", "always", "os"])
def test_kill_loses_nothing_acknowledged(tmp_path: Path, mode: str) -> None:
    acknowledged = -1
    for seconds in (0.05, 0.2, 0.31):
        acknowledged = kill_a_writer(tmp_path / "store", mode, acknowledged + 1, seconds)
        with tsdb.open(tmp_path / "store") as database:
            assert database.check() == []
            found = read_all(database)
        assert len(found) == 20
        steps: list[int] = []
        for series, samples in found.items():
            number = int(dict(series)["i"])
            steps = [time for time, _ in samples]
            assert steps[: acknowledged + 1] == list(range(acknowledged + 1))
            expected = Model()
            for step in steps:
                histogram = simple(step + number + 1, b1=step + number + 1)
                stands = histogram if number < 2 and step % 3 == 0 else number + step / 8
                expected.append([(dict(series), step, stands)])
            # What nobody acknowledged may be there in part: floats stand before histograms.
            whole = acknowledged + 1
            assert samples[:whole] == expected.select()[series][:whole]
        acknowledged = max(acknowledged, steps[-1])


SMALL: list[Sample] = [
    ({"__name__": "up", "job": "a"}, 1000, 1.0),
    ({"__name__": "up", "job": "b"}, 1000, 0.0),
    ({"__name__": "up", "job": "a"}, 2000, 3.5),
]
NATIVE: list[Sample] = [
    ({"__name__": "latency"}, 1000, simple(6, b0=1, b1=2, b4=3)),
    ({"__name__": "latency"}, 2000, simple(9, b0=2, b1=3, b4=4)),
    ({"__name__": "up", "job": "a"}, 2000, simple(1, b7=1)),
    ({"__name__": "size"}, 1000, Native(-53, 3, (0, 1, 2, 3), ((0, 5), (2, 9)), (), (0.5, 2.0))),
]
MORE: list[Sample] = [({"__name__": "up", "job": "c"}, 3000, 2.25), (SMALL[0][0], 3000, 9.0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "last"),
    [(SMALL, MORE[:1]), (NATIVE[:1], NATIVE[1:]), (NATIVE, MORE[:1])],
    ids=["floats", "histograms", "floats after histograms"],
)
def test_torn_tail_is_cut_at_the_last_whole_record(
    tmp_path: Path, first: list[Sample], last: list[Sample]
) -> None:
    path = tmp_path / "store"
    database = tsdb.open(path)
    database.append(batch_of(first))
    (segment,) = (path / "wal").iterdir()
    whole = segment.stat().st_size
    database.append(batch_of(last))
    size = segment.stat().st_size
    content = segment.read_bytes()
    killed = as_killed(path)
    database.close()
    before, after = Model(), Model()
    before.append(first)
    after.append(first)
    after.append(last)
    for length in range(whole, size + 1):
        shutil.rmtree(path)
        shutil.copytree(killed, path)
        segment.write_bytes(content[:length])
        with tsdb.open(path) as reopened:
            assert read_all(reopened) in ([before.select()] if length < size else [after.select()])
            report = reopened.open_report
            assert report.clean == (report.torn_bytes == 0)
            assert report.torn_bytes <= length - whole
            assert report.interrupted == "process 1"
            if length in (whole, size):
                assert report.clean
        with tsdb.open(path) as again:
            assert again.open_report.clean
            assert again.open_report.interrupted == ""
            assert again.check() == []
    assert segment.exists()


@pytest.mark.slow
def test_every_truncation_of_the_log_leaves_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with tsdb.open(path) as database:
        database.append(batch_of(SMALL))
        killed = as_killed(path)
    (segment,) = (path / "wal").iterdir()
    content = (killed / "wal" / segment.name).read_bytes()
    for length in range(len(content)):
        shutil.rmtree(path)
        shutil.copytree(killed, path)
        segment.write_bytes(content[:length])
        # The header was on the disk before anything was written: no crash takes it.
        read_errors = tsdb.ReadErrors()
        with tsdb.open(path) as reopened:
            assert read_all(reopened, read_errors=read_errors) == {}
            assert bool(read_errors) == (length < SEGMENT_HEADER.size)
            reopened.append(batch_of(MORE))
        with tsdb.open(path) as reopened:
            model = Model()
            model.append(MORE)
            assert read_all(reopened, read_errors=read_errors) == model.select()
            assert reopened.open_report.clean == (length >= SEGMENT_HEADER.size)


def as_killed(path: Path) -> Path:
    """A copy of a store that is open: what its process would leave if it was killed now."""
    killed = path.with_name("killed")
    shutil.copytree(path, killed)
    (killed / "LOCK").write_text("process 1\n")
    return killed


def small_store(path: Path, *more: Sample) -> dict[Labels, list[tuple[int, Stored]]]:
    """A store with a block, a log, and every kind of record."""
    with tsdb.open(path) as database:
        database.set_metadata({"up": tsdb.Metadata("gauge", "Whether it is up.")})
        database.append(batch_of([*SMALL, *more]))
        database.flush()
        database.append(batch_of([*MORE, *more[:2]]))
        return read_all(database)


@pytest.mark.slow
@pytest.mark.parametrize(("more", "step"), [([], 1), (NATIVE, 5)], ids=["floats", "histograms"])
def test_flipped_bytes_are_noticed_or_harmless(
    tmp_path: Path, more: list[Sample], step: int
) -> None:
    """One bit of bytes of each file: an error, a report, or the right answer. Never another."""
    expected = small_store(tmp_path / "store", *more)
    names = [p.relative_to(tmp_path / "store") for p in (tmp_path / "store").rglob("*")]
    files = [name for name in names if (tmp_path / "store" / name).is_file()]
    assert len(files) == 5
    noticed = 0
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    for name in files:
        content = (tmp_path / "store" / name).read_bytes()
        for at in range(0, len(content), 7 * step if "MANIFEST" in name.name else step):
            changed = bytearray(content)
            changed[at] ^= 1 << (at % 8)
            (tmp_path / "copy" / name).write_bytes(changed)
            try:
                with tsdb.open(tmp_path / "copy", read_only=True) as database:
                    found = read_all(database)
                    clean = database.open_report.clean
            except StoreError:
                noticed += 1
                continue
            if clean:
                assert found == expected, f"byte {at} of {name} changed the answer in silence"
            else:
                noticed += 1
                assert found.items() <= expected.items() or all(
                    set(samples) <= set(expected[key]) for key, samples in found.items()
                )
        (tmp_path / "copy" / name).write_bytes(content)
    assert noticed > 500
    for name in names:  # nothing that reads a store writes to it, so one copy was enough
        one, other = tmp_path / "store" / name, tmp_path / "copy" / name
        assert one.is_dir() or one.read_bytes() == other.read_bytes()
    assert len(names) == len([*(tmp_path / "copy").rglob("*")])


def test_damage_inside_the_log_costs_one_record(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with tsdb.open(path) as database:
        database.append(batch_of(SMALL))
        (segment,) = (path / "wal").iterdir()
        begin = segment.stat().st_size
        database.append(batch_of(SMALL[:1]))
        database.append(batch_of(MORE))
    content = bytearray(segment.read_bytes())
    content[begin + 20] ^= 4
    segment.write_bytes(content)
    model = Model()
    model.append([*SMALL, *MORE])
    for _ in range(2):
        read_errors = tsdb.ReadErrors()
        with tsdb.open(path) as reopened:
            with pytest.raises(tsdb.Corrupted, match="are not a record"):
                read_all(reopened)
            assert read_all(reopened, read_errors=read_errors) == model.select()
            assert len(read_errors) == 1
            assert len(reopened.open_report.damaged) == 1
            assert not reopened.open_report.clean
            assert len(reopened.check()) == 1
            reopened.flush()  # the loss is remembered until it is repaired
        assert [p.name for p in (path / "damaged").iterdir()] == [segment.name]
    assert tsdb.repair(path).left == []
    with tsdb.open(path) as again:
        assert read_all(again) == model.select()
        assert again.open_report.clean


def test_a_flush_that_was_killed_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "store"
    expected = small_store(path)
    (path / "blocks" / "0000000002.block").write_bytes(b"half a blo")
    (path / "blocks" / "0000000003.block.writing").write_bytes(b"")
    with tsdb.open(path) as database:
        assert database.open_report.removed == (
            "blocks/0000000002.block",
            "blocks/0000000003.block.writing",
        )
        assert database.open_report.clean
        assert read_all(database) == expected


def test_blocks_cannot_be_swapped(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with tsdb.open(path) as database:
        for start in (0, 10_000):
            database.append(batch_of([({"__name__": "m"}, start, 1.0)]))
            database.flush()
    one, two = sorted((path / "blocks").iterdir())
    one.rename(tmp_path / "kept")
    two.rename(one)
    (tmp_path / "kept").rename(two)
    with (
        tsdb.open(path, read_only=True) as database,
        pytest.raises(tsdb.Corrupted, match="another block"),
    ):
        read_all(database)
    assert len(tsdb.check(path)) == 2
