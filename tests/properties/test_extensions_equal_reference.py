"""Random queries with extensions: texts, plans and answers."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import novaql
from novaql import evaluate, tsdb
from novaql.errors import LimitExceeded, NovaqlError, QueryTimeout
from novaql.inputs.tables.table_source import TableSource
from novaql.language import FUNCTIONS, format_expr, parse
from novaql.language.ast import Expr
from novaql.options import Limits, QueryOptions
from novaql.tsdb.model.labels import SeriesTable
from tests.support.generators.expressions import Vocabulary
from tests.support.generators.extended_expressions import extended_expressions
from tests.support.generators.queries_with_extensions import ExtensionMaker, sparse_series
from tests.support.generators.random_samples import batch_of
from tests.support.programs.query_answers import Answer, answer_of_result, disagreement
from tests.support.reference.trial import FIRST_MS, agree, random_options
from tests.support.reference.values import Series

MINUTES = 24
SEEDS = st.integers(0, 2**32)


@given(SEEDS, st.booleans(), st.booleans())
@settings(deadline=None)
def test_engine_equals_reference(seed: int, instant: bool, optimized: bool) -> None:
    rng = random.Random(seed)
    query = ExtensionMaker(rng).query()
    series = sparse_series(rng, FIRST_MS - 5 * 60_000, MINUTES)
    options = random_options(rng, instant, most_steps=5)
    data = [Series(labels, samples) for labels, samples in series]
    agree(query, data, batch_of(series), options, optimized=optimized)


@given(SEEDS)
@settings(deadline=None)
def test_both_styles_read_back_and_give_one_plan(seed: int) -> None:
    query = ExtensionMaker(random.Random(seed)).query()
    tree = parse(query)
    nested, piped = format_expr(tree), format_expr(tree, style="pipes")

    assert tree == parse(nested) == parse(piped)
    assert novaql.explain(query) == novaql.explain(nested) == novaql.explain(piped)


WORDS = Vocabulary(
    metrics=("a", "b"),
    labels=("n", "m", "le", "__name__"),
    functions=[name for name in FUNCTIONS if name != "now" and not name.startswith("rand")],
)


@pytest.mark.slow
@given(extended_expressions(vocabulary=WORDS, max_depth=3), SEEDS, st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_optimizer_changes_no_answer(expr: Expr, seed: int, instant: bool) -> None:
    query = format_expr(expr)
    rng = random.Random(seed)
    source = TableSource(batch_of(sparse_series(rng, FIRST_MS - 5 * 60_000, MINUTES)))
    options = random_options(rng, instant, most_steps=5)
    options = replace(options, timeout_s=5.0, limits=Limits(bytes=20_000_000))

    plain = outcome(query, source, options, optimizer=False)
    optimized = outcome(query, source, options, optimizer=True)

    if isinstance(plain, type) or optimized in (LimitExceeded, QueryTimeout):
        return  # a rule may have removed the part that was refused
    assert not isinstance(optimized, type), query
    assert disagreement(plain, optimized, relative=1e-6, absolute=1e-9) is None, query


def outcome(
    query: str, source: TableSource, options: QueryOptions, *, optimizer: bool
) -> Answer | type[NovaqlError]:
    """The answer, without texts and range vectors; or the class of the error."""
    try:
        result = evaluate(query, source, options, optimizer=optimizer)
    except NovaqlError as error:
        return type(error)
    has_series = result.raw is None and result.text is None
    return answer_of_result(result) if has_series else {}


def test_a_smoothed_range_between_equal_times() -> None:
    """Where both ends are one sample, there is no line between them: they have its value."""
    one = batch_of([({"__name__": "a"}, [(FIRST_MS, 1.0)])])
    end_ms = FIRST_MS + 30_000
    raw = evaluate("a[1m] smoothed", TableSource(one), QueryOptions(end_ms, end_ms)).raw

    assert raw is not None
    assert raw.times_ms.tolist() == [FIRST_MS - 30_000, FIRST_MS, FIRST_MS + 30_000]
    assert raw.values.tolist() == [1.0, 1.0, 1.0]


def test_shared_part_is_evaluated_once() -> None:
    made = tsdb.memory()
    labels = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(6)])
    times = list(range(0, 600_000, 15_000))
    made.append(tsdb.Batch(labels, [r for r in range(6) for _ in times], times * 6, [1.0] * 240))  # type: ignore[arg-type]

    text = novaql.analyze(
        "let e = sum by (i) (rate(m[2m])) in e / scalar(sum(e)) + e", made, time=500
    )

    lines = text.splitlines()
    assert sum("FunctionCall function=rate" in line for line in lines) == 1, text
    assert sum("reads 6 series" in line for line in lines) == 1, text
    assert not any(" times" in line for line in lines if "rate" in line), text
