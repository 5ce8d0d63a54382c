"""Repairing: what is damaged goes aside, what can be read of it stays, and then all is in order."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from novaql import tsdb
from novaql.tsdb.maintenance.check import check_blocks, check_log
from novaql.tsdb.model.matchers import Matcher, MatchOp
from tests.support.disks.disk_image import Cut
from tests.support.disks.simulated_disk import STORE, PowerCut, SimulatedDisk
from tests.support.store.model import Labels, Sample, Stored, batch_of, read_all
from tests.support.store.stored_histograms import simple

Answer = dict[Labels, list[tuple[int, Stored]]]


def store() -> tuple[SimulatedDisk, Answer]:
    """Two blocks, a deletion that hides a sample of the first, and a log."""
    disk = SimulatedDisk()
    with tsdb.open(STORE, disk=disk) as database:
        first: list[Sample] = [({"__name__": "a"}, n, float(n * n % 7)) for n in range(5000)]
        second: list[Sample] = [({"__name__": "bb"}, n, n / 8) for n in range(5000)]
        database.append(batch_of([*first, *second]))
        database.flush()
        database.append(batch_of([({"__name__": "h"}, n, simple(n + 1, b1=1)) for n in range(9)]))
        database.append(batch_of([({"__name__": "a"}, 17, -1.0)]))
        database.flush()
        everything = [Matcher("__name__", MatchOp.REGEX, ".+")]
        database.delete([everything], 100, 100)
        database.append(batch_of([({"__name__": "a"}, 9000, 1.0), ({"__name__": "c"}, 1, 1.0)]))
        return disk, read_all(database)


def problems(disk: SimulatedDisk) -> list[str]:
    return [str(one) for one in check_blocks(disk, STORE) + check_log(disk, STORE)]


def flip(disk: SimulatedDisk, name: str, place: float) -> bytes:
    """Change a byte; the bytes as they are then."""
    path = next(path for path in disk.content() if path.name == name)
    content = bytearray(disk.content()[path])
    content[int(place * len(content))] ^= 64
    disk.put(path, bytes(content))
    return bytes(content)


def contents(disk: SimulatedDisk) -> Answer:
    with tsdb.open(STORE, disk=disk, read_only=True) as database:
        return read_all(database)


def test_a_store_in_order_is_left_alone() -> None:
    disk, expected = store()
    before = disk.content()
    done = tsdb.repair(STORE, disk=disk)
    assert done == tsdb.Repaired()
    assert {p: c for p, c in disk.content().items() if p.name != "LOCK"} == {
        p: c for p, c in before.items() if p.name != "LOCK"
    }
    assert contents(disk) == expected


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7])
def test_a_damaged_page_goes_and_the_rest_of_the_block_stays(place: float) -> None:
    disk, expected = store()
    damaged = flip(disk, "0000000001.block", place)
    done = tsdb.repair(STORE, disk=disk)
    assert done.left == []
    assert problems(disk) == []
    assert done.found
    assert done.moved == ["blocks/0000000001.block → damaged/0000000001.block"]
    assert disk.content()[STORE / "damaged" / "0000000001.block"] == damaged
    found = contents(disk)
    assert all(set(samples) <= set(expected[key]) for key, samples in found.items())
    lost = sum(map(len, expected.values())) - sum(map(len, found.values()))
    if all("c0" in violation.place or "cells" in violation.place for violation in done.found):
        assert lost == 0 == len(done.missing)  # statistics are made anew
    else:
        (missing,) = done.missing
        assert missing.startswith("blocks/0000000001.block: ")
        assert 0 < lost <= 10_000
    assert (17, expected[(("__name__", "a"),)][17][1]) in found[(("__name__", "a"),)]
    assert not any(time == 100 for samples in found.values() for time, _ in samples)
    assert tsdb.repair(STORE, disk=disk) == tsdb.Repaired()


def test_what_was_deleted_stays_deleted_and_what_is_younger_stays_younger() -> None:
    disk, _ = store()
    flip(disk, "0000000001.block", 0.3)
    before = contents_around_damage(disk)
    tsdb.repair(STORE, disk=disk)
    assert contents(disk) == before


def contents_around_damage(disk: SimulatedDisk) -> Answer:
    with tsdb.open(STORE, disk=disk, read_only=True) as database:
        return read_all(database, read_errors=tsdb.ReadErrors())


def test_a_block_without_an_index_goes_aside_whole() -> None:
    disk, expected = store()
    flip(disk, "0000000002.block", 0.999)
    done = tsdb.repair(STORE, disk=disk)
    assert done.written == []
    assert problems(disk) == []
    found = contents(disk)
    assert (("__name__", "h"),) not in found
    assert found[(("__name__", "bb"),)] == expected[(("__name__", "bb"),)]


def test_a_missing_block_is_told() -> None:
    disk, _ = store()
    disk.unlink(STORE / "blocks" / "0000000002.block")
    done = tsdb.repair(STORE, disk=disk)
    assert done.moved == []
    assert done.missing == ["blocks/0000000002.block: 10 of 10 samples (file)"]
    assert "it is missing" in str(done.found[0])
    assert problems(disk) == []


@pytest.mark.parametrize("place", [0.0, 0.001, 0.3, 0.9])
def test_a_manifest_is_made_anew_from_blocks_and_log(place: float) -> None:
    disk, expected = store()
    damaged = flip(disk, "MANIFEST", place)
    flip(disk, "MANIFEST.copy", place)
    with pytest.raises(tsdb.Corrupted, match="MANIFEST"):
        tsdb.open(STORE, disk=disk)
    done = tsdb.repair(STORE, disk=disk)
    assert done.left == []
    assert disk.content()[STORE / "damaged" / "MANIFEST"] == damaged
    found = contents(disk)
    # Deletions that were not carried out yet are lost: they were in the manifest alone.
    assert {key: [s for s in found[key] if s[0] != 100] for key in found} == expected
    assert "manifest" in done.missing[0]


def test_a_manifest_is_made_anew_after_compaction() -> None:
    disk, expected = store()
    with tsdb.open(STORE, disk=disk) as database:
        database.flush()
        database.compact()
        database.clean_tombstones()
        assert read_all(database) == expected
    left = [path for path in disk.content() if path.suffix == ".block"]
    flushed = SimulatedDisk(disk.image).content()
    for name in ("MANIFEST", "MANIFEST.copy"):
        disk.put(STORE / name, b"")
    # What a compaction that was cut off right after its manifest leaves beside its block.
    old = store()[0].content()[STORE / "blocks" / "0000000002.block"]
    sequence = max(path.name for path in left)[:10]
    if f"{sequence}.block" not in {path.name for path in left}:
        file = disk.create(STORE / "blocks" / f"{sequence}.block")
        file.append([old])
    done = tsdb.repair(STORE, disk=disk)
    assert done.left == []
    assert contents(disk) == expected
    assert all(flushed[path] == disk.content()[path] for path in left)


def test_damage_in_the_log_goes_aside_with_its_segment() -> None:
    disk, expected = store()
    name = next(path.name for path in disk.content() if path.suffix == ".wal")
    damaged = flip(disk, name, 0.5)
    assert problems(disk)
    done = tsdb.repair(STORE, disk=disk)
    assert done.left == []
    assert disk.content()[STORE / "damaged" / name] == damaged
    assert f"wal/{name} → damaged/{name}" in done.moved
    found = contents(disk)
    assert found[(("__name__", "bb"),)] == expected[(("__name__", "bb"),)]


def test_a_store_that_somebody_writes_to_is_not_repaired(tmp_path: Path) -> None:
    with tsdb.open(tmp_path / "store"), pytest.raises(tsdb.StoreLocked):
        tsdb.repair(tmp_path / "store")
    with pytest.raises(tsdb.StoreNotFound):
        tsdb.repair(tmp_path / "nothing")


@pytest.mark.slow
def test_repairing_can_be_cut_off_anywhere() -> None:
    disk, _ = store()
    flip(disk, "0000000001.block", 0.3)
    flip(disk, "0000000002.block", 0.999)
    whole = SimulatedDisk(disk.image)
    calls = whole.calls
    tsdb.repair(STORE, disk=whole)
    expected, damaged = (
        contents(whole),
        {p.name for p in whole.content() if p.parent.name == "damaged"},
    )
    rng = random.Random(5)
    for number in range(calls, whole.calls):
        cut = SimulatedDisk(disk.image)
        cut.cut_at = number
        with pytest.raises(PowerCut):
            tsdb.repair(STORE, disk=cut)
        left = cut.after_cut(rng.choice(list(Cut)), rng)
        assert contents_around_damage(left) == expected
        tsdb.repair(STORE, disk=left)
        assert problems(left) == []
        assert contents(left) == expected
        kept = {p.name.partition(".block")[0] for p in left.content() if p.parent.name == "damaged"}
        assert kept >= {name.partition(".block")[0] for name in damaged}
