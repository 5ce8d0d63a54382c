"""The engine equals the reference evaluator on native histograms, and says the same about them."""

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
from tests.properties.test_engine_equals_reference import hangs_on_a_last_digit
from tests.support.query_answers import (
    Answer,
    answer_of_result,
    disagreement,
    ranking_disagreement,
)
from tests.support.random_histograms import batch_of_any, random_histograms
from tests.support.random_native_queries import NativeQueryMaker
from tests.support.random_queries import INEXACT
from tests.support.random_samples import START_MS, Fleet, random_fleet
from tests.support.reference.evaluator import Reference
from tests.support.reference.values import Notes, RefusedError, Series, UnsureError

FIRST_MS = START_MS - START_MS % 60_000 + 6 * 60_000
FLEET = Fleet(instances=2, minutes=15, interval_s=30, on_edges=True)
PLACE = re.compile(r" \(\d+:\d+\)$")
SAID = re.compile(r"histogram(?!_quantile needed)|custom buckets|counter: ")
"""What the reference says something about; the rest of the notes is left to other tests."""
FOUND_ON_THE_FLY = re.compile(r"histogram_(count|sum|avg)")
"""Where only counts and sums are read, resets are found while reading, and may be in conflict."""


@given(st.integers(0, 2**32), st.booleans(), st.booleans())
@example(seed=1, instant=True, optimized=True)
def test_engine_equals_reference(seed: int, instant: bool, optimized: bool) -> None:
    rng = random.Random(seed)
    floats = random_fleet(rng, FLEET)
    native = random_histograms(rng, FLEET.instances, FLEET.minutes, FLEET.interval_s)
    series = [*((labels, samples) for labels, samples in floats), *native]
    query = NativeQueryMaker(rng, [FIRST_MS // 1000 + 120], modern=True).query()
    start = FIRST_MS + rng.randrange(8) * 60_000
    step = 0 if instant else rng.choice((30_000, 60_000, 90_000))
    end = start if instant else start + rng.randrange(4) * step
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
    said: set[str] = set()
    try:
        result = evaluate(query, TableSource(batch_of_any(series)), options, optimizer=optimized)
        found: Answer | str = answer_of_result(result)
        said = {PLACE.sub("", text) for text in (*result.warnings, *result.infos)}
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
        fresh = replace(reference, notes=Notes())
        assume(not hangs_on_a_last_digit(fresh, query, expected))
    assert difference is None, about + str(difference)
    if not reference.notes.unsure:
        some = SAID
        if FOUND_ON_THE_FLY.search(query):
            some = re.compile(rf"^(?!.*conflicting).*({SAID.pattern})")
        wanted = {text for text in reference.notes.texts if some.search(text)}
        heard = {text for text in said if some.search(text)}
        assert heard == wanted, about + f"said {sorted(heard)}, expected {sorted(wanted)}"
