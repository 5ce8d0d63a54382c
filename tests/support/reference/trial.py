"""Evaluates one query over the same samples by the engine and by the reference evaluator."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import assume

from novaql import evaluate
from novaql.errors import EvaluationError
from novaql.inputs.tables.table_source import TableSource
from novaql.language import parse_core
from novaql.model.float_histogram import FloatHistogram
from novaql.options import NameRemoval, QueryOptions
from novaql.tsdb import Batch
from tests.support.generators.random_queries import INEXACT
from tests.support.generators.random_samples import START_MS
from tests.support.programs.query_answers import (
    Answer,
    answer_of_result,
    disagreement,
    ranking_disagreement,
)
from tests.support.reference.evaluator import Reference
from tests.support.reference.values import Notes, RefusedError, Series, UnsureError

FIRST_MS = START_MS - START_MS % 60_000 + 6 * 60_000


@dataclass(frozen=True)
class Agreed:
    """Equal answers, with the annotations of the engine (`said`) and the notes of the reference
    (`noted`)."""

    said: frozenset[str]
    noted: Notes


def random_options(rng: random.Random, instant: bool, most_steps: int) -> QueryOptions:
    """Options with steps in the first quarter of an hour, and names removed early or late."""
    start = FIRST_MS + rng.randrange(8) * 60_000
    step = 0 if instant else rng.choice((30_000, 60_000, 90_000))
    end = start if instant else start + rng.randrange(most_steps) * step
    names = rng.choice((NameRemoval.DELAYED, NameRemoval.DELAYED, NameRemoval.EAGER))
    return QueryOptions(start, end, step, name_removal=names)


def agree(
    query: str, data: Sequence[Series], batch: Batch, options: QueryOptions, *, optimized: bool
) -> Agreed | None:
    """Assert that both agree; return None if the reference is unsure, or if both reject the query.

    data, batch: the same samples for either.
    """
    reference = Reference(
        list(data),
        options.start_ms,
        options.end_ms,
        options.step_ms,
        eager_names=options.name_removal is NameRemoval.EAGER,
    )
    try:
        expected: Answer | str = reference.answer(parse_core(query))
    except UnsureError:
        return None
    except RefusedError as refusal:
        expected = str(refusal)
    said: frozenset[str] = frozenset()
    try:
        result = evaluate(query, TableSource(batch), options, optimizer=optimized)
        found: Answer | str = answer_of_result(result)
        said = frozenset((*result.warnings, *result.infos))
    except EvaluationError as error:
        found = str(error)

    about = f"{query}\nwith {options}: "
    if isinstance(expected, str) or isinstance(found, str):
        assert isinstance(expected, str), about + f"refused: {found}"
        assert isinstance(found, str), about + f"not refused, expected {expected}"
        return None
    compare = ranking_disagreement if re.match("topk|bottomk", query) else disagreement
    difference = compare(expected, found)
    if difference is not None and INEXACT.search(query):
        assume(not _hangs_on_a_last_digit(reference, query, expected))
    assert difference is None, about + str(difference)
    return Agreed(said, reference.notes)


def _hangs_on_a_last_digit(reference: Reference, query: str, expected: Answer) -> bool:
    """Whether a change of the thirteenth digit of the data changes the answer of the reference."""
    almost = [
        Series(one.labels, [(moment, _nudged(value)) for moment, value in one.samples])
        for one in reference.data
    ]
    try:
        moved = replace(reference, data=almost, notes=Notes()).answer(parse_core(query))
    except (RefusedError, UnsureError):
        return True
    return disagreement(expected, moved) is not None


def _nudged(value: float | FloatHistogram) -> float | FloatHistogram:
    factor = 1 + 1e-13
    return value.scaled(factor) if isinstance(value, FloatHistogram) else value * factor
