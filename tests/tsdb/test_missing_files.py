"""Whole files go missing, are emptied, or another file of their kind takes their place.

Each file and directory that a store writes, in a store that was closed and in one whose process was
killed. Nothing may change an answer in silence: opening fails and names the way back, or the
report of opening, every answer and the verification name the file. A writer that opens the store
removes nothing that may still be needed, the loss is remembered after a flush, and `repair` ends
that.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import novaql
from novaql import tsdb
from novaql.tsdb.maintenance.check import check_blocks, check_log
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.source import Metadata
from tests.support.disks.simulated_disk import STORE, PowerCut, SimulatedDisk
from tests.support.store.batches import one_exemplar
from tests.support.store.model import Labels, Sample, Stored, batch_of, read_all
from tests.support.store.stored_histograms import simple

Answer = dict[Labels, list[tuple[int, Stored]]]
Change = Callable[[SimulatedDisk], None]
MINUTE = 60_000


@cache
def store(closed: bool, path: Path = STORE) -> tuple[SimulatedDisk, Answer]:
    """A merged block with rollups, one as it was flushed, deletions that wait, exemplars, metadata
    and at least four segments of the log; and what it holds."""
    disk = SimulatedDisk()
    database = tsdb.open(
        path, disk=disk, segment_bytes=400, sync="always", rollups_ms=(MINUTE,), compaction=False
    )
    database.set_metadata({"m": Metadata("gauge", "A number.")})
    for start in (0, 20 * MINUTE, 40 * MINUTE):
        database.append(batch_of(samples(start, 40)))
        database.flush()
        if start:
            database.compact()
    database.append(batch_of(samples(60 * MINUTE, 40)))
    database.flush()
    database.delete([[Matcher("i", MatchOp.EQUAL, "1")]], 5 * MINUTE, 10 * MINUTE)
    for step in range(3):
        database.append(batch_of(samples((80 + step) * MINUTE, 2)))
        database.append(one_exemplar((80 + step) * MINUTE))
    expected = read_all(database)
    if closed:
        database.close()
    else:
        disk.kill()
    return disk, expected


def samples(start: int, count: int) -> list[Sample]:
    found: list[Sample] = [
        ({"__name__": "m", "i": str(n % 2)}, start + n * 10_000, float(n)) for n in range(count)
    ]
    native = ({"__name__": "latency"}, start, simple(start // 1000 + 1, b1=start // 1000 + 1))
    return [*found, native]


def kind(path: Path) -> str:
    return path.name if path.parent == STORE else path.parent.name


def missing(path: Path) -> Change:
    return lambda disk: disk.unlink(path)


def empty(path: Path) -> Change:
    return lambda disk: disk.put(path, b"")


def replaced(path: Path, content: bytes) -> Change:
    return lambda disk: disk.put(path, content)


def without(folder: Path) -> Change:
    def change(disk: SimulatedDisk) -> None:
        for path in disk.content():
            if path.parent == folder:
                disk.unlink(path)
        disk.image.folders = disk.image.folders - {folder}

    return change


def changes(closed: bool) -> Iterator[tuple[str, Change]]:
    disk, _ = store(closed)
    content = disk.content()
    other = {STORE / p.name if p.parent.name == "other" else STORE / p.parent.name / p.name: data
             for p, data in store(closed, STORE.parent / "other")[0].content().items()}  # fmt: skip
    for path in sorted(content):
        name = str(path.relative_to(STORE))
        yield f"{name} missing", missing(path)
        yield f"{name} empty", empty(path)
        same = [p for p in sorted(content) if kind(p) == kind(path)]
        second = same[same.index(path) - 1]
        if second != path:
            yield f"{name} is {second.name}", replaced(path, content[second])
        if path in other and other[path] != content[path]:
            yield f"{name} of another store", replaced(path, other[path])
    for folder in ("wal", "blocks"):
        yield f"{folder}/ missing", without(STORE / folder)
    one, two = STORE / "MANIFEST", STORE / "MANIFEST.copy"
    yield "MANIFEST and MANIFEST.copy missing", both(missing(one), missing(two))
    yield "MANIFEST and MANIFEST.copy empty", both(empty(one), empty(two))


def both(one: Change, two: Change) -> Change:
    def change(disk: SimulatedDisk) -> None:
        one(disk)
        two(disk)

    return change


def test_the_store_has_all_that_a_store_writes() -> None:
    disk, expected = store(closed=True)
    names = {str(path.relative_to(STORE)) for path in disk.content()}
    assert {"MANIFEST", "MANIFEST.copy", "LOCK"} <= names
    assert sum(name.startswith("wal/") for name in names) >= 4
    assert sum(name.startswith("blocks/") for name in names) == 2
    with tsdb.open(STORE, disk=disk, read_only=True) as database:
        assert database.open_report.clean
        assert database.open_report.degraded == ()
        assert any(len(block.rollups()) > 1 for block in database._state.current.blocks)
        assert database._state.current.tombstones
        assert len(database.exemplars([[Matcher("i", MatchOp.EQUAL, "0")]]))
        assert database.metadata()
        assert read_all(database) == expected


def look(disk: SimulatedDisk, *, read_only: bool, flush: bool = False) -> tuple[Answer, str]:
    """What a reader gets, and all that it is told; a writer flushes before."""
    with tsdb.open(STORE, disk=disk, read_only=read_only, compaction=False) as database:
        if flush:
            database.append(batch_of([({"__name__": "after"}, 1, 1.0)]))
            database.flush()
        read_errors = tsdb.ReadErrors()
        found = read_all(database, read_errors=read_errors)
        found.pop((("__name__", "after"),), None)
        report = database.open_report
        told = [*read_errors.warnings(), *report.damaged, *report.degraded]
        if read_errors and not flush:
            assert report.damaged or ".block" in read_errors.warnings()[0]
    return found, "; ".join(told)


@pytest.mark.slow
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "killed"])
def test_nothing_goes_missing_in_silence(closed: bool) -> None:
    failed = []
    tried = 0
    for what, change in changes(closed):
        tried += 1
        try:
            judge(closed, what, change)
        except (AssertionError, tsdb.StoreError) as problem:
            failed.append(f"{what}: {str(problem)[:300]}")
    assert not failed, "\n".join(failed)
    assert tried > 30


def judge(closed: bool, what: str, change: Change) -> None:
    whole, expected = store(closed)
    disk = SimulatedDisk(whole.image)
    change(disk)
    harmless = what.startswith("LOCK")
    told, found = "", expected
    for read_only in (True, False):
        seen = SimulatedDisk(disk.image)
        blocks = {path for path in seen.content() if path.suffix == ".block"}
        told = refusal(seen, read_only=read_only)
        if told:
            assert "novaql repair" in told
            assert "MANIFEST" in what
        else:
            found, told = look(seen, read_only=read_only)
            names = what.split(" ")[0].rstrip("/")
            assert harmless or names in told, f"{what}: in silence"
            if what.split(" ")[0] in ("LOCK", "MANIFEST", "MANIFEST.copy"):
                assert found == expected
            assert_part(found, expected, what)
        left = {path.name for path in seen.content()}
        assert {path.name for path in blocks} <= left, f"{what}: opening removed a block"
    if not told:
        return
    assert check_blocks(disk, STORE) + check_log(disk, STORE), f"{what}: verified in silence"
    if "novaql repair" not in told and found != expected:
        flushed = SimulatedDisk(disk.image)
        for flush in (True, False):
            _, told = look(flushed, read_only=not flush, flush=flush)
            assert what.split(" ")[0].rstrip("/") in told, f"{what}: forgotten after a flush"
    done = tsdb.repair(STORE, disk=disk)
    assert done.found, what
    assert done.left == [], what
    with tsdb.open(STORE, disk=disk) as database:
        assert database.open_report.clean, database.open_report
        assert database.open_report.degraded == ()
        found = read_all(database)
        assert database.check() == []
    if "LOCK" in what or ("MANIFEST" in what and " and " not in what):
        assert found == expected
        assert done.missing == [], "nothing was lost"
    elif "MANIFEST" in what:  # all samples are back, and deleted ones, which the repair says
        assert "Deletions" in " ".join(done.missing)
        assert all(set(rows) <= set(found[key]) for key, rows in expected.items())
    else:
        assert_part(found, expected, what)


def refusal(disk: SimulatedDisk, *, read_only: bool) -> str:
    """Why the store cannot be opened; empty if it can."""
    try:
        tsdb.open(STORE, disk=SimulatedDisk(disk.image), read_only=read_only).close()
    except tsdb.Corrupted as problem:
        return str(problem)
    return ""


def assert_part(found: Answer, expected: Answer, what: str) -> None:
    for key, rows in found.items():
        assert set(rows) <= set(expected.get(key, ())), f"{what} brought samples nobody wrote"


@pytest.mark.parametrize("number", [4, 5])
def test_a_gap_in_the_log_of_an_older_store_is_noticed(tmp_path: Path, number: int) -> None:
    """Its manifest does not name the segments, but their numbers have no gap."""
    store = tmp_path / "store"
    shutil.copytree(Path(__file__).parent / "old_formats" / "closed5", store)
    (store / "wal" / f"{number:010d}.wal").unlink()
    for read_only in (True, False, True):
        read_errors = tsdb.ReadErrors()
        with tsdb.open(store, read_only=read_only) as database:
            assert read_all(database, read_errors=read_errors)
            (damaged,) = database.open_report.damaged
            assert f"{number:010d}.wal" in damaged
        (warning,) = read_errors.warnings()
        assert f"{number:010d}.wal" in warning
        assert len(tsdb.check(store)) == 1
    assert tsdb.repair(store).left == []
    assert tsdb.check(store) == []


@pytest.mark.slow
def test_segments_are_named_before_anything_is_in_them() -> None:
    """Whatever call a process is killed at, an absent segment that held a record is noticed, and
    one that never did is not called damage."""
    for number in itertools.count():
        disk = SimulatedDisk()
        disk.cut_at = number
        try:
            with tsdb.open(STORE, disk=disk, segment_bytes=200, sync="always") as database:
                for step in range(3):
                    database.append(batch_of(samples(step * MINUTE, 3)))
            break
        except PowerCut:
            pass
        left = SimulatedDisk(disk.image)
        if STORE / "MANIFEST" not in left.content():
            continue
        with tsdb.open(STORE, disk=left, read_only=True) as database:
            assert database.open_report.damaged == ()
        for path in [p for p in left.content() if p.suffix == ".wal"]:
            held = len(left.content()[path]) > 40
            lost = SimulatedDisk(left.image)
            lost.unlink(path)
            with tsdb.open(STORE, disk=lost, read_only=True) as database:
                assert bool(database.open_report.damaged) or not held, f"call {number}"
    assert number > 20


def test_queries_over_a_store_that_lost_a_segment_say_so_or_fail(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with tsdb.open(store, segment_bytes=20_000) as database:
        for start in range(10):
            rows: list[Sample] = [({"__name__": "m"}, start * 1000 + n, 1.0) for n in range(1000)]
            database.append(batch_of(rows))
    segments = sorted((store / "wal").iterdir())
    assert len(segments) > 3
    for segment in (segments[0], segments[1], segments[-1]):
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(store, tmp_path / "copy")
        (tmp_path / "copy" / "wal" / segment.name).unlink()
        with tsdb.open(tmp_path / "copy") as database:
            for _ in range(2):  # a cache does not hide it the second time
                result = novaql.query("count_over_time(m[1d])", database, time=11)
                assert f"wal/{segment.name}: file: it is missing" in " ".join(result.warnings)
                assert result.values[0, 0] < 10_000
            with pytest.raises(novaql.StorageUnavailable, match=segment.name):
                novaql.query("m", database, time=9, strict=True)
            read_errors = tsdb.ReadErrors()
            assert len(database.series([], 0, 20_000, read_errors)) == 1
            assert segment.name in read_errors.warnings()[0]
            assert database.label_names() == ["__name__"]


def test_a_check_tells_what_it_may_not_read_from_what_is_missing() -> None:
    disk = SimulatedDisk()
    with tsdb.open(STORE, disk=disk) as database:
        database.append(batch_of([({"__name__": "m"}, 0, 1.0)]))
        database.flush()
        database.append(batch_of([({"__name__": "m"}, 1, 1.0)]))
    (segment,) = (path for path in disk.content() if path.parent.name == "wal")
    (block,) = (path for path in disk.content() if path.parent.name == "blocks")
    refused: set[Path] = set()
    for number in range(100):
        failing = SimulatedDisk(disk.image)
        failing.failing_read = number
        with contextlib.suppress(OSError):
            found = [*check_blocks(failing, STORE), *check_log(failing, STORE)]
            if failing.refused in (segment, block):
                (one,) = found
                assert (one.path, one.problem) == (failing.refused, os.strerror(errno.EIO))
                refused.add(one.path)
    assert refused == {segment, block}
