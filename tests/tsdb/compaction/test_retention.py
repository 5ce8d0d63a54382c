"""Blocks go when they are old or too many; the clock is the test's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from novaql import tsdb
from tests.support.store.model import Sample, batch_of, bits, read_all

HOUR = 3_600_000


def hours(first: int, count: int) -> list[Sample]:
    return [({"__name__": "up"}, (first + n) * HOUR, float(first + n)) for n in range(count)]


def filled(path: Path, **options: Any) -> tsdb.Database:
    database = tsdb.open(path, block_ms=HOUR, compaction=False, **options)
    for hour in range(10):
        database.append(batch_of(hours(hour, 1)))
        database.flush()
    return database


def left(database: tsdb.Database) -> list[int]:
    return [time // HOUR for found in read_all(database).values() for time, _ in found]


def test_age(tmp_path: Path) -> None:
    with filled(tmp_path, retention_ms=4 * HOUR) as database:
        version = database.version
        assert database.apply_retention(now_ms=3 * HOUR) == []
        assert database.version == version
        gone = database.apply_retention(now_ms=8 * HOUR)
        assert len(gone) == 4
        assert left(database) == [4, 5, 6, 7, 8, 9]
        assert database.version > version
        assert len(database.apply_retention(now_ms=20 * HOUR)) == 1  # counted from the newest block
        assert left(database) == [5, 6, 7, 8, 9]
        assert len(list((tmp_path / "blocks").iterdir())) == 5
    with tsdb.open(tmp_path) as database:
        assert left(database) == [5, 6, 7, 8, 9]
        assert database.open_report.removed == ()
        assert database.check() == []


def test_size(tmp_path: Path) -> None:
    with filled(tmp_path / "measured") as database:
        block = database.stats().block_bytes // 10
    with filled(tmp_path / "kept", retention_bytes=4 * block + 500) as database:
        database.apply_retention()
        found = left(database)
        assert found == list(range(10 - len(found), 10))
        assert 3 <= len(found) <= 4
        assert database.stats().block_bytes <= 4 * block + 500


@pytest.mark.parametrize("limit", ["retention_ms", "retention_bytes"])
def test_replaced_samples_do_not_return(tmp_path: Path, limit: str) -> None:
    """The block of the correction is older than retention before the block that it corrects."""
    with tsdb.open(tmp_path, block_ms=4 * HOUR, compaction=False) as database:
        for samples in (hours(0, 4), [({"__name__": "up"}, HOUR, 99.0)], hours(8, 1)):
            database.append(batch_of(samples))
            database.flush()
        size = database.stats().block_bytes
    options: dict[str, Any] = {limit: 6 * HOUR if limit == "retention_ms" else size - 1}
    with tsdb.open(tmp_path, block_ms=4 * HOUR, compaction=False, **options) as database:
        gone = database.apply_retention(now_ms=8 * HOUR)
        (found,) = read_all(database).values()
        if limit == "retention_ms":
            assert gone == []
            assert dict(found)[HOUR] == bits(99.0)
        else:
            assert HOUR not in dict(found) or dict(found)[HOUR] == bits(99.0)
            assert len(gone) > 0


def test_what_was_selected_can_still_be_read(tmp_path: Path) -> None:
    with filled(tmp_path, retention_ms=HOUR) as database:
        selection = database.select([], 0, 100 * HOUR)
        assert len(database.apply_retention(now_ms=100 * HOUR)) == 8
        assert sum(view.sample_count for view in selection.views()) == 10


def test_the_head_stays(tmp_path: Path) -> None:
    with filled(tmp_path, retention_ms=HOUR) as database:
        database.append(batch_of(hours(0, 1)))
        database.apply_retention(now_ms=100 * HOUR)
        assert left(database) == [0, 8, 9]


def test_in_the_background(tmp_path: Path) -> None:
    with filled(tmp_path, retention_ms=HOUR) as database:
        database.maintain()
        assert left(database) == [8, 9]


@pytest.mark.slow
def test_compacted_blocks_are_narrower_than_retention(tmp_path: Path) -> None:
    with tsdb.open(tmp_path, block_ms=HOUR, retention_ms=60 * HOUR) as database:
        for hour in range(30):
            database.append(batch_of(hours(hour, 1)))
            database.flush()
            database.maintain()
        for block in database._state.current.blocks:
            assert block.entry.last_ms - block.entry.first_ms < 6 * HOUR


@pytest.mark.parametrize("name", ["retention_ms", "retention_bytes"])
def test_nothing_at_all_is_no_retention(tmp_path: Path, name: str) -> None:
    options: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name} must be more than 0"):
        tsdb.open(tmp_path, **options)


def test_without_it_everything_stays(tmp_path: Path) -> None:
    with filled(tmp_path) as database:
        assert database.apply_retention(now_ms=10**15) == []
        assert len(left(database)) == 10
