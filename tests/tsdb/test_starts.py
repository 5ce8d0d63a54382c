"""Start timestamps: from a batch to a view, whatever way the samples take."""

from __future__ import annotations

import shutil
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from novaql import QueryOptions, evaluate, tsdb
from novaql.engine import estimate
from tests.support.store.started_samples import Started, StartedSample, read_started, started_batch
from tests.support.store.stored_histograms import natives, simple

A, B = {"__name__": "a"}, {"__name__": "b"}
UP = [{"__name__": "up", "n": str(n)} for n in range(6)]

starts = st.sampled_from([0, 0, 5, 7_000]) | st.integers(-(2**62), 2**62)
one = st.tuples(
    st.sampled_from([A, B, *UP[:2]]),
    st.integers(0, 12).map(lambda n: 1000 * n),
    st.integers(0, 9).map(float) | natives,
    starts,
)
steps = st.lists(
    st.lists(one, min_size=1, max_size=15) | st.sampled_from(["flush", "reopen", "crash"]),
    max_size=8,
)


@pytest.mark.slow
@given(steps)
@settings(deadline=None, max_examples=40)
def test_they_come_back(tmp_path_factory: pytest.TempPathFactory, found: list[object]) -> None:
    """The sample that came last stands with its own start, and a sample without has none."""
    folder = tmp_path_factory.mktemp("starts")
    path = folder / "store"
    database = tsdb.open(path, sync="os", block_ms=5_000)
    expected: Started = {}
    for number, step in enumerate(found):
        if step == "flush":
            database.flush()
        elif step == "reopen":
            database.close()
            database = tsdb.open(path, sync="os", block_ms=5_000)
        elif step == "crash":
            shutil.copytree(path, folder / f"left-{number}")
            database.close()
            path = folder / f"left-{number}"
            database = tsdb.open(path, sync="os", block_ms=5_000)
        else:
            assert isinstance(step, list)
            batch, last = started_batch(step)
            database.append(batch)
            expected.update(last)
        assert read_started(database) == expected
    assert database.check() == []
    database.close()
    shutil.rmtree(folder)


def test_a_matrix_of_counters_with_a_restart(tmp_path: Path) -> None:
    """Large enough for whole pages, over several blocks, of which one series restarts."""
    times, series = np.arange(0, 4_000) * 15_000, 30
    begun = np.full((series, len(times)), 77)
    begun[3, 2500:] = int(times[2500]) - 5
    begun[20:] = 0
    table = tsdb.SeriesTable.from_dicts([{"__name__": "c", "n": str(n)} for n in range(series)])
    values = np.arange(series * len(times), dtype=np.float64)
    batch = tsdb.Batch(
        table, np.repeat(np.arange(series), len(times)), np.tile(times, series), values,
        starts=begun.ravel(),
    )  # fmt: skip
    with tsdb.open(tmp_path) as database:
        database.append(batch)
        for _ in range(2):
            selection = database.select([], 0, int(times[-1]))
            found = np.zeros((series, len(times)), np.int64)
            names = [int(labels["n"]) for labels in selection.series]
            for view in selection.views():
                if view.starts is None:
                    continue
                assert view.offsets is not None
                for at, row in enumerate(view.rows.tolist()):
                    part = slice(int(view.offsets[at]), int(view.offsets[at + 1]))
                    found[names[row]] = view.starts[part]
            assert (found == begun).all()
            database.flush()
        assert database.check() == []


def test_series_without_starts_stay_matrices(tmp_path: Path) -> None:
    series = [{"__name__": "m", "n": str(n)} for n in range(100)]
    samples = [(s, 1000 * t, 1.0, 5 if s["n"] == "7" else 0) for t in range(100) for s in series]
    with tsdb.open(tmp_path) as database:
        database.append(started_batch(samples)[0])
        database.flush()
        views = list(database.select([], 0, 10**6).views())

    assert sorted(len(view.rows) for view in views) == [1, 99]
    assert [view.starts is not None for view in sorted(views, key=lambda v: len(v.rows))] == [
        True,
        False,
    ]
    assert [view.offsets is None for view in sorted(views, key=lambda v: len(v.rows))] == [
        False,
        True,
    ]


def test_they_cost_next_to_nothing(tmp_path: Path) -> None:
    """100 targets of 20 counters over a day: what starts add to the block."""
    times, rng = np.arange(0, 960) * 15_000, np.random.default_rng(7)
    rows = [{"__name__": f"m{m}", "instance": f"host-{i}"} for m in range(20) for i in range(25)]
    values = np.cumsum(rng.integers(0, 9, (len(rows), len(times))), axis=1).astype(np.float64)
    begun = 1_700_000_000_000 + rng.integers(0, 10**9, 25)
    column = np.tile(begun, 20)
    sizes: list[int] = []
    for starts_of in (None, np.repeat(column, len(times))):
        batch = tsdb.Batch(
            tsdb.SeriesTable.from_dicts(rows), np.repeat(np.arange(len(rows)), len(times)),
            np.tile(times, len(rows)), values.ravel(), starts=starts_of,
        )  # fmt: skip
        path = tmp_path / str(len(sizes))
        with tsdb.open(path) as database:
            database.append(batch)
            database.flush()
            sizes.append(database.stats().block_bytes)

    assert sizes[1] - sizes[0] < 0.01 * values.size, sizes
    assert sizes[1] < 1.02 * sizes[0], sizes


def test_a_log_without_them_keeps_its_format(tmp_path: Path) -> None:
    def formats() -> list[int]:
        segments = sorted((tmp_path / "wal").iterdir())
        return [int.from_bytes(segment.read_bytes()[8:12], "little") for segment in segments]

    with tsdb.open(tmp_path) as database:
        database.append(started_batch([(A, 1, 1.0, 0), (A, 2, simple(1, b0=1), 0)])[0])
        assert formats()[-1] == 2
        database.append(started_batch([(A, 3, 1.0, 2)])[0])
        assert formats()[-1] == 3


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (np.array([1, 2]), "shape"),
        (np.array([1.0]), "float64"),
        (np.array([2**62 + 1]), "no start"),
    ],
)
def test_wrong_starts_are_refused(wrong: np.ndarray, reason: str) -> None:
    batch = tsdb.Batch(
        tsdb.SeriesTable.from_dicts([A]), np.array([0]), np.array([1]), np.array([1.0]),
        starts=wrong,
    )  # fmt: skip
    with tsdb.memory() as database:
        with pytest.raises(tsdb.InvalidBatch, match=reason):
            database.append(batch)
        assert database.stats().head_samples == 0


def test_a_series_read_without_starts_is_not_in_memory_for_a_rate(tmp_path: Path) -> None:
    samples: list[StartedSample] = [({"__name__": "m"}, n * 15_000, n, 1) for n in range(1, 100)]
    options = QueryOptions(1_200_000, 1_200_000, 0)
    with tsdb.open(tmp_path) as database:
        database.append(started_batch(samples)[0])
        database.flush()
        evaluate("sum_over_time(m[5m])", database, options)
        before = estimate("rate(m[5m])", database, options)
        evaluate("rate(m[5m])", database, options)
        after = estimate("rate(m[5m])", database, options)

    assert (before.in_memory, after.in_memory) == (False, True)
