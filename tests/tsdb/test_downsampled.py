"""Rollups that outlive their samples: what queries answer, and what may happen to the store."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings

from novaql import Result, query, tsdb
from novaql.tsdb.compaction.policy import to_downsample
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.read_errors import ReadErrors
from tests.support.store.model import Sample, batch_of
from tests.support.store.rollup_samples import bits_of, scrapes
from tests.support.store.stored_histograms import simple

MINUTE, HOUR = 60_000, 3_600_000
DAY = 24 * HOUR
EXACT = ("count", "min", "max", "first", "last", "present")
FUNCTIONS = (*(f"{name}_over_time" for name in EXACT), "delta", "rate", "increase")
CLOSE = ("sum_over_time", "avg_over_time")
KEPT: dict[str, Any] = {
    "compaction": False,
    "rollups_ms": (5 * MINUTE, HOUR),
    "retention_ms": DAY,
    "rollup_retention_ms": 30 * DAY,
}


def numbers(result: Result) -> dict[str, list[float | None]]:
    valid = np.ones(result.values.shape, bool) if result.valid is None else result.valid
    rows = np.where(valid, result.values, 0.0)
    return {
        str(labels): [
            (None if not there else "NaN" if np.isnan(value) else value)  # type: ignore[misc]
            for value, there in zip(rows[row].tolist(), valid[row].tolist(), strict=True)
        ]
        for row, labels in enumerate(result.series)
    }


def _of_m(*samples: tuple[int, float]) -> list[Sample]:
    return [({"__name__": "m", "n": "a"}, at, float(value)) for at, value in samples]


@pytest.mark.slow
@given(
    st.lists(scrapes(), min_size=1, max_size=3),
    st.sampled_from([60, 300, 420, 3600]),
    st.sampled_from([60, 300, 420, 3600]),
    st.sets(st.sampled_from((*FUNCTIONS, *CLOSE)), min_size=2, max_size=2),
)
@example([_of_m((60_000, 0), (90_000, np.inf), (150_000, 1), (180_000, 0))], 60, 60, {"rate"})
@example([_of_m((60_000, np.inf), (400_000, 1), (410_000, 0))], 420, 60, {"increase"})
@settings(max_examples=int(os.environ.get("NOVAQL_ROLLUP_EXAMPLES", "15")), deadline=None)
def test_rollups_alone_answer_as_samples_over_moved_windows(
    batches: list[list[Sample]], range_s: int, step_s: int, functions: set[str]
) -> None:
    """By the same store before and after its samples went."""
    batches = [[(labels, at, small(value)) for labels, at, value in b] for b in batches]
    asked: dict[str, Any] = {"start": 0, "end": 3 * 3600, "step": step_s, "rollup": "5m"}
    with (
        tempfile.TemporaryDirectory() as folder,
        tsdb.open(folder, sync="os", **KEPT) as database,
    ):
        for batch in batches:
            database.append(batch_of(batch))
        database.flush()
        texts = [f"{function}(m[{range_s}s])" for function in sorted(functions)]
        before = [query(text, database, **asked) for text in texts]
        database.append(batch_of([({"__name__": "n"}, 3 * DAY, 1.0)]))
        database.compact()
        database.apply_retention(3 * DAY)
        assert [block.downsampled_ms for block in database.blocks()] == [5 * MINUTE, 0]
        assert database.check() == []
        for text, old in zip(texts, before, strict=True):
            new = query(text, database, **asked)
            if text.startswith(("sum", "avg")):
                assert_close(numbers(new), numbers(old))
            elif _has_stale(batches) and text.startswith(("rate", "increase", "delta")):
                assert numbers(new).keys() == numbers(old).keys()
            else:
                assert numbers(new) == numbers(old), text


def small(value: object) -> float:
    """Beside 1e300 nothing else would be left of a sum of several steps."""
    assert isinstance(value, float)
    return 1e3 if value == 1e300 else value


def _has_stale(batches: list[list[Sample]]) -> bool:
    return any(isinstance(v, float) and np.isnan(v) for b in batches for _, _, v in b)


def assert_close(one: dict[str, list[float | None]], other: dict[str, list[float | None]]) -> None:
    assert one.keys() == other.keys()
    for key, values in one.items():
        for a, b in zip(values, other[key], strict=True):
            if isinstance(a, float) and isinstance(b, float):
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-9)
            else:
                assert a == b


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tsdb.Database]:
    """Ten days of two series, a sample a minute; nine of them are rollups of 5 minutes."""
    with tsdb.open(tmp_path / "store", sync="os", **KEPT) as database:
        fill(database)
        yield database


def fill(database: tsdb.Database) -> None:
    count = 10 * 24 * 60
    times = 30_000 + np.arange(count) * MINUTE
    series = tsdb.SeriesTable.from_dicts([{"__name__": "m_total", "n": name} for name in "ab"])
    growing = np.arange(count) % 1000 * 3.0
    values = np.concatenate([growing, growing + 0.1])
    rows = np.repeat(np.arange(2), count)
    database.append(tsdb.Batch(series, rows, np.tile(times, 2), values))
    database.append(batch_of([({"__name__": "h"}, int(at), simple(1, b1=1)) for at in times[::60]]))
    database.compact()
    database.apply_retention(10 * DAY)


def test_queries_tell_that_rollups_answered(kept: tsdb.Database) -> None:
    count = "count_over_time(m_total[1h])"
    old = query(count, kept, time=3 * 86_400)
    assert old.values.tolist() == [[60.0], [60.0]]
    (info,) = [text for text in old.infos if "rollups of 5m are left" in text]
    assert "NovaQL info: of samples up to 1970-01-" in info
    assert any("cells of 5m" in text for text in old.infos)
    new = query(count, kept, time=10 * 86_400)
    assert new.values.tolist() == [[60.0], [60.0]]
    assert new.infos == ()
    # The window ends at a multiple of the resolution, and is one long at least.
    short = query("count_over_time(m_total[1m])", kept, time=3 * 86_400 + 299)
    assert short.values.tolist() == [[5.0], [5.0]]
    # Selectors find the last sample of each cell for as long as a cell lasts.
    assert len(query("m_total", kept, time=3 * 86_400 + 299).series) == 2
    assert len(query("h", kept, time=3 * 86_400 + 60).series) == 1


def test_they_survive_reopening_copies_and_repair(kept: tsdb.Database, tmp_path: Path) -> None:
    def answers(database: tsdb.Database) -> list[dict[str, tuple[bytes, bytes]]]:
        options: dict[str, Any] = {"start": 0, "end": 10 * 86_400, "step": 3600}
        return [
            bits_of(query(f"{name}(m_total[1h])", database, **options))
            for name in ("sum_over_time", "rate", "max_over_time")
        ]

    wanted = answers(kept)
    kept.snapshot(tmp_path / "copy")
    with tsdb.open(tmp_path / "copy", read_only=True) as copy:
        assert answers(copy) == wanted
        assert copy.check() == []
    kept.compact()
    kept.clean_tombstones()
    kept.apply_retention(10 * DAY)
    assert answers(kept) == wanted
    kept.close()
    for name in ("MANIFEST", "MANIFEST.copy"):
        (tmp_path / "store" / name).unlink()
    tsdb.repair(tmp_path / "store")
    with tsdb.open(tmp_path / "store", sync="os") as again:
        assert any(block.downsampled_ms for block in again.blocks())
        assert answers(again) == wanted


def test_deletions_take_whole_cells(kept: tsdb.Database) -> None:
    a = [[Matcher("n", MatchOp.EQUAL, "a")]]
    kept.delete(a, 2 * DAY + 10 * MINUTE, 2 * DAY + 12 * MINUTE)
    found = query("count_over_time(m_total[1h])", kept, time=2 * 86_400 + 3600)
    counts = zip(found.series.column("n").texts(), found.values[:, 0].tolist(), strict=True)
    assert dict(counts) == {"a": 55.0, "b": 60.0}
    kept.delete([[Matcher("n", MatchOp.EQUAL, "b")]], 0, 10 * DAY)
    assert query("count(m_total)", kept, time=2 * 86_400).values.tolist() == [[1.0]]
    assert len(query("sum_over_time(m_total{n='b'}[1d])", kept, time=5 * 86_400).series) == 0


def test_late_samples_count_beside_them(kept: tsdb.Database) -> None:
    late: list[Sample] = [({"__name__": "m_total", "n": "a"}, 2 * DAY + 1, 5e6)]
    kept.append(batch_of(late))
    for _ in range(2):
        found = query("count_over_time(m_total{n='a'}[1h])", kept, time=2 * 86_400 + 3600)
        assert found.values.tolist() == [[61.0]]
        found = query("max_over_time(m_total{n='a'}[1h])", kept, time=2 * 86_400 + 3600)
        assert found.values.tolist() == [[5e6]]
        kept.compact()
        kept.apply_retention(10 * DAY)


def test_late_samples_and_corrections_of_separate_blocks_are_in_the_same_rollups(
    tmp_path: Path,
) -> None:
    """A few of them do not justify a merge before."""
    batches: list[list[Sample]] = [
        [({"__name__": "m"}, at * MINUTE, float(at)) for at in range(1, 120) if at != 30],
        [({"__name__": "m"}, 30 * MINUTE, 30.0)],
        [({"__name__": "m"}, 40 * MINUTE, 50.0)],
        [({"__name__": "m"}, 3 * DAY, 1.0)],
    ]
    with tsdb.open(tmp_path, sync="os", **KEPT) as database:
        for batch in batches:
            database.append(batch_of(batch))
            database.flush()

        def answers() -> list[list[float]]:
            texts = (f"{name}_over_time(m[1h])" for name in ("count", "sum", "first", "max"))
            found = (query(text, database, time=3600) for text in (*texts, "increase(m[1h])"))
            return [one.values[0].tolist() for one in found]

        before = answers()
        database.maintain()
        database.apply_retention(3 * DAY)
        assert [block.downsampled_ms for block in database.blocks()] == [5 * MINUTE, 0]
        assert answers() == before


@pytest.mark.slow
def test_damage_of_rollups_without_samples_is_reported(tmp_path: Path) -> None:
    """Some 150 bytes of the block; what is not reported changes nothing."""
    path = tmp_path / "store"
    with tsdb.open(path, sync="os", **KEPT) as database:
        database.append(batch_of([({"__name__": "m"}, n * MINUTE, float(n)) for n in range(120)]))
        database.append(batch_of([({"__name__": "n"}, 3 * DAY, 1.0)]))
        database.compact()
        database.apply_retention(3 * DAY)
        name = database.blocks()[0].name
    block = path / "blocks" / name
    whole = block.read_bytes()

    def answers() -> list[object]:
        with tsdb.open(path, read_only=True, cache_bytes=0) as database:
            found: list[object] = []
            for text in ("count_over_time(m[1h])", "increase(m[1h])"):
                result = query(text, database, time=3600)
                told = any("storage: " in warning for warning in result.warnings)
                found.append("reported" if told else result.values.tolist())
            read_errors = ReadErrors()
            cells = database.rollup([], HOUR, 0, 2 * HOUR, read_errors)
            counts = cells.statistics["count"].tolist()
            found.append("reported" if read_errors else counts)
            return found

    wanted = answers()
    assert wanted[0] == [[60.0]]
    assert wanted[2] == [60.0, 59.0]
    reported = 0
    for at in range(0, len(whole), max(7, len(whole) // 150)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        block.write_bytes(damaged)
        found = answers()
        reported += found != wanted
        for one, right in zip(found, wanted, strict=True):
            assert one in ("reported", right), at
    assert reported > 20


def test_they_go_at_last(kept: tsdb.Database) -> None:
    kept.append(batch_of([({"__name__": "m_total"}, 100 * DAY, 1.0)]))
    kept.flush()
    assert len(kept.blocks()) > 1
    kept.apply_retention(100 * DAY)
    assert len(kept.blocks()) == 1
    assert to_downsample(kept.blocks(), now_ms=100 * DAY, retention_ms=DAY) is None


def test_options_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="needs rollups_ms"):
        tsdb.StoreOptions(retention_ms=DAY, rollup_retention_ms=2 * DAY)
    with pytest.raises(ValueError, match="longer than retention_ms"):
        tsdb.StoreOptions(retention_ms=DAY, rollup_retention_ms=DAY, rollups_ms=(HOUR,))


def test_a_deletion_that_hides_nothing_more_is_not_written(
    kept: tsdb.Database, tmp_path: Path
) -> None:
    """No sample is counted in the cells of a downsampled block, whether one is hidden or not."""
    manifest = tmp_path / "store" / "MANIFEST"
    before, version = manifest.read_bytes(), kept.version

    kept.delete([[Matcher("n", MatchOp.EQUAL, "of no series")]])

    assert manifest.read_bytes() == before
    assert kept.version == version
    a = [[Matcher("n", MatchOp.EQUAL, "a")]]
    kept.delete(a, 0, 2 * DAY)
    after = manifest.read_bytes()
    assert after != before
    kept.delete(a, 0, 2 * DAY)
    assert manifest.read_bytes() == after
