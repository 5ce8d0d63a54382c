"""Damaged bytes cost what stands in them and nothing else, and every answer says so.

The sweep flips one bit of every byte of every file of a small store, cuts every file at every
length, and swaps blocks. (`test_missing_files.py` takes whole files away.) By default it takes a
part of the places; all of them with

    NOVAQL_SWEEP=1 pytest -q tests/tsdb/test_damage.py
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import novaql
from novaql import tsdb
from novaql.tsdb.block import page_layout as value_pages
from novaql.tsdb.maintenance.check import check_blocks, check_log
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Hints, Metadata
from tests.support.disks.simulated_disk import STORE, SimulatedDisk
from tests.support.store.damaged_pages import damaged_page, files_of, page_counts, pages
from tests.support.store.model import Labels, Sample, Stored, batch_of, read_all
from tests.support.store.stored_histograms import simple

EVERY = 1 if os.environ.get("NOVAQL_SWEEP") else 41
"""Every so many places are tried."""

LITTLE_ROOM = 1100
"""Values in a page, so that a small store has several."""

Answer = dict[Labels, list[tuple[int, Stored]]]


def long_series(name: str, start: int, count: int = 1100) -> list[Sample]:
    """Long enough for pages of its own, where there is `LITTLE_ROOM`."""
    steps = np.random.default_rng(len(name) + start).integers(0, 9, count).tolist()
    return [({"__name__": name}, start + 10 * n, float(steps[n])) for n in range(count)]


def small_store() -> tuple[SimulatedDisk, Answer, Answer]:
    """Two blocks of several pages each, one of them with histograms, and a log that replaces some
    samples; what it holds, and held without the log."""
    disk = SimulatedDisk()
    with (
        mock.patch.object(value_pages, "TARGET_VALUES", LITTLE_ROOM),
        tsdb.open(STORE, disk=disk, block_ms=20_000, cache_bytes=0) as database,
    ):
        database.set_metadata({"up": Metadata("gauge", "Whether it is up.")})
        database.append(batch_of([*long_series("a", 0), *long_series("bb", 0)]))
        database.flush()
        native: list[Sample] = [
            ({"__name__": "latency", "i": str(n % 2)}, 40_000 + n, simple(n + 1, b1=n + 1))
            for n in range(12)
        ]
        database.append(batch_of([*long_series("a", 40_000), *native]))
        database.flush()
        before = read_all(database)
        late: list[Sample] = [({"__name__": "bb"}, 5 + 10 * n, 1e9) for n in range(40)]
        database.append(batch_of([*late, ({"__name__": "a"}, 10, -1.0)]))
        expected = read_all(database)
    return disk, expected, before


def answer(disk: SimulatedDisk) -> tuple[Answer, tuple[str, ...]]:
    """Everything a reader gets, and what it is told. Raises a `StoreError` if it gets nothing."""
    with tsdb.open(STORE, disk=disk, read_only=True, cache_bytes=0) as database:
        read_errors = ReadErrors()
        found = read_all(database, read_errors=read_errors)
        report = database.open_report
        told = read_errors.warnings()
        if report.degraded or not report.clean:
            told += (str(report),)
    return found, told


def is_part_of(found: Answer, expected: Answer) -> bool:
    return all(set(samples) <= set(expected.get(key, ())) for key, samples in found.items())


def judge(disk: SimulatedDisk, expected: Answer, before: Answer, what: str) -> bool:
    """Whether the damage was noticed; fails if something wrong was answered in silence.

    before  what stood there before the last records of the log
    """
    try:
        found, told = answer(disk)
    except tsdb.StoreError as problem:
        if "MANIFEST" not in str(problem):
            pytest.fail(f"{what}: one damaged place failed it all: {problem}")
        return True
    if not told:
        assert found == expected, f"{what} changed the answer in silence"
        return False
    if ".wal" in what:  # what a lost record replaced is not known; it stands again
        expected = {key: [*samples, *before.get(key, ())] for key, samples in expected.items()}
    assert is_part_of(found, expected), f"{what} brought samples that nobody wrote"
    return True


@pytest.mark.slow
def test_every_flipped_byte_is_noticed_or_harmless() -> None:
    disk, expected, before = small_store()
    assert answer(disk) == (expected, ())
    noticed = tried = 0
    for path, content in files_of(disk):
        for at in range(len(path.name) % EVERY, len(content), EVERY):
            damaged = SimulatedDisk(disk.image)
            changed = bytearray(content)
            changed[at] ^= 1 << (at % 8)
            damaged.put(path, bytes(changed))
            told = judge(damaged, expected, before, f"byte {at} of {path.name}")
            # Statistics are not asked when everything is read; whoever verifies finds them.
            noticed += told or bool(check_blocks(damaged, STORE) + check_log(damaged, STORE))
            tried += 1
    assert noticed > 0.95 * tried


@pytest.mark.slow
def test_every_truncation_is_noticed() -> None:
    disk, expected, before = small_store()
    for path, content in files_of(disk):
        for length in range(0, len(content), EVERY):
            damaged = SimulatedDisk(disk.image)
            damaged.put(path, content[:length])
            assert judge(damaged, expected, before, f"{path.name} cut at {length}")


def test_swapped_blocks_are_noticed() -> None:
    disk, expected, _ = small_store()
    blocks = {p: c for p, c in files_of(disk) if p.suffix == ".block"}
    one, two = sorted(blocks)[:2]
    longest = max(len(blocks[one]), len(blocks[two]))
    for first, second in ((blocks[two], blocks[one]), (blocks[two], blocks[two])):
        damaged = SimulatedDisk(disk.image)
        damaged.put(one, first[:longest])
        damaged.put(two, second[:longest])
        found, told = answer(damaged)
        assert any("another block" in text for text in told)
        assert is_part_of(found, expected)


def test_swapped_pages_of_one_length_are_noticed() -> None:
    """Pages with right checksums, in the wrong place: within a block, and between two."""
    disk = SimulatedDisk()
    with (
        mock.patch.object(value_pages, "TARGET_VALUES", LITTLE_ROOM),
        tsdb.open(STORE, disk=disk, block_ms=20_000, cache_bytes=0) as database,
    ):
        for start in (0, 40_000):
            base = long_series("a", start)
            above: list[Sample] = [
                ({"__name__": "b"}, time, float(value) + 1000)
                for _, time, value in base
                if isinstance(value, float)
            ]
            database.append(batch_of([*base, *above]))
            database.flush()
        expected = read_all(database)
    blocks = sorted(p for p, _ in files_of(disk) if p.suffix == ".block")
    places = [
        (blocks[number], begin, end)
        for number in range(2)
        for begin, end in pages(disk, number, "values")
    ]
    pairs = [
        (one, two)
        for one, two in itertools.combinations(places, 2)
        if one[2] - one[1] == two[2] - two[1]
    ]
    assert any(one[0] == two[0] for one, two in pairs), "no two pages of a block are equally long"
    for one, two in pairs:
        before = disk.content()
        taken = [before[path][begin:end] for path, begin, end in (one, two)]
        damaged = SimulatedDisk(disk.image)
        for (path, begin, end), other in zip((one, two), reversed(taken), strict=True):
            content = bytearray(damaged.content()[path])
            content[begin:end] = other
            damaged.put(path, bytes(content))
        found, told = answer(damaged)
        assert sum("values page" in text for text in told) == 2
        assert is_part_of(found, expected)


def test_a_damaged_page_costs_its_samples_alone() -> None:
    disk, expected, _ = small_store()
    counts = page_counts(disk, 0, "values")
    for page in range(len(counts)):
        found, told = answer(damaged_page(disk, 0, "values", page))
        (warning,) = told
        assert warning.startswith(f"storage: blocks/0000000001.block: values page {page}: checksum")
        lost = [
            sample for key in expected for sample in set(expected[key]) - set(found.get(key, ()))
        ]
        assert 0 < len(lost) <= counts[page]
        assert all(time < 20_000 for time, _ in lost)


def test_a_damaged_page_of_times_costs_the_series_on_that_grid() -> None:
    disk, expected, _ = small_store()
    found, told = answer(damaged_page(disk, 0, "times", 0))
    assert "times page 0" in told[0]
    for key, samples in expected.items():
        lost = set(samples) - set(found.get(key, ()))
        assert all(time < 20_000 for time, _ in lost)


def test_a_damaged_page_of_histograms_leaves_the_floats() -> None:
    disk, expected, _ = small_store()
    found, told = answer(damaged_page(disk, 1, "natives", 0))
    assert "natives page 0" in told[0]
    assert {key for key in expected if key not in found} == {
        (("__name__", "latency"), ("i", str(n))) for n in range(2)
    }
    assert all(found[key] == expected[key] for key in found)


def overwritten(times_too: bool) -> tuple[SimulatedDisk, Answer]:
    """A block with samples of which a younger block holds other values, and more."""
    disk = SimulatedDisk()
    with tsdb.open(STORE, disk=disk, cache_bytes=0) as database:
        database.append(batch_of([({"__name__": "m"}, 10 * n, 1.0) for n in range(20)]))
        database.flush()
        step = 30 if times_too else 20
        database.append(batch_of([({"__name__": "m"}, step * n, 2.0) for n in range(5)]))
        database.flush()
        return disk, read_all(database)


@pytest.mark.parametrize("kind", ["values", "times"])
def test_what_was_overwritten_does_not_come_back(kind: str) -> None:
    disk, expected = overwritten(kind == "times")
    found, told = answer(damaged_page(disk, 1, kind, 0))
    assert len(told) == 1
    assert is_part_of(found, expected)
    assert found, "what the younger block says nothing of is there still"


def test_without_a_place_to_note_damage_reading_raises() -> None:
    disk, *_ = small_store()
    damaged = damaged_page(disk, 0, "values", 0)
    with (
        tsdb.open(STORE, disk=damaged, read_only=True) as database,
        pytest.raises(tsdb.Corrupted, match="values page 0"),
    ):
        read_all(database)


def test_a_disk_that_refuses_one_place_is_gone_around() -> None:
    disk, expected, _ = small_store()
    begin, end = pages(disk, 0, "values")[1]
    refusing = SimulatedDisk(disk.image)
    refusing.read_fault = lambda path, offset, length: (
        path.name == "0000000001.block" and offset < end and offset + length > begin
    )
    found, told = answer(refusing)
    assert told == (
        "storage: blocks/0000000001.block: values page 1: Input/output error; "
        "its samples are missing from this answer",
    )
    assert is_part_of(found, expected)
    assert sum(map(len, expected.values())) - sum(map(len, found.values())) <= 1100


def test_a_block_whose_index_is_damaged_is_left_out() -> None:
    disk, expected, _ = small_store()
    path = next(p for p, _ in files_of(disk) if p.suffix == ".block")
    disk.put(path, disk.content()[path][:-5])
    with tsdb.open(STORE, disk=disk, read_only=True) as database:
        read_errors = ReadErrors()
        everything = MIN_TIME_MS, MAX_TIME_MS
        names = database.label_values("__name__", [], *everything, read_errors=read_errors)
        assert names == ["a", "bb", "latency"]
        assert len(database.series([], *everything, read_errors=read_errors)) == 4
        assert database.label_names([], *everything, read_errors=read_errors) == ["__name__", "i"]
        assert len(read_errors) == 1
        with pytest.raises(tsdb.Corrupted):
            database.series([], *everything)
    found, told = answer(disk)
    assert "cut off" in told[0]
    assert is_part_of(found, expected)
    assert found[(("__name__", "latency"), ("i", "0"))]


def labels(one: Mapping[str, str]) -> Labels:
    return tuple(sorted(one.items()))


def test_queries_warn_or_fail_as_asked() -> None:
    disk, *_ = small_store()
    damaged = damaged_page(disk, 0, "values", 0)
    with tsdb.open(STORE, disk=damaged, read_only=True) as database:
        for _ in range(2):  # a cache does not hide it the second time
            result = novaql.query("count_over_time(a[1d])", database, time=60)
            (warning,) = result.warnings
            assert "blocks/0000000001.block: values page 0" in warning
            assert result.values.tolist() == [[1101.0]]
        assert novaql.query("sum(count_over_time(bb[1d]))", database, time=60).warnings == ()
        with pytest.raises(novaql.StorageUnavailable, match="values page 0"):
            novaql.query("a", database, time=5, strict=True)


def test_losses_are_told_once_and_not_without_end() -> None:
    read_errors = ReadErrors()
    for page in range(50):
        for _ in range(2):
            read_errors.note(tsdb.Corrupted(Path("x/blocks/1.block"), f"page {page}", "checksum"))
    assert len(read_errors) == 50
    assert len(read_errors.warnings()) == 21
    assert read_errors.warnings()[-1] == "storage: 30 more places could not be read"
    assert Hints(read_errors=read_errors).read_errors is read_errors
