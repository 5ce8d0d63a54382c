"""Functions that PromQL lacks, over random data: this engine against a real VictoriaMetrics.

Samples lie on the steps of the queries, so that neither staleness nor windows matter; gaps are made
by comparisons. NaN means "no value" in MetricsQL and is compared as absence. Everything drawn comes
from one seed, printed with the counts; NOVAQL_SEED repeats a run.
"""

from __future__ import annotations

import math
import os
import random
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from novaql import evaluate
from novaql.errors import NovaqlError
from novaql.inputs.tables.table_source import TableSource
from novaql.language import AGGREGATORS, FUNCTIONS
from novaql.language.signatures import Origin
from novaql.options import QueryOptions
from tests.support.generators.metricsql_queries import COVERED, MetricsqlMaker
from tests.support.generators.random_samples import SeriesSamples, batch_of
from tests.support.programs.query_answers import (
    Answer,
    Number,
    answer_of_result,
    disagreement,
    label_set,
)
from tests.support.programs.victoria_program import ask_victoria, running_victoria, send_series

SEED = int(os.environ.get("NOVAQL_SEED", "1112"))
MANY = int(os.environ.get("NOVAQL_DIFFERENTIAL", "10000"))
STEP_S = 60
START_S = 1_700_000_400
STEPS = 12

NAMELESS = re.compile(r"\b(running_\w+|range_(sum|avg|min|max))\(")
"""VictoriaMetrics 1.112 drops metric names there. Later ones, and this engine, do not."""

ABSENT_ZERO = re.compile(
    r'\b(topk|bottomk)_\w+[^"]*"[ab]=other"|histogram\(|prometheus_buckets\(|range_std(dev|var)\('
)
"""Sums, counts and deviations of no values are 0 in VictoriaMetrics; here they are absent."""

GAPS_WEIGH = re.compile(r"\b(running|range)_avg\(")
"""VictoriaMetrics divides by the number of steps that have passed, gaps among them; here by the
number of values."""

NO_OBSERVATIONS = re.compile(r"histogram_share\((-1|7|9|Inf),")
"""Below 0 and above all bounds VictoriaMetrics gives 0 and 1, also where nothing was observed; here
a histogram without observations has no share."""

WITHOUT_VALUES = re.compile(r"(drop_common_labels|union)\(.*([<>]|!=)")
"""In VictoriaMetrics series that a comparison has left without values have a part in it."""

MADE_EQUAL = re.compile(r'sum\(.*"[ab]=other"')
"""The rests of several groups with one label set fail the query here; VictoriaMetrics adds them up
and fails only where such series are the result."""

NOT_COMPARED = {
    "any": "VictoriaMetrics takes whichever series comes first",
    "now": "the time of the clock",
    "rand": "other generators of random numbers",
    "rand_exponential": "other generators of random numbers",
    "rand_normal": "other generators of random numbers",
    "ttf": "the decrease is that of two steps in VictoriaMetrics, which looks before the window",
    "sort_by_label_numeric": "changes the order of instant vectors alone; see its script",
    "sort_by_label_numeric_desc": "changes the order of instant vectors alone; see its script",
    "limit_offset": "the order of series is VictoriaMetrics's own",
}
"""Functions that have scripts alone."""

Peers = tuple[str, TableSource]


def test_every_function_is_compared_or_says_why_not() -> None:
    """Functions of range vectors are compared in tests/victoria."""
    here = {n for n, row in FUNCTIONS.items() if row.origin is Origin.METRICSQL}
    here = {n for n in here if "range vector" not in str(FUNCTIONS[n])}
    here |= {n for n, row in AGGREGATORS.items() if row.origin is Origin.METRICSQL}

    assert COVERED | set(NOT_COMPARED) == here


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    series = random_grid(random.Random(SEED))
    with running_victoria(tmp_path_factory.mktemp("victoria") / "data") as url:
        send_series(url, ((labels, [t for t, _ in s], [v for _, v in s]) for labels, s in series))
        yield url, TableSource(batch_of(series))


