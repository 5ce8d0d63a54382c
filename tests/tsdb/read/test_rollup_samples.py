"""What statistics answer is what the samples answer, to the bit; and they are used."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings

from novaql import query, tsdb
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.source import Hints, RangeWindows
from novaql.tsdb.read import rollup_cells
from tests.support.store.model import Sample, batch_of
from tests.support.store.rollup_samples import bits_of, scrapes
from tests.support.store.stored_histograms import simple

FUNCTIONS = tuple(f"{what}_over_time" for what in ("min", "max", "first", "last", "present"))
SUMMED = ("count_over_time", "sum_over_time", "avg_over_time", "rate", "increase", "delta")
MINUTE = 60_000
EXAMPLES = int(os.environ.get("NOVAQL_ROLLUP_EXAMPLES", "40"))


def round_of(value: object) -> float:
    assert isinstance(value, float)
    return float(round(value)) + 0.0 if abs(value) < 100 else 7.0


class Plain:
    """A source without hints of windows."""

    def __init__(self, database: tsdb.Database) -> None:
        self._database = database

    def select(
        self, matchers: list[Matcher], start_ms: int, end_ms: int, hints: Hints
    ) -> tsdb.Selection:
        return self._database.select(matchers, start_ms, end_ms, replace(hints, windows=None))

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)


@pytest.mark.slow
@given(
    st.lists(scrapes(), min_size=1, max_size=4),
    st.sampled_from([60, 300, 420, 600, 3600, 7200]),
    st.sampled_from([60, 300, 301, 3600, 86_400]),
    st.integers(-1, 30),
    st.booleans(),
    st.booleans(),
    st.sets(st.sampled_from((*FUNCTIONS, *SUMMED)), min_size=3, max_size=3),
)
@example(  # no series has the statistic in all of its cells
    batches=[
        [({"__name__": "m", "n": "a"}, (30 * part + n) * MINUTE, float("nan")) for n in range(9)]
        for part in range(2)
    ],
    range_s=3600,
    step_s=60,
    begin=0,
    delete=False,
    whole=False,
    chosen={"last_over_time"},
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_cells_answer_as_samples_do(
    batches: list[list[Sample]],
    range_s: int,
    step_s: int,
    begin: int,
    delete: bool,
    whole: bool,
    chosen: set[str],
) -> None:
    if whole:
        batches = [[(labels, at, round_of(value)) for labels, at, value in b] for b in batches]
    with (
        mock.patch.multiple(rollup_cells, WORTH_SAMPLES=0, MOST_OTHERS=0),
        tempfile.TemporaryDirectory() as folder,
        tsdb.open(
            folder, sync="os", compaction=False, rollups_ms=(300_000, MINUTE), cache_bytes=0
        ) as database,
    ):
        for number, batch in enumerate(batches):
            database.append(batch_of(batch))
            if number != 2:
                database.flush()
            if number == 1:
                database.compact()
        if delete:
            database.delete([[Matcher("n", MatchOp.EQUAL, "a")]], 40 * MINUTE, 60 * MINUTE)
        assert database.check() == []
        for function in chosen:
            text = f"{function}(m[{range_s}s])"
            for closed in (False, True):
                one, other = (
                    query(
                        text,
                        source,
                        start=begin * 300,
                        end=3 * 3600,
                        step=step_s,
                        left_closed=closed,
                    )
                    for source in (database, Plain(database))
                )
                extreme = function in ("min_over_time", "max_over_time")
                assert bits_of(one, zeros_are_equal=extreme) == bits_of(
                    other, zeros_are_equal=extreme
                )


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """20 series, a day of them."""
    rows, width = 20, 5760
    series = tsdb.SeriesTable.from_dicts([{"__name__": "m", "n": str(n)} for n in range(rows)])
    times = np.tile(1 + np.arange(width) * 15_000, rows)
    numbers = np.random.default_rng(5).integers(0, 1000, rows * width).astype(float)
    with tsdb.open(tmp_path / "store", compaction=False, rollups_ms=(3_600_000,)) as database:
        database.append(tsdb.Batch(series, np.repeat(np.arange(rows), width), times, numbers))
        database.compact()
    return tmp_path / "store"


def cells_read(
    database: tsdb.Database, ends_ms: list[int], reach_ms: int, statistic: str
) -> int | None:
    """How many cells are read in place of samples; None: none."""
    windows = RangeWindows(np.array(ends_ms), reach_ms, (statistic,), required=True)
    first, last = ends_ms[0] - reach_ms + 1, ends_ms[-1]
    found = database.select([], first, last, Hints(windows=windows)).cells
    return None if found is None else found.as_samples(statistic).samples


def test_statistics_are_read_instead_of_samples(day: Path) -> None:
    hour = 3_600_000
    hours = [number * hour for number in range(2, 25)]
    everything = [30 * hour], 48 * hour, "max"
    with tsdb.open(day, read_only=True) as database:
        assert cells_read(database, *everything) == 20
        assert cells_read(database, hours, 2 * hour, "min") == 20 * 24
        assert cells_read(database, [end + 1 for end in hours], 2 * hour, "min") is None
    with tsdb.open(day) as database:
        late: list[Sample] = [({"__name__": "m", "n": "1"}, 5 * hour, 5000.0)]
        database.append(batch_of(late))
        assert cells_read(database, *everything) is None
        assert query("max(max_over_time(m[2d]))", database, time=30 * 3600).values[0, 0] == 5000
        database.compact()
        assert cells_read(database, *everything) == 20
        assert query("max(max_over_time(m[2d]))", database, time=30 * 3600).values[0, 0] == 5000


@pytest.mark.parametrize("large", [1.7e308, 3e17])
def test_large_falls_do_not_blur_those_of_other_series(tmp_path: Path, large: float) -> None:
    cycles = {"a": [large / 2, 1.0], "b": [3.0, 7.0, 1.0]}
    samples: list[Sample] = [
        ({"__name__": "m", "n": name}, 1 + n * MINUTE, cycle[n % len(cycle)])
        for name, cycle in cycles.items()
        for n in range(200, 600)
    ]
    # Which of them comes first in a block is decided by what lies before the windows.
    samples += [({"__name__": "m", "n": "b"}, 1 + n * MINUTE, large) for n in range(200)]
    with (
        mock.patch.multiple(rollup_cells, WORTH_SAMPLES=0, MOST_OTHERS=0),
        tsdb.open(tmp_path, compaction=False, rollups_ms=(300_000,), cache_bytes=0) as database,
    ):
        database.append(batch_of(sorted(samples, key=lambda sample: sample[1])))
        database.compact()
        for text in ("increase(m[1h])", "rate(m[30m])"):
            one, other = (
                query(text, source, start=18_000, end=36_000, step=300)
                for source in (database, Plain(database))
            )
            assert bits_of(one) == bits_of(other)


def test_histograms_beside_floats_are_looked_at(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        database.append(
            batch_of([({"__name__": "m"}, 1000, simple(1, b1=1)), ({"__name__": "m"}, 2000, 5.0)])
        )
        database.flush()
        result = query("first_over_time(m[1h])", database, time=100)
        assert result.native is not None
        assert result.native.histograms.count.tolist() == [1.0]


@pytest.mark.parametrize("directory", [False, True])
def test_damaged_statistics_leave_the_samples(day: Path, directory: bool) -> None:
    (path,) = (day / "blocks").iterdir()
    with tsdb.open(day, read_only=True) as database:
        (block,) = database._state.current.blocks
        pages = block.describe().rollups[0].statistics["max"]
        offset = pages.checksums.offset if directory else pages.offset
    content = bytearray(path.read_bytes())
    content[offset + 9] ^= 1
    path.write_bytes(content)
    (found,) = tsdb.check(day)
    assert "c0max page" in str(found)
    assert "checksum differs" in str(found)
    with tsdb.open(day, read_only=True) as database:
        result = query("max_over_time(m[2d])", database, time=30 * 3600)
        assert len(result.series) == 20
        assert not result.warnings
    assert Disk().exists(path)
