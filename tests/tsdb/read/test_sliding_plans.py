"""Short ranges that move on are answered by plans for wider ones, and as if they were not.

`NOVAQL_MOVING_STORES` says how many random stores ranges move through.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from novaql import tsdb
from novaql.tsdb.block import page_layout as value_pages
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.samples import STALE, Batch, is_stale
from novaql.tsdb.model.source import Hints, Selection
from novaql.tsdb.read import planner, sliding_plans
from novaql.tsdb.read.sliding_plans import sliding_plan, wider_ranges
from tests.support.disks.simulated_disk import STORE, SimulatedDisk
from tests.support.store.damaged_pages import damaged_page, pages
from tests.support.store.model import Sample, batch_of

STORES = int(os.environ.get("NOVAQL_MOVING_STORES", "12"))
UP = [Matcher("__name__", MatchOp.EQUAL, "up")]
MINUTE = 60_000
Samples = dict[str, list[tuple[int, float]]]


def of_views(found: Selection) -> Samples:
    """All samples, which are those of the range."""
    samples: Samples = {}
    labels = [str(sorted(one.items())) for one in found.series]
    for view in found.views():
        for place, row in enumerate(view.rows.tolist()):
            one = view.rows_between(place, place + 1)
            samples[labels[row]] = list(zip(one.timestamps.tolist(), one.values.ravel().tolist(),
                                            strict=True))  # fmt: skip
    return samples


def of_batches(found: Selection, start_ms: int, end_ms: int) -> Samples:
    """Samples of the range among those of batches; markers are apart there."""
    assert found.batches is not None
    samples: Samples = {}
    labels = [str(sorted(one.items())) for one in found.series]
    for ref in found.batches:
        b = ref.load()
        for place, row in enumerate(b.rows.tolist()):
            values = b.values[b.offsets[place] : b.offsets[place + 1]]
            begin = b.grid_offsets[b.grid[place]]
            times = b.times[begin : begin + len(values)]
            inside = (times >= start_ms) & (times <= end_ms)
            samples[labels[row]] = [
                *zip(times[inside].tolist(), values[inside].tolist(), strict=True)
            ]
    return {name: some for name, some in samples.items() if some}


def without_markers(samples: Samples) -> Samples:
    left = {
        name: [(t, v) for t, v in some if not is_stale(np.array([v]))[0]]
        for name, some in samples.items()
    }
    return {name: some for name, some in left.items() if some}


def write(database: tsdb.Database, rng: random.Random, minutes: int) -> None:
    series = rng.randrange(3, 30)
    table = SeriesTable.from_dicts([{"__name__": "up", "i": str(i)} for i in range(series)])
    step = rng.choice((5_000, 15_000, 60_000))
    for i in range(series):
        shift = rng.choice((0, 0, 1_000, 7_123))
        first, last = 0, minutes * MINUTE
        if rng.random() < 0.2:  # comes late, or goes early
            first, last = sorted(rng.choices(range(0, minutes * MINUTE, 1000), k=2))
        times = np.arange(first + shift, last, step, dtype=np.int64)
        times = times[np.random.default_rng(rng.randrange(99)).random(len(times)) > 0.02]
        values = np.cumsum(np.ones(len(times)))
        if len(values) and rng.random() < 0.3:
            values[rng.randrange(len(values))] = STALE
        database.append(Batch(table, np.full(len(times), i), times, values))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(STORES))
def test_ranges_that_move_find_what_others_find(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    database = tsdb.open(tmp_path / "s", block_ms=rng.choice((20, 120)) * MINUTE, sync="os")
    write(database, rng, 120)
    if rng.random() < 0.8:
        database.flush()
    if rng.random() < 0.3:
        write(database, rng, 40)
        database.flush()
    served = 0
    for _ in range(4):
        width, step = rng.choice((1, 5, 12)) * MINUTE, rng.choice((15_000, MINUTE))
        start = rng.randrange(0, 110) * MINUTE
        for _ in range(12):
            start += step
            if rng.random() < 0.05:
                database.delete([UP], start - 3 * MINUTE, start - 2 * MINUTE)
            end = start + width
            found = database.select(UP, start, end)
            with tsdb.open(tmp_path / "s", read_only=True, cache_bytes=0) as other:
                expected = other.select(UP, start, end)
                exact = of_views(expected)
            assert found.samples == expected.samples
            assert [*found.series] == [*expected.series]
            assert repr(sorted(of_views(found).items())) == repr(sorted(exact.items()))
            if found.batches is not None:
                inside = of_batches(found, start, end)
                assert inside == without_markers(exact)
                reach = [ref.load().times for ref in found.batches]
                served += any(len(times) and times.max() > end for times in reach)
    database.close()
    if seed == 0:
        assert served


def test_the_second_range_reads_for_the_next_ones(tmp_path: Path) -> None:
    with tsdb.open(tmp_path / "s", sync="os") as database:
        table = SeriesTable.from_dicts([{"__name__": "up", "i": str(i)} for i in range(50)])
        times = np.arange(1 << 20, (1 << 20) + 90 * MINUTE, 15_000, dtype=np.int64)
        for i in range(50):
            database.append(Batch(table, np.full(len(times), i), times, times / 7.0))
        database.flush()

        def misses(minute: int) -> int:
            start = (1 << 22) + minute * MINUTE
            before = database.stats().cache.misses
            for ref in database.select(UP, start, start + 5 * MINUTE).batches or ():
                ref.load()
            return database.stats().cache.misses - before

        asked = [misses(minute) for minute in range(10)]
    assert asked[0] > 0
    assert asked[1] > 0
    assert asked[2:] == [0] * 8


def test_damage_outside_of_a_range_is_nobody_s_affair() -> None:
    disk = SimulatedDisk()
    with (
        mock.patch.object(value_pages, "TARGET_VALUES", 300),
        tsdb.open(STORE, disk=disk, cache_bytes=0) as database,
    ):
        samples: list[Sample] = [
            ({"__name__": "up"}, 1000 * n, float(n * n % 97)) for n in range(6000)
        ]
        database.append(batch_of(samples))
        database.flush()
    wounded = damaged_page(disk, 0, "values", len(pages(disk, 0, "values")) - 1)
    with tsdb.open(STORE, disk=wounded, read_only=True) as database:
        told = 0
        for start in range(0, 5_800_000, 30_000):
            read_errors = ReadErrors()
            found = database.select(UP, start, start + 200_000, Hints(read_errors=read_errors))
            inside = of_batches(found, start, start + 200_000)
            expected = [
                (t, float(n * n % 97))
                for n in range(6000)
                if start <= (t := 1000 * n) <= start + 200_000
            ]
            (got,) = inside.values() or [[]]
            if read_errors:
                told += 1
                assert set(got) < set(expected)
            else:
                assert got == expected
        assert 0 < told < 30


def test_wider_ranges_hold_the_range_and_are_shared() -> None:
    rng = random.Random(3)
    for _ in range(500):
        start, width = rng.randrange(-(10**13), 10**13), rng.randrange(1, 10**8)
        for begin, end in wider_ranges(start, start + width):
            assert begin <= start <= start + width <= end
            assert end - begin < 40 * (width + 1)
    first, second = (next(wider_ranges(start, start + 99)) for start in (1024, 1025))
    assert first == second


def test_too_much_is_not_planned_wider() -> None:
    assert sliding_plan([], mock.Mock()) is None
    cut: Any = mock.Mock(untouched=True)
    assert sliding_plan([cut], mock.Mock(widths=np.array([1 << 23]))) is None
    deleted: Any = mock.Mock(untouched=False)
    assert sliding_plan([deleted], mock.Mock(widths=np.array([1]))) is None


def test_a_wider_range_that_is_too_large_is_planned_once(tmp_path: Path) -> None:
    """Its plan evicted those of other ranges, and was made again for each of them."""
    with tsdb.open(tmp_path / "s", sync="os") as database:
        table = SeriesTable.from_dicts([{"__name__": "up", "i": str(i)} for i in range(500)])
        times = np.arange(1 << 20, (1 << 20) + 90 * MINUTE, 60_000, dtype=np.int64)
        rows = np.repeat(np.arange(500), len(times))
        database.append(Batch(table, rows, np.tile(times, 500), np.zeros(len(rows))))
        database.flush()
        plans = database._reader.caches.plans
        planned: list[tuple[int, int]] = []
        plan = planner._Query.plan

        def counted(query: Any) -> Any:
            planned.append(query.range_ms)
            found = plan(query)
            plans.limit = 2 * planner.plan_bytes(found)
            return found

        with (
            mock.patch.object(planner._Query, "plan", counted),
            mock.patch.object(sliding_plans, "MOST_SAMPLES", 1),
        ):
            for minute in range(6):
                start = (1 << 22) + minute * MINUTE
                database.select(UP, start, start + 5 * MINUTE)
    assert len(set(planned)) == len(planned) == 6 + 2
