"""Rollups on demand against sums made one by one, wherever the cells come from."""

from __future__ import annotations

import itertools
import math
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from novaql import query, tsdb
from novaql.tsdb.model.labels import SeriesTable
from tests.support.store.model import Model, Sample, batch_of, from_bits

MINUTE = 60_000
batches = st.lists(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 400), st.integers(0, 50)),
        min_size=1,
        max_size=30,
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.slow
@given(batches, st.sampled_from([MINUTE, 5 * MINUTE, 60 * MINUTE]))
@settings(max_examples=40, deadline=None)
def test_cells_are_what_their_samples_are(
    stored: list[list[tuple[str, int, int]]], resolution: int
) -> None:
    model = Model()
    with (
        tempfile.TemporaryDirectory() as folder,
        tsdb.open(folder, sync="os", compaction=False, rollups_ms=(300_000, MINUTE)) as database,
    ):
        for number, rows in enumerate(stored):
            samples: list[Sample] = [
                ({"__name__": "m", "n": name}, at * 30_000, float(value))
                for name, at, value in rows
            ]
            model.append(samples)
            database.append(batch_of(samples))
            if number != 3:
                database.flush()
            if number == 1:
                database.compact()
        found = database.rollup([], resolution, 0, 5 * 3600 * 1000)

    wanted = {}
    for key, held in model.select(start_ms=1).items():
        cells: dict[int, list[float]] = {}
        for at, bits in held:
            assert isinstance(bits, int)
            cells.setdefault(-(-at // resolution) * resolution, []).append(from_bits(bits))
        for end, numbers in cells.items():
            steps = itertools.pairwise(numbers)
            wanted[dict(key)["n"], end] = {
                "min": min(numbers), "max": max(numbers), "sum": math.fsum(numbers),
                "first": numbers[0], "last": numbers[-1], "count": float(len(numbers)),
                "increase": sum((b if b < a else b - a for a, b in steps), 0.0),
            }  # fmt: skip
    names = found.series.column("n").texts()
    got = {
        (names[row], end): {name: float(column[at]) for name, column in found.statistics.items()}
        for at, (row, end) in enumerate(
            zip(found.rows.tolist(), found.times_ms.tolist(), strict=True)
        )
    }
    assert got == wanted


def test_cells_of_a_block_are_between_the_samples_before_and_after_it() -> None:
    """Of two blocks that overlap, and of the head, samples are read."""

    def samples(minutes: range) -> list[Sample]:
        return [({"__name__": "m"}, n * MINUTE, float(n)) for n in minutes]

    with (
        tempfile.TemporaryDirectory() as folder,
        tsdb.open(folder, sync="os", compaction=False, rollups_ms=(300_000,)) as database,
    ):
        database.append(batch_of(samples(range(120, 480))))
        database.compact()
        for part in (range(1, 119, 2), range(2, 119, 2)):
            database.append(batch_of(samples(part)))
            database.flush()
        database.append(batch_of(samples(range(480, 540))))

        for function, wanted in (("first_over_time", 1.0), ("delta", 538.0), ("resets", 0.0)):
            text = f"{function}(m[9h] anchored)" if function == "delta" else f"{function}(m[9h])"
            found = query(text, database, time=9 * 3600, rollup="5m")
            assert found.values.tolist() == [[wanted]], function
            assert any("cells" in info for info in found.infos), function
        found = query("increase(m[9h])", database, time=9 * 3600, rollup="5m")
        assert found.values[0, 0] == pytest.approx(540, abs=2)


def test_late_samples_are_between_the_cells_of_a_downsampled_block() -> None:
    """Three of them, far apart: a counter does not fall where they are."""
    hour, count = 60, 48 * 60
    samples: list[Sample] = [
        ({"__name__": "m"}, n * MINUTE, float(n)) for n in range(1, count) if n % hour != 1
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        tsdb.open(
            folder, sync="os", compaction=False, rollups_ms=(MINUTE,),
            retention_ms=hour * MINUTE, rollup_retention_ms=10**12,
        ) as database,
    ):  # fmt: skip
        database.append(batch_of(samples))
        database.append(batch_of([({"__name__": "n"}, 2 * count * MINUTE, 1.0)]))
        database.flush()
        database.compact()
        database.apply_retention(2 * count * MINUTE)
        late: list[Sample] = [
            ({"__name__": "m"}, n * MINUTE, float(n)) for n in range(1, count, hour)
        ]
        database.append(batch_of(late))
        found = query("resets(m[2d])", database, time=2 * 86_400)
        assert any("are left" in info for info in found.infos)
        assert found.values.tolist() == [[0.0]]
        found = query("increase(m[2d])", database, time=2 * 86_400)
        assert found.values[0, 0] == pytest.approx(count, abs=2)
        for minutes in (1, 60, 120):
            whole = database.rollup([], minutes * MINUTE, 0, count * MINUTE)
            size = whole.statistics["count"]
            assert size[0] == minutes
            assert int(size.sum()) == count - 1
            assert float(whole.statistics["increase"].sum()) == count - 1 - len(size)


def test_a_mean_does_not_need_the_page_that_proves_it_exact(tmp_path: Path) -> None:
    samples: list[Sample] = [({"__name__": "m"}, n * 15_000, float(n)) for n in range(1, 961)]
    options: dict[str, Any] = {"compaction": False, "cache_bytes": 0, "rollups_ms": (3_600_000,)}
    with tsdb.open(tmp_path, sync="os", **options) as database:
        database.append(batch_of(samples))
        database.compact()
        (block,) = database._state.current.blocks
        pages: Any = block.rollups()[0].statistics["whole"]
        begin = int(pages.offset.tolist()[0])
    content = bytearray(block.path.read_bytes())
    content[begin] ^= 1
    block.path.write_bytes(content)
    with tsdb.open(tmp_path, read_only=True, cache_bytes=0) as database:
        assert [one.place for one in database.check()] == ["c0whole page 0"]
        assert query("avg_over_time(m[4h])", database, time=14_400).values.tolist() == [[480.5]]


def test_blocks_are_asked_for_their_cells() -> None:
    samples: list[Sample] = [({"__name__": "m"}, n * 15_000, float(n)) for n in range(1, 2000)]
    with (
        tempfile.TemporaryDirectory() as folder,
        tsdb.open(folder, sync="os", compaction=False, rollups_ms=(3_600_000,)) as database,
    ):
        database.append(batch_of(samples))
        before = database.rollup([], 3_600_000, 0, 36_000_000)
        database.compact()
        after = database.rollup([], 3_600_000, 0, 36_000_000)
        nothing = database.rollup([], 3_600_000, 36_000_000, 72_000_000)
        with pytest.raises(ValueError, match="multiples"):
            database.rollup([], 3_600_000, 1, 36_000_000)
    assert (before.from_cells, after.from_cells) == (0, 9)
    assert (
        before.times_ms.tolist() == after.times_ms.tolist() == [n * 3_600_000 for n in range(1, 10)]
    )
    for name, column in before.statistics.items():
        assert column.tolist() == after.statistics[name].tolist()
    assert len(nothing.rows) == 0
    assert isinstance(nothing.series, SeriesTable)
