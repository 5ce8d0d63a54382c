"""The engine equals the reference evaluator on random data and queries, edges included."""

from __future__ import annotations

import random
import re
from dataclasses import replace

from hypothesis import assume, example, given
from hypothesis import strategies as st

from novaql.api import evaluate
from novaql.errors import EvaluationError
from novaql.inputs.table_source import TableSource
from novaql.language import parse
from novaql.options import NameRemoval, QueryOptions
from novaql.promqltest.histogram import FloatHistogram
from tests.support.query_answers import (
    Answer,
    answer_of_result,
    disagreement,
    ranking_disagreement,
)
from tests.support.random_queries import INEXACT, QueryMaker
from tests.support.random_samples import START_MS, Fleet, batch_of, random_fleet
from tests.support.reference.evaluator import Reference
from tests.support.reference.values import RefusedError, Series, UnsureError

FIRST_MS = START_MS - START_MS % 60_000 + 6 * 60_000
FLEET = Fleet(instances=3, minutes=20, interval_s=30, on_edges=True)


@given(st.integers(0, 2**32), st.booleans(), st.booleans())
@example(seed=1, instant=True, optimized=True)
def test_engine_equals_reference(seed: int, instant: bool, optimized: bool) -> None:
    rng = random.Random(seed)
    series = random_fleet(rng, FLEET)
    query = QueryMaker(rng, [FIRST_MS // 1000 + 120], modern=True).query()
    start = FIRST_MS + rng.randrange(8) * 60_000
    step = 0 if instant else rng.choice((30_000, 60_000, 90_000))
    end = start if instant else start + rng.randrange(5) * step
    names = rng.choice((NameRemoval.DELAYED, NameRemoval.DELAYED, NameRemoval.EAGER))
    options = QueryOptions(start, end, step, name_removal=names)
    reference = Reference(
        [Series(labels, samples) for labels, samples in series],
        start,
        end,
        step,
        eager_names=names is NameRemoval.EAGER,
    )
    try:
        expected: Answer | str = reference.answer(parse(query))
    except UnsureError:
        return
    except RefusedError as refusal:
        expected = str(refusal)
    try:
        result = evaluate(query, TableSource(batch_of(series)), options, optimizer=optimized)
        found: Answer | str = answer_of_result(result)
    except EvaluationError as error:
        found = str(error)

    about = f"{query}\nfrom {start} to {end} step {step}, names {names}: "
    if isinstance(expected, str) or isinstance(found, str):
        assert isinstance(expected, str), about + f"refused: {found}"
        assert isinstance(found, str), about + f"not refused, expected {expected}"
        return
    compare = ranking_disagreement if re.match("topk|bottomk", query) else disagreement
    difference = compare(expected, found)
    if difference is not None and INEXACT.search(query):
        assume(not hangs_on_a_last_digit(reference, query, expected))
    assert difference is None, about + str(difference)


def hangs_on_a_last_digit(reference: Reference, query: str, expected: Answer) -> bool:
    """Whether data that differs in the thirteenth digit gives the reference another answer."""
    almost = [
        Series(one.labels, [(moment, _nudged(value)) for moment, value in one.samples])
        for one in reference.data
    ]
    try:
        moved = replace(reference, data=almost).answer(parse(query))
    except (RefusedError, UnsureError):
        return True
    return disagreement(expected, moved) is not None


def _nudged(value: float | FloatHistogram) -> float | FloatHistogram:
    factor = 1 + 1e-13
    return value.scaled(factor) if isinstance(value, FloatHistogram) else value * factor