def random_grid(rng: random.Random) -> SeriesSamples:
    """Gauges, a counter, and buckets of both kinds, with a sample at each step."""
    times = [(START_S + STEP_S * step) * 1000 for step in range(STEPS)]
    out: SeriesSamples = []
    for number in range(8):
        labels = {"a": "xyz"[number % 3], "b": f"V-{number}", "n": str(number * 0.5), "c": "k"}
        if number % 4 == 3:
            labels |= {"a2": labels["a"], "n": "none"}
        values = [(t, rng.choice((0.0, rng.randrange(-40, 400) / 8))) for t in times]
        out.append(({"__name__": "x", **labels}, values))
    for number in range(7):
        labels = {"__name__": "u", "a": "xyz"[number % 3], "b": str(number)}
        out.append((labels, [(t, rng.random() * 100 - 10) for t in times]))
    for number in range(3):
        level = 0.0
        counter = []
        for t in times:
            level = rng.choice((level + 3, level + 8, level * 15 / 16, 1.0))
            counter.append((t, level))
        out.append(({"__name__": "resets", "a": "xyz"[number]}, counter))
    for a in "xy":
        counts = [0] * 6
        for t in times:
            for bucket in range(6):
                counts[bucket] += rng.choice((0, 1, 4))
            for bucket, le in enumerate(("0.5", "1", "2", "4", "8", "+Inf")):
                labels = {"__name__": "h_bucket", "a": a, "le": le}
                _append(out, labels, (t, float(sum(counts[: bucket + 1]))))
    ranges = ("0...1.000e-09", "1.000e+00...1.136e+00", "1.136e+00...1.292e+00", "2.0...5.0")
    for a in "xy":
        for vmrange in ranges:
            values = [(t, float(rng.choice((0, 0, 2, 5)))) for t in times]
            out.append(({"__name__": "v_bucket", "a": a, "vmrange": vmrange}, values))
    return out


def _append(series: SeriesSamples, labels: dict[str, str], sample: tuple[int, float]) -> None:
    for known, samples in series:
        if known == labels:
            samples.append(sample)
            return
    series.append((labels, [sample]))


@pytest.mark.slow
def test_a_few_hundred_random_queries_agree(peers: Peers) -> None:
    _compare(peers, SEED, 600)


@pytest.mark.slow
def test_thousands_of_random_queries_agree(peers: Peers) -> None:
    """NOVAQL_DIFFERENTIAL=1000 asks fewer."""
    _compare(peers, SEED + 1, MANY)


def _compare(peers: Peers, seed: int, count: int) -> None:
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    for _ in range(count):
        query = MetricsqlMaker(rng).query()
        first = rng.randrange(STEPS - 2)
        last = rng.randrange(first, STEPS)
        outcome, difference = _agreement(peers, query, first, last)
        outcomes[outcome] += 1
        if difference is not None:
            wrong.append(f"{query}\n  steps {first} to {last}: {difference}")
    print(f"seed {seed}: {dict(outcomes)}")  # noqa: T201 - the counts say what was compared

    shown = "\n".join(wrong[:10])
    assert not wrong, f"{len(wrong)} of {count} queries disagree (seed {seed}):\n{shown}"
    assert outcomes["equal"] > 0.6 * count


def _agreement(peers: Peers, query: str, first: int, last: int) -> tuple[str, str | None]:
    """What came of a comparison, and the difference if there is one."""
    url, source = peers
    start_s, end_s = START_S + STEP_S * first, START_S + STEP_S * last
    options = QueryOptions(start_s * 1000, end_s * 1000, STEP_S * 1000, lookback_ms=1000)
    try:
        found: Answer | None = answer_of_result(evaluate(query, source, options))
    except NovaqlError:
        found = None
    times = {"start": start_s, "end": end_s, "step": STEP_S}
    expected = ask_victoria(url, query, times)
    if expected is None or found is None:
        if expected is found:
            return "both refuse", None
        if expected is None and _has_gaps(query):
            return "known: series that take turns are one", None
        if found is None and MADE_EQUAL.search(query):
            return "known: rests are made equal", None
        return "one refuses", f"expected {expected}, found {found}"
    found, expected = _cleaned(query, found), _cleaned(query, expected)
    difference = disagreement(expected, found, relative=1e-9, absolute=1e-9)
    if difference is None:
        return ("equal" if expected else "equal and empty"), None
    if GAPS_WEIGH.search(query) and _has_gaps(query):
        return "known: gaps weigh", None
    if WITHOUT_VALUES.search(query):
        return "known: labels of series without values", None
    if NO_OBSERVATIONS.search(query):
        return "known: no observations", None
    return "different", difference


def _has_gaps(query: str) -> bool:
    return re.search("[<>]|!=", query) is not None


def _cleaned(query: str, answer: Answer) -> Answer:
    """Without NaN, names that are known to differ, and zeros that are absence here."""
    absent = (0.0,) if ABSENT_ZERO.search(query) else ()
    out: Answer = {}
    for key, points in answer.items():
        labels = dict(key)
        if NAMELESS.search(query):
            labels.pop("__name__", None)
        left: dict[int, Number] = {
            moment: value
            for moment, value in points.items()
            if isinstance(value, float) and not math.isnan(value) and value not in absent
        }
        if left:
            out[label_set(labels)] = left
    return out
