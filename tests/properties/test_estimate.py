"""What a query will read is known before it reads: within a tenth for 95 of a hundred queries."""

from __future__ import annotations

import random

import pytest

from novaql import Limits, QueryOptions, evaluate, tsdb
from novaql.engine import estimate
from novaql.errors import EvaluationError, LimitExceeded
from novaql.evaluator.estimate import Estimate
from tests.support.generators.random_queries import QueryMaker
from tests.support.generators.random_samples import START_MS, Fleet, batch_of, random_fleet

FLEET = Fleet(instances=4, minutes=60, interval_s=30)


@pytest.mark.slow
def test_estimates_of_random_queries() -> None:
    rng = random.Random(5)
    database = tsdb.memory()
    database.append(batch_of(random_fleet(rng, FLEET)))
    database.flush()
    maker = QueryMaker(rng, [START_MS // 1000 + 900], modern=True)
    good = told = 0
    for _ in range(400):
        query = maker.query()
        step = rng.choice((0, 60_000))
        start = START_MS + rng.randrange(5, 30) * 60_000
        options = QueryOptions(start, start + 20 * 60_000 if step else start, step)
        try:
            stats = evaluate(query, database, options).stats
        except EvaluationError:
            continue
        found = estimate(query, database, options)
        told += 1
        series = abs(found.series - stats.series) <= 0.1 * stats.series
        good += series and abs(found.samples - stats.samples) <= 0.1 * stats.samples
    assert told > 250
    assert good >= 0.95 * told


@pytest.mark.parametrize(
    ("query", "plain"),
    [
        ("load smoothed", "load"),
        ("rate(requests_total[5m] anchored)", "rate(requests_total[10m])"),
        ("increase(requests_total[5m] smoothed)", "increase(requests_total[15m] offset -5m)"),
        ("info(load)", "{__name__=~'load|target_info'}"),
        ("info(load, {__name__='limit'})", "{__name__=~'load|limit'}"),
        ("topk(scalar(count(load)), requests_total)", "{__name__=~'load|requests_total'}"),
        ("absent_over_time(load[5m:1m])", "load"),
    ],
)
@pytest.mark.parametrize("left_closed", [False, True])
def test_each_selection_counts_once(query: str, plain: str, left_closed: bool) -> None:
    database = tsdb.memory()
    fleet = random_fleet(random.Random(1), FLEET)
    fleet.append(({"__name__": "target_info"}, [(START_MS + 35 * 60_000, 1.0)]))
    database.append(batch_of(fleet))
    start = START_MS + 40 * 60_000
    options = QueryOptions(start, start + 600_000, 60_000, left_closed=left_closed)
    found = estimate(query, database, options)
    stats = evaluate(query, database, options).stats

    assert (found.series, found.samples) == (stats.series, stats.samples)
    assert found.series == estimate(plain, database, options).series


def test_limits_are_kept_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    database = tsdb.memory()
    database.append(batch_of(random_fleet(random.Random(1), FLEET)))
    start = START_MS + 10 * 60_000
    few = QueryOptions(start, start, limits=Limits(samples=40))

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was evaluated")

    monkeypatch.setattr("novaql.engine._run", never)
    with pytest.raises(LimitExceeded, match="would read"):
        evaluate("count(load) + count(requests_total)", database, few)


def test_who_admits_is_told_and_may_refuse() -> None:
    database = tsdb.memory()
    database.append(batch_of(random_fleet(random.Random(1), FLEET)))
    start = START_MS + 10 * 60_000
    options = QueryOptions(start, start + 600_000, 60_000)
    told: list[Estimate] = []
    result = evaluate("sum(rate(requests_total[5m]))", database, options, admit=told.append)
    assert (told[0].series, told[0].samples) == (result.stats.series, result.stats.samples)

    class NoError(Exception):
        pass

    def refuse(_: object) -> None:
        raise NoError

    with pytest.raises(NoError):
        evaluate("load", database, options, admit=refuse)


@pytest.mark.parametrize(
    ("function", "times"),
    [
        ("mad_over_time(load[20m])", 1),
        ("deriv(load[20m])", 1),
        ("sum_over_time(load[20m])", 0),
    ],
)
def test_work_counts_overlapping_windows_of_functions_that_visit_each(
    function: str, times: int
) -> None:
    database = tsdb.memory()
    database.append(batch_of(random_fleet(random.Random(1), FLEET)))
    start = START_MS + 20 * 60_000
    options = QueryOptions(start, start + 20 * 60_000, 60_000)  # 21 windows in 40 minutes
    found, plain = (estimate(text, database, options) for text in (function, "load"))

    assert found.samples > 0
    cells = found.series * 21
    visits = found.work - 2 * cells
    assert plain.work == cells
    assert visits == times * (found.samples * 20 * 21 // 40 - found.samples)
