"""Deletions: what they hide, what they leave, and that nothing brings hidden samples back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from novaql import tsdb
from novaql.tsdb.directory import manifest
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS
from tests.support.store.model import Sample, batch_of, read_all, read_all_of
from tests.support.store.stored_histograms import simple

A, B, C = ({"__name__": "up", "job": job} for job in "abc")
UP = [Matcher("__name__", MatchOp.EQUAL, "up")]
JOB_A = [Matcher("job", MatchOp.EQUAL, "a")]
JOB_B = [Matcher("job", MatchOp.EQUAL, "b")]


def samples(first: int, end: int) -> list[Sample]:
    return [(labels, 1000 * n, float(n)) for n in range(first, end) for labels in (A, B)]


def times(database: tsdb.Database, job: str) -> list[int]:
    """Seconds at which a job has samples."""
    matchers = [Matcher("job", MatchOp.EQUAL, job)]
    return [time // 1000 for found in read_all(database, matchers).values() for time, _ in found]


def test_samples_are_gone_at_once_and_stay_gone(tmp_path: Path) -> None:
    """In a block, in the head, after a flush, after a crash."""
    with tsdb.open(tmp_path / "store") as database:
        database.append(batch_of(samples(0, 10)))
        database.flush()
        database.append(batch_of(samples(10, 20)))
        before = database.version

        found = database.delete([JOB_A, JOB_A], 5_000, 14_999)

        assert (found.series, found.samples) == (1, 10)
        assert database.version > before
        left = [*range(5), *range(15, 20)]
        assert times(database, "a") == left
        assert times(database, "b") == list(range(20))
        shutil.copytree(tmp_path / "store", tmp_path / "crashed")
        database.flush()
        assert times(database, "a") == left
    for place in ("store", "crashed"):
        with tsdb.open(tmp_path / place) as database:
            assert database.open_report.clean
            assert times(database, "a") == left
            database.flush()
            assert times(database, "a") == left
            assert database.check() == []
        with tsdb.open(tmp_path / place, read_only=True) as database:
            assert times(database, "a") == left


def test_later_samples_are_not_touched(tmp_path: Path) -> None:
    with tsdb.open(tmp_path / "store") as database:
        database.append(batch_of(samples(0, 10)))
        database.flush()
        database.append(batch_of(samples(5, 15)))
        database.delete([UP], MIN_TIME_MS, MAX_TIME_MS)
        assert read_all(database) == {}
        database.append(batch_of([(A, 3000, 7.0), (A, 12_000, 8.0)]))

        assert times(database, "a") == [3, 12]
        shutil.copytree(tmp_path / "store", tmp_path / "crashed")
        database.flush()
        assert times(database, "a") == [3, 12]
    for place in ("store", "crashed"):
        with tsdb.open(tmp_path / place) as database:
            assert times(database, "a") == [3, 12]


def test_a_hole_in_the_middle_of_a_matrix(tmp_path: Path) -> None:
    """Series that share their times are one matrix; some of them lose some columns, others none."""
    series = [{"__name__": "m", "n": str(n)} for n in range(40)]
    with tsdb.open(tmp_path) as database:
        database.append(batch_of([(s, 1000 * t, 1.0) for t in range(200) for s in series]))
        database.flush()
        database.delete([[Matcher("n", MatchOp.REGEX, "[1-3].")]], 50_000, 59_999)
        database.delete([[Matcher("n", MatchOp.REGEX, "[12].")]], 100_000, 109_999)
        database.delete([[Matcher("n", MatchOp.EQUAL, "7")]], MIN_TIME_MS, MAX_TIME_MS)

        found = {dict(key)["n"]: [t // 1000 for t, _ in v] for key, v in read_all(database).items()}

        every = set(range(200))
        assert "7" not in found
        assert set(found["8"]) == every
        assert set(found["30"]) == every - {*range(50, 60)}
        assert set(found["20"]) == every - {*range(50, 60), *range(100, 110)}
        assert read_all(database, [Matcher("n", MatchOp.EQUAL, "20")], 50_000, 59_999) == {}


def test_series_with_nothing_left_are_not_named(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        database.append(batch_of([*samples(0, 10), (C, 2000, simple(1, b0=1))]))
        database.flush()
        database.delete([JOB_B], 0, 4_000)
        database.delete([[Matcher("job", MatchOp.EQUAL, "c")]], 0, 4_000)

        def jobs(start: int, end: int) -> list[str]:
            return database.label_values("job", [UP], start, end)

        assert jobs(0, 4_000) == ["a"]
        assert jobs(4_000, 5_000) == ["a", "b"]
        assert len(database.series([UP], 1000, 3000)) == 1
        assert len(database.series([], 1000, 5000)) == 2
        database.delete([UP], 0, 100_000)
        assert jobs(0, 100_000) == []
        assert database.label_names([], 0, 100_000) == []


def test_histograms_are_deleted_too(tmp_path: Path) -> None:
    kept, gone = simple(1, b0=1), simple(2, b1=2)
    with tsdb.open(tmp_path) as database:
        database.append(
            batch_of([(A, 1000, kept), (A, 2000, gone), (A, 3000, 1.0), (B, 1000, kept)])
        )
        database.flush()
        database.append(batch_of([(A, 4000, gone), (A, 5000, kept)]))

        assert database.delete([JOB_A], 2000, 4000).samples == 3

        key = tuple(sorted(A.items()))
        assert read_all(database, JOB_A) == {key: [(1000, kept), (5000, kept)]}
        database.flush()
        assert read_all(database, JOB_A) == {key: [(1000, kept), (5000, kept)]}


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        database.append(batch_of(samples(0, 4)))
        before = database.version

        assert database.delete([UP], 1000, 2000, dry_run=True).samples == 4

        assert database.version == before
        assert times(database, "a") == [0, 1, 2, 3]


def test_what_is_gone_is_not_deleted_twice(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        database.append(batch_of(samples(0, 4)))
        database.flush()
        assert database.delete([JOB_A], 0, 9000).samples == 4
        assert database.delete([JOB_A], 0, 9000).samples == 0
        found = manifest.read(Disk(), tmp_path)
        assert found is not None
        assert len(found.tombstones) == 1


def test_a_tombstone_of_the_log_goes_with_the_log(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        database.append(batch_of(samples(0, 4)))
        database.delete([JOB_A], 0, 1000)
        database.flush()
        found = manifest.read(Disk(), tmp_path)
        assert found is not None
        assert found.tombstones == ()
        assert times(database, "a") == [2, 3]


def test_wrong_deletions_are_refused(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        wrong: list[list[list[Matcher]]] = [[], [[]], [UP, []]]
        for sets in wrong:
            with pytest.raises(ValueError, match="needs matchers"):
                database.delete(sets)
        with pytest.raises(ValueError, match="before it begins"):
            database.delete([UP], 2, 1)
    with pytest.raises(tsdb.StoreClosed):
        database.delete([UP])
    with tsdb.open(tmp_path, read_only=True) as database, pytest.raises(tsdb.ReadOnly):
        database.delete([UP])


def test_deletions_in_memory() -> None:
    with tsdb.memory() as database:
        database.append(batch_of(samples(0, 10)))
        assert database.delete([JOB_A], 3000, 5000).samples == 3
        assert times(database, "a") == [0, 1, 2, 6, 7, 8, 9]


def test_cleaning_takes_the_deleted_samples_off_the_disk(tmp_path: Path) -> None:
    """Blocks keep their place in the order of age, and those with nothing left go."""
    job = [[Matcher("job", MatchOp.EQUAL, "b")]]
    with tsdb.open(tmp_path, block_ms=10_000) as database:
        database.append(batch_of(samples(0, 30)))
        database.flush()
        database.append(batch_of([(A, 5000, 99.0), (A, 25_000, simple(1, b0=1))]))
        database.flush()
        before = database.stats()
        database.delete([JOB_A], 3000, 4000)
        database.delete([JOB_A], 7000, 15_000)
        database.delete(job, MIN_TIME_MS, 11_000)
        database.delete([UP], 20_000, 24_000)
        selection = database.select([], MIN_TIME_MS, MAX_TIME_MS)
        expected = read_all(database)

        assert database.clean_tombstones() == 1

        assert read_all(database) == expected
        assert read_all_of(selection) == expected  # begun before, read after
        del selection  # files that a reader may read again stay
        after = database.stats()
        assert after.block_samples < before.block_samples
        assert sum(len(found) for found in expected.values()) == after.block_samples - 2
        assert database.clean_tombstones() == 0
        assert database.check() == []
        database.delete([UP], MIN_TIME_MS, 9_999)
        assert database.clean_tombstones() == 2
        assert database.stats().blocks == after.blocks - 1
    with tsdb.open(tmp_path) as database:
        assert database.open_report.removed == ()
        assert read_all(database) == {
            key: kept
            for key, found in expected.items()
            if (kept := [s for s in found if s[0] >= 10_000])
        }
    found = manifest.read(Disk(), tmp_path)
    assert found is not None
    assert found.tombstones == ()


def test_a_read_during_a_rewrite_does_not_hold_the_replaced_block(tmp_path: Path) -> None:
    with tsdb.open(tmp_path, sync="os", compaction=False) as database:
        database.append(batch_of([({"__name__": "m"}, at, 1.0) for at in range(10)]))
        database.flush()
        database.delete([[Matcher("__name__", MatchOp.EQUAL, "m")]], 0, 4)
        parts = database._state.parts()
        database.clean_tombstones()
        assert len(list(parts)) == 1  # a query looks at the parts that it began with
        del parts
        database.clear_cache()
        database._compactor.remove_unused()
        assert len(list((tmp_path / "blocks").iterdir())) == 1
