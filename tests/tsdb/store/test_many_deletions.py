"""Deletions take a bounded part of the manifest, however many there are and however long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from novaql import tsdb
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.parts.tombstones import MOST_BYTES
from tests.support.store.model import batch_of, read_all

COUNT = 12
LONG = 900_000
"""Characters of matchers: nine deletions of this length are more than a store may have."""


def deletion_of(number: int) -> list[list[Matcher]]:
    own = Matcher("i", MatchOp.EQUAL, str(number))
    return [[own, Matcher("other", MatchOp.NOT_EQUAL, "x" * LONG)]]


def numbers(database: tsdb.Database) -> set[int]:
    return {int(dict(key)["i"]) for key in read_all(database)}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[tsdb.Database]:
    """Samples in a block, and as many in the head."""
    with tsdb.open(tmp_path, compaction=False) as made:
        labels = [{"__name__": "m", "i": str(i)} for i in range(COUNT)]
        made.append(batch_of([(one, 1000, 1.0) for one in labels]))
        made.flush()
        made.append(batch_of([(one, 2000, 2.0) for one in labels]))
        yield made


def waiting(database: tsdb.Database) -> int:
    """Number of deletions that are not yet applied everywhere."""
    return len(database._state.current.tombstones)


def manifest_bytes(database: tsdb.Database) -> int:
    assert database.path is not None
    return (database.path / "MANIFEST").stat().st_size


@pytest.mark.slow
def test_the_manifest_stays_small(database: tsdb.Database) -> None:
    """Those that no longer fit make the store apply the earlier ones."""
    for number in range(COUNT - 1):
        assert database.delete(deletion_of(number)).samples == 2
        assert manifest_bytes(database) < MOST_BYTES + 10_000
        assert numbers(database) == set(range(number + 1, COUNT))
    assert database.check() == []


@pytest.mark.slow
def test_it_is_refused_while_blocks_are_rewritten_elsewhere(database: tsdb.Database) -> None:
    with database._state.compact_lock:
        for number in range(9):
            database.delete(deletion_of(number))
        before = manifest_bytes(database)
        with pytest.raises(tsdb.TooManyDeletions, match="9 deletions wait"):
            database.delete(deletion_of(9))
        assert database.delete(deletion_of(COUNT)).samples == 0  # writes nothing
        assert manifest_bytes(database) == before
        assert numbers(database) == set(range(9, COUNT))
    assert database.delete(deletion_of(9)).samples == 2


def test_maintenance_applies_many(database: tsdb.Database) -> None:
    for number in range(4):
        database.delete(deletion_of(number))
    database.maintain()
    assert waiting(database) == 4
    database.delete(deletion_of(4))
    database.maintain()
    assert waiting(database) == 0
    assert manifest_bytes(database) < 10_000
    assert numbers(database) == set(range(5, COUNT))


def test_a_log_without_samples_is_dropped_too(database: tsdb.Database) -> None:
    """It had metadata after the last flush, so a tombstone applies to it."""
    database.flush()
    database.set_metadata({"m": Metadata("gauge", "", "")})
    database.delete(deletion_of(0))
    (tombstone,) = database._state.current.tombstones
    assert database._state.files is not None
    assert tombstone.log_before > database._state.files.manifest.log_start

    database._compactor.apply_tombstones()

    assert waiting(database) == 0
    assert database.metadata() == {"m": Metadata("gauge", "", "")}
    assert numbers(database) == set(range(1, COUNT))


def test_an_equal_deletion_replaces_the_earlier_one(database: tsdb.Database) -> None:
    up = [[Matcher("__name__", MatchOp.EQUAL, "m")]]
    for at in (3000, 4000, 5000):
        database.delete(up)
        assert numbers(database) == set()
        database.append(batch_of([({"__name__": "m", "i": "7"}, at, 1.0)]))
        database.flush()
    database.delete(up)
    (tombstone,) = database._state.current.tombstones
    assert len(tombstone.blocks) == 4
    assert numbers(database) == set()


def test_one_that_is_too_long_is_refused() -> None:
    long = [[Matcher("m", MatchOp.EQUAL, "x" * (1 << 20))]]
    with tsdb.memory() as database:
        for dry_run in (False, True):
            with pytest.raises(tsdb.InvalidDeletion, match="more than 1048576"):
                database.delete(long, dry_run=dry_run)
