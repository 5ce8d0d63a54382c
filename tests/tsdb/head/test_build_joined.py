"""Parts are sorted as if they were one, whether they repeat one list of series or not."""

from __future__ import annotations

import numpy as np
import pytest

from novaql.tsdb.head.float_run import FloatRun, FloatSamples, build_joined, build_run, joined
from novaql.tsdb.model.labels import Ints

SERIES, SCRAPES = 300, 12


def contents(run: FloatRun) -> tuple[object, ...]:
    flat = run.flat()
    starts = None if flat.starts is None else flat.starts.tolist()
    columns = flat.ids.tolist(), flat.times.tolist(), flat.values.tolist(), starts
    return *columns, run.duplicates, run.conflicts, len(run.sorted.grid_length)


def scrapes(series: Ints, steps: Ints) -> FloatSamples:
    """A sample of each series at each step; every third series is a little later."""
    ids, times = np.tile(series, len(steps)), np.repeat(steps, len(series)) * 15_000
    times += (ids % 3 == 0) * 7
    return FloatSamples(ids, times, np.random.default_rng(1).normal(size=len(ids)), times // 60_000)


IN_ORDER = np.arange(SCRAPES)
CASES = {
    "in order": (np.arange(SERIES), IN_ORDER),
    "two connections": (np.arange(SERIES), np.array([1, 0, 2, 4, 3, 6, 5, 7, 8, 10, 9, 11])),
    "series in another order": (np.random.default_rng(2).permutation(SERIES) + 40, IN_ORDER),
    "a scrape is sent twice": (np.arange(SERIES), np.array([0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10])),
    "few series": (np.arange(5), IN_ORDER),
    "one scrape": (np.arange(SERIES), IN_ORDER[:1]),
}


@pytest.mark.parametrize("cut", [0, 1, 5])
@pytest.mark.parametrize("name", CASES)
def test_parts_are_sorted_as_one(name: str, cut: int) -> None:
    series, steps = CASES[name]
    whole = scrapes(series, steps)
    at = cut * len(series)
    parts = [whole.take(slice(0, at)), whole.take(slice(at, None))]
    parts = [part for part in parts if len(part.ids)]
    assert contents(build_joined([*parts])) == contents(build_run(*joined(parts)))


@pytest.mark.parametrize("change", ["a series is missing", "a series is there twice", "late"])
def test_parts_that_are_not_alike_are_sorted_as_one(change: str) -> None:
    whole = scrapes(np.arange(SERIES), IN_ORDER)
    ids, times, values, starts = (np.asarray(column).copy() for column in whole)
    if change == "a series is missing":
        ids, times, values, starts = (column[:-1] for column in (ids, times, values, starts))
    elif change == "a series is there twice":
        ids[SERIES + 7] = 8
    else:
        times[5 * SERIES + 3] = 0
    changed = FloatSamples(ids, times, values, starts)
    assert contents(build_joined([changed])) == contents(build_run(*changed))


def test_one_of_the_parts_has_no_start_timestamps() -> None:
    whole = scrapes(np.arange(SERIES), IN_ORDER)
    parts = [whole.take(slice(0, 3 * SERIES)), whole.take(slice(3 * SERIES, None))]
    parts[1] = parts[1]._replace(starts=None)
    assert contents(build_joined([*parts])) == contents(build_run(*joined(parts)))
