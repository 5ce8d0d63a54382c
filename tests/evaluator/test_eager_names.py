"""Eager removal of names where series of several metrics are equal without them."""

from __future__ import annotations

import numpy as np
import pytest

from novaql import QueryOptions, evaluate
from novaql.errors import EvaluationError
from novaql.inputs.tables.table_source import TableSource
from novaql.options import NameRemoval
from novaql.promqltest.load_parser import read_load
from novaql.promqltest.storage import Storage
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch

OPTIONS = QueryOptions(0, 1_400_000, 60_000)
EAGER = QueryOptions(0, 1_400_000, 60_000, name_removal=NameRemoval.EAGER)


def two_metrics(begin_ms: int) -> TableSource:
    """20 samples of each metric; the second one begins at this time."""
    table = SeriesTable.from_dicts([{"__name__": "requests"}, {"__name__": "errors"}])
    times = np.arange(20) * 15_000
    return TableSource(
        Batch(table, np.repeat([0, 1], 20), np.append(times, begin_ms + times), np.arange(40.0))
    )


@pytest.mark.parametrize(
    "text",
    [
        'rate({__name__=~".+"}[2m])',
        'irate({__name__=~".+"}[2m])',
        'count_over_time({__name__=~".+"}[2m])',
        'quantile_over_time(2, {__name__=~".+"}[2m])',
        'max(deriv({__name__=~".+"}[2m]) * 2)',
    ],
)
def test_series_that_take_turns_are_one(text: str) -> None:
    source = two_metrics(begin_ms=1_000_000)
    eager, delayed = evaluate(text, source, EAGER), evaluate(text, source, OPTIONS)
    assert eager.series.dicts() == delayed.series.dicts() == [{}]
    assert eager.valid is not None
    assert delayed.valid is not None
    assert np.array_equal(eager.valid, delayed.valid)
    assert np.array_equal(eager.values[eager.valid], delayed.values[delayed.valid])
    assert (eager.infos, eager.warnings) == (delayed.infos, delayed.warnings)


@pytest.mark.parametrize(
    ("text", "info"),
    [
        ("histogram_quantile(0.5, falling_bucket)", "input to histogram_quantile needed to be"),
        ("histogram_quantile(0.5, h)", "input to histogram_quantile has NaN observations"),
        ("histogram_fraction(0, 1, h)", "input to histogram_fraction has NaN observations"),
    ],
)
def test_infos_of_histogram_functions_have_no_removed_name(text: str, info: str) -> None:
    lines = [
        (2, 'falling_bucket{le="1"} 5'),
        (3, 'falling_bucket{le="2"} 3'),
        (4, 'falling_bucket{le="+Inf"} 10'),
        (5, "h {{schema:0 count:4 sum:NaN buckets:[1 1]}}"),
    ]
    source = Storage().with_load(read_load(1, "load 1m", lines)).source()
    (eager,) = evaluate(text, source, QueryOptions(0, 0, name_removal=NameRemoval.EAGER)).infos
    (delayed,) = evaluate(text, source, QueryOptions(0, 0)).infos

    assert info in eager
    assert "for metric name" not in eager
    assert "for metric name" in delayed


@pytest.mark.parametrize("text", ["rate(X[2m])", "sum(rate(X[2m]))", "sum(rate(X[2m]) > 100)"])
def test_equal_series_at_one_step_are_an_error(text: str) -> None:
    with pytest.raises(EvaluationError, match="same labelset"):
        evaluate(text.replace("X", '{__name__=~".+"}'), two_metrics(begin_ms=0), EAGER)


@pytest.mark.parametrize("optimizer", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        'requests{x="1"} unless tan({__name__=~".+"})',
        'requests{x="1"} and ({__name__=~".+"} + 1)',
        'max by (x) (-{__name__=~".+"}) * requests{x="1"}',
    ],
)
def test_matchers_of_the_other_side_do_not_hide_equal_series(text: str, optimizer: bool) -> None:
    with pytest.raises(EvaluationError, match="same labelset"):
        evaluate(text, two_metrics(begin_ms=0), EAGER, optimizer=optimizer)
