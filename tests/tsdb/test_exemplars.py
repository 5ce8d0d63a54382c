"""Exemplars: kept in a ring, in the log, over flushes and crashes; found by series and time."""

from __future__ import annotations

import shutil
from collections import deque
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from novaql import tsdb
from novaql.tsdb.head.exemplar_buffer import ExemplarRing
from novaql.tsdb.model.exemplars import Exemplars, SeriesExemplars
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS
from tests.support.store.model import batch_of

One = tuple[str, int, float, tuple[tuple[str, str], ...]]
"""Job, milliseconds, value, labels."""
EVERYTHING = [[Matcher("__name__", MatchOp.REGEX, ".*")]]
NONE = np.zeros(0, np.int64)


def exemplars_of(found: list[One]) -> SeriesExemplars:
    jobs = list(dict.fromkeys(job for job, *_ in found))
    return SeriesExemplars(
        tsdb.SeriesTable.from_dicts([{"__name__": "m", "job": job} for job in jobs]),
        Exemplars(
            np.array([jobs.index(job) for job, *_ in found], np.int64),
            np.array([time for _, time, _, _ in found], np.int64),
            np.array([value for _, _, value, _ in found], np.float64),
            tsdb.SeriesTable.from_dicts([dict(labels) for *_, labels in found]),
        ),
    )


def batch(found: list[One]) -> Batch:
    some = exemplars_of(found)
    return Batch(some.series, NONE, NONE, np.zeros(0), exemplars=some.exemplars)


def listed(found: SeriesExemplars) -> list[One]:
    series = [labels["job"] for labels in found.series]
    e = found.exemplars
    return [
        (series[row], time, value, tuple(labels.items()))
        for row, time, value, labels in zip(
            e.series_index.tolist(), e.timestamps.tolist(), e.values.tolist(), e.labels, strict=True
        )
    ]


def test_an_exemplar_brings_no_labels_of_other_series(tmp_path: Path) -> None:
    """The table of a decoder has all series of a sender; the log gets those of the exemplars."""
    count = 2000
    every = tsdb.SeriesTable.from_dicts(
        [{"__name__": "m", "job": f"{n}-{n * 7919 % 104729}"} for n in range(count)]
    )
    labels = tsdb.SeriesTable.from_dicts([{"trace": f"{n}"} for n in range(count)]).take(
        np.array([7])
    )
    one = Exemplars(np.array([3]), np.array([5]), np.array([1.0]), labels)
    with tsdb.open(tmp_path, sync="os", compaction=False) as database:
        rows = np.arange(count)
        database.append(Batch(every, rows, rows, np.zeros(count)))
        database.sync()
        before = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
        database.append(Batch(every, NONE, NONE, np.zeros(0), exemplars=one))
        database.sync()
        after = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
        assert ask(database) == [("3-23757", 5, 1.0, (("trace", "7"),))]
    assert after - before < 500


def ask(database: tsdb.Database, start: int = MIN_TIME_MS, end: int = MAX_TIME_MS) -> list[One]:
    return listed(database.exemplars(EVERYTHING, start, end))


one = st.tuples(
    st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 3).map(float),
    st.sampled_from([(), (("trace", "x"),), (("span", "1"), ("trace", "y"))]),
)  # fmt: skip


@given(st.lists(st.lists(one, min_size=1, max_size=9), max_size=12), st.integers(1, 30))
@settings(deadline=None)
def test_the_newest_ones_are_there(messages: list[list[One]], most: int) -> None:
    """Against a queue: what was added last is there, and never more than the ring may hold."""
    ring = ExemplarRing(most)
    arrived: list[One] = []
    for message in messages:
        ring.add(exemplars_of(message))
        arrived += message
        assert len(ring) <= most

    found = listed(ring.select(EVERYTHING, MIN_TIME_MS, MAX_TIME_MS))

    assert found == sorted(found, key=lambda e: (e[0], e[1]))
    assert len(set(found)) == len(found)
    assert set(deque(arrived, most)) <= set(found) <= set(arrived)


def test_they_survive_flushes_and_crashes(tmp_path: Path) -> None:
    first: One = ("a", 1000, 0.5, (("trace_id", "ü"),))
    second: One = ("b", 2000, float("inf"), ())
    with tsdb.open(tmp_path / "store") as database:
        assert database.append(batch([first])).exemplars == 1
        database.append(batch_of([({"__name__": "up"}, 1, 1.0)]))
        database.flush()
        database.append(batch([second]))
        assert ask(database) == [first, second]
        shutil.copytree(tmp_path / "store", tmp_path / "crashed")
        assert database.check() == []
    for place in ("store", "crashed"):
        for read_only in (True, False):
            with tsdb.open(tmp_path / place, read_only=read_only) as database:
                assert ask(database) == [first, second]
                assert ask(database, 1500, 2000) == [second]
        with tsdb.open(tmp_path / place, max_exemplars=1) as database:
            assert ask(database) == [second]
        with tsdb.open(tmp_path / place, max_exemplars=0) as database:
            assert database.append(batch([first])).exemplars == 0
            assert ask(database) == []


def test_matchers_choose_series() -> None:
    with tsdb.memory() as database:
        database.append(batch([("a", 1, 1.0, ()), ("b", 2, 2.0, ()), ("c", 3, 3.0, ())]))
        sets = [[Matcher("job", MatchOp.EQUAL, "c")], [Matcher("job", MatchOp.REGEX, "a|c")]]
        assert [job for job, *_ in listed(database.exemplars(sets))] == ["a", "c"]
        assert listed(database.exemplars([])) == []


def test_a_deletion_takes_them_along(tmp_path: Path) -> None:
    with tsdb.open(tmp_path) as database:
        database.append(batch([("a", 1, 1.0, ()), ("a", 5, 2.0, ()), ("b", 1, 3.0, ())]))
        database.append(batch_of([({"__name__": "m", "job": "a"}, 1, 1.0)]))
        database.delete([[Matcher("job", MatchOp.EQUAL, "a")]], 0, 2)
        assert [(job, time) for job, time, *_ in ask(database)] == [("a", 5), ("b", 1)]
    with tsdb.open(tmp_path) as database:
        assert [(job, time) for job, time, *_ in ask(database)] == [("a", 5), ("b", 1)]


def test_labels_have_a_limit() -> None:
    """128 characters in names and values together, as OpenMetrics says."""
    fits, too_long = (("a", "ü" * 127),), (("a", "ü" * 128),)
    with tsdb.memory() as database:
        result = database.append(batch([("a", 1, 1.0, fits), ("a", 2, 1.0, too_long)]))
        assert result.exemplars == 1
        assert [time for _, time, *_ in ask(database)] == [1]


def test_exemplars_that_belong_to_no_series_are_refused() -> None:
    wrong = batch([("a", 1, 1.0, ())])
    assert wrong.exemplars is not None
    wrong.exemplars.series_index[0] = 1
    with tsdb.memory() as database, pytest.raises(tsdb.InvalidBatch, match="series 1"):
        database.append(wrong)
