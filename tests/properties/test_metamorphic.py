"""Two ways to the same answer: what must not matter, does not."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from novaql import evaluate, tsdb
from novaql.errors import EvaluationError, NovaqlError
from novaql.inputs.tables.table_source import TableSource
from novaql.language import format_expr
from novaql.language.ast import Expr
from novaql.options import Limits, QueryOptions
from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.model.source import Source
from novaql.tsdb.read.staleness import split_markers
from tests.support.generators.expressions import Vocabulary, well_typed_expressions
from tests.support.generators.random_queries import INEXACT, QueryMaker
from tests.support.generators.random_samples import (
    START_MS,
    Fleet,
    SeriesSamples,
    batch_of,
    random_fleet,
)
from tests.support.programs.query_answers import (
    Answer,
    answer_of_result,
    disagreement,
    ranking_disagreement,
)

FIRST_MS = START_MS - START_MS % 60_000 + 6 * 60_000
FLEET = Fleet(instances=3, minutes=20, interval_s=30, on_edges=True)
SEEDS = st.integers(0, 2**32)


def drawn(seed: int) -> tuple[SeriesSamples, str, QueryOptions]:
    """Data, a query and a range of five steps."""
    rng = random.Random(seed)
    series = random_fleet(rng, FLEET)
    query = QueryMaker(rng, [FIRST_MS // 1000 + 120], modern=True).query()
    start = FIRST_MS + rng.randrange(8) * 60_000
    step = rng.choice((30_000, 45_000, 60_000))
    return series, query, QueryOptions(start, start + 4 * step, step)


def answer(query: str, source: Source, options: QueryOptions) -> Answer | None:
    """None: refused."""
    try:
        return answer_of_result(evaluate(query, source, options))
    except EvaluationError:
        return None


def assert_same(query: str, one: Answer | None, other: Answer | None) -> None:
    if one is None or other is None:
        assert one is other, f"{query}: only one of the two ways is refused"
        return
    compare = ranking_disagreement if re.match("topk|bottomk", query) else disagreement
    difference = compare(one, other)
    if difference is not None and INEXACT.search(query):
        # Sums in another order may differ in a last digit, and a jump makes more of that.
        assume(not re.search(r"%|floor|ceil|round|[=<>]|changes|resets|sgn", query))
    assert difference is None, f"{query}: {difference}"


@pytest.mark.slow
@given(SEEDS)
def test_a_range_query_is_instant_queries_side_by_side(seed: int) -> None:
    series, query, options = drawn(seed)
    assume("start()" not in query)  # these differ by what they say
    assume("end()" not in query)
    source = TableSource(batch_of(series))
    times = range(options.start_ms, options.end_ms + 1, options.step_ms)
    moments = [answer(query, source, QueryOptions(time, time)) for time in times]
    whole = answer(query, source, options)

    if any(moment is None for moment in moments):
        assert whole is None
        return
    joined: Answer = {}
    for moment in moments:
        for labels, points in (moment or {}).items():
            joined.setdefault(labels, {}).update(points)
    assert_same(query, joined, whole)


@given(SEEDS)
def test_the_layout_of_batches_does_not_matter(seed: int) -> None:
    series, query, options = drawn(seed)
    batch = batch_of(series)
    source = TableSource(batch)

    lonely = TableSource.from_batches(batch.series, _a_batch_each(series))

    assert_same(query, answer(query, source, options), answer(query, lonely, options))


def _a_batch_each(series: SeriesSamples) -> list[SeriesBatch]:
    return [
        split_markers(
            SeriesBatch.regular(
                np.array([row]),
                np.array([time for time, _ in samples], np.int64),
                np.array([[value for _, value in samples]], np.float64),
            )
        )
        for row, (_, samples) in enumerate(series)
        if samples
    ]


@given(SEEDS)
def test_a_database_answers_as_a_table_does(seed: int) -> None:
    series, query, options = drawn(seed)
    batch = batch_of(series)
    database = tsdb.memory()
    database.append(batch)

    expected = answer(query, TableSource(batch), options)

    assert_same(query, expected, answer(query, database, options))


# --- any query at all ------------------------------------------------------------------------

WORDS = Vocabulary(
    metrics=("requests_total", "load", "limit", "seconds_bucket"),
    labels=("job", "instance", "zone", "code", "le", "__name__"),
)
ANY_DATA = TableSource(batch_of(random_fleet(random.Random(7), Fleet(instances=2, minutes=10))))


@pytest.mark.slow
@given(well_typed_expressions(vocabulary=WORDS, max_depth=3), st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_well_typed_query_is_answered_or_refused_in_words(expr: Expr, instant: bool) -> None:
    query = format_expr(expr)
    start = FIRST_MS
    options = QueryOptions(
        start,
        start if instant else start + 120_000,
        0 if instant else 30_000,
        timeout_s=5.0,
        limits=Limits(bytes=20_000_000),
    )
    try:
        result = evaluate(query, ANY_DATA, options)
    except NovaqlError:
        return
    labels = [tuple(sorted(label_set.items())) for label_set in result.series]
    assert len(set(labels)) == len(labels)
    if result.raw is None and result.text is None:
        assert result.values.shape == (len(labels), len(result.times_ms))
