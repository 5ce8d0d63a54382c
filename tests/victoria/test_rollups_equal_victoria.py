"""MetricsQL's functions of ranges give on random data what a running VictoriaMetrics gives.

Samples come every 15 seconds, some seconds after the steps, so that none lies at the edge of a
window. What is known to differ:

- VictoriaMetrics also uses the last sample before a window, and so sees what happened between it
  and the first sample in the window. `BEFORE`: this engine is asked with a window that is longer
  by one interval, which then holds the same samples.
- `rollup_rate`, `rollup_delta`, … take the change from each sample to the next one, the one after
  the window among them. `AROUND`: this engine is asked with a window longer by one interval, which
  ends one interval later. The last step is left out: there VictoriaMetrics has not read the sample.
- `rollup_candlestick` answers for the step that follows (`FOLLOWING`).
- `mode_over_time` counts the sample before the window once, as if there were one more of it, so
  that among values as frequent, or more rarely by one, another may be chosen.
- `zscore_over_time` needs a sample that is not older than a scrape interval; the newest always is.
- A counter that falls by less than an eighth has no reset there: those here start again near 0.
- `stale_samples_over_time` is not compared: the import of JSON lines takes no staleness markers.
- `tlast_change_over_time` without a change in the window: the windows compared have one.
- Numbers are stored as decimals with about 15 digits: those here have at most 7.
- `holt_winters` keeps the metric name; here it is `double_exponential_smoothing`, which drops it.
  VictoriaMetrics does not read the sample before the window of the first step: that is left out.
- `increase_pure` of a series that begins in a window: the windows compared lie later.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

import novaql
from novaql import tsdb
from novaql.language.signatures import FUNCTIONS, Origin
from novaql.tsdb import Batch
from novaql.tsdb.model.labels import SeriesTable
from tests.support.programs.query_answers import (
    Answer,
    answer_of_result,
    values_close,
)
from tests.support.programs.victoria_program import ask_victoria, running_victoria, send_series

START_MS = 1_700_000_040_000
"""A whole minute."""
INTERVAL_S, PHASE_MS, SAMPLES = 15, 7_000, 400
FIRST_S, LAST_S, STEP_S = START_MS // 1000 + 3600, START_MS // 1000 + 5400, 60
TIMES = {"start": FIRST_S, "end": LAST_S, "step": STEP_S}
WINDOWS_S = (60, 150, 300, 615, 1200)
SEEDS = range(3)

PLAIN = (
    "count_eq_over_time(few[W], 2)", "count_ne_over_time(few[W], 2)",
    "count_gt_over_time(gauge[W], 50)", "count_le_over_time(gauge[W], 50)",
    "count_gt_over_time(gauge[W], time() - 1700003640)",
    "share_eq_over_time(few[W], 2)", "share_gt_over_time(gauge[W], 50)",
    "share_le_over_time(gauge[W], 50)", "share_le_over_time(gauge[W], (time() - 1700003640) / 20)",
    "sum_eq_over_time(few[W], 2)", "sum_gt_over_time(gauge[W], 50)",
    "sum_le_over_time(gauge[W], 50)", "sum_gt_over_time(gauge[W], (time() - 1700003640) / 20)",
    "sum2_over_time(gauge[W])", "range_over_time(gauge[W])", "median_over_time(gauge[W])",
    "mode_over_time(few[W])", "distinct_over_time(few[W])", "geomean_over_time(gauge[W])",
    "zscore_over_time(gauge[W])", "outlier_iqr_over_time(spiky[W])",
    "hoeffding_bound_lower(0.9, gauge[W])", "hoeffding_bound_upper(0.9, gauge[W])",
    "hoeffding_bound_upper(0, gauge[W])", "hoeffding_bound_lower(1, gauge[W])",
    "rate_over_sum(gauge[W])", 'quantiles_over_time("q", 0.25, 0.5, 0.999, gauge[W])',
    'count_values_over_time("v", few[W])', "histogram_over_time(gauge[W])",
    "histogram_over_time(few[W])", "duration_over_time(gauge[W], 20)",
    "duration_over_time(gauge[W], 10)", "lag(gauge[W])", "tfirst_over_time(gauge[W])",
    "tlast_over_time(gauge[W])", "tmin_over_time(few[W])", "tmax_over_time(few[W])",
    "tlast_change_over_time(gauge[W])", "timestamp_with_name(gauge[W])", "default_rollup(few[W])",
    "changes_prometheus(few[W])", "delta_prometheus(gauge[W])", "increase_prometheus(counter[W])",
    "increase_pure(counter[W])", "ideriv(gauge[W])",
    "integrate(gauge[W])", "rollup(gauge[W])", 'rollup(gauge[W], "max")',
    'aggr_over_time(("min_over_time", "max_over_time", "sum2_over_time"), gauge[W])',
)  # fmt: skip
BEFORE = (
    "ascent_over_time(gauge[W])", "descent_over_time(gauge[W])", "increases_over_time(few[W])",
    "decreases_over_time(few[W])", "deriv_fast(gauge[W])", "lifetime(gauge[W])",
    "scrape_interval(gauge[W])",
    "rollup_scrape_interval(gauge[W])", "holt_winters(gauge[W], 0.3, 0.6)",
)  # fmt: skip
AROUND = (
    "rollup_delta(gauge[W])", "rollup_deriv(gauge[W])", "rollup_increase(counter[W])",
    "rollup_rate(counter[W])", 'rollup_rate(counter[W], "avg")',
)  # fmt: skip
FOLLOWING = ("rollup_candlestick(gauge[W])",)
NOT_COMPARED = {"stale_samples_over_time"}
MISSING = {"rate_prometheus"}
"""Functions that the packaged version of VictoriaMetrics lacks: scripts have values by hand."""

Samples = dict[tuple[str, int], list[float]]


def test_every_function_is_compared() -> None:
    queries = (*PLAIN, *BEFORE, *AROUND, *FOLLOWING)
    compared = {query.partition("(")[0] for query in queries}
    ours = {
        name
        for name, row in FUNCTIONS.items()
        if row.origin is Origin.METRICSQL and "range vector" in str(row)
    }

    assert ours - NOT_COMPARED - MISSING == compared


@pytest.fixture(scope="module")
def samples() -> Samples:
    found: Samples = {}
    for number in range(4):
        chance = random.Random(number)
        found["gauge", number] = [chance.randint(1, 999_999) / 10_000 for _ in range(SAMPLES)]
        found["few", number] = [float(chance.randint(0, 3)) for _ in range(SAMPLES)]
        found["spiky", number] = [
            chance.randint(1, 20) * (100.0 if chance.random() < 0.1 else 1.0)
            for _ in range(SAMPLES)
        ]
        total, counter = 100.0, []
        for _ in range(SAMPLES):
            total = float(chance.randint(0, 3)) if chance.random() < 0.03 else total
            total += chance.randint(0, 60)
            counter.append(total)
        found["counter", number] = counter
    return found


def times_of(number: int) -> list[int]:
    return [START_MS + PHASE_MS + number * 500 + k * INTERVAL_S * 1000 for k in range(SAMPLES)]


@pytest.fixture(scope="module")
def database(samples: Samples) -> Iterator[tsdb.Database]:
    table = SeriesTable.from_dicts([{"__name__": name, "n": str(n)} for name, n in samples])
    rows = np.repeat(np.arange(len(samples)), SAMPLES)
    times = np.array([times_of(n) for _, n in samples]).reshape(-1)
    with tsdb.memory() as opened:
        opened.append(Batch(table, rows, times, np.array(list(samples.values())).reshape(-1)))
        yield opened


@pytest.fixture(scope="module")
def victoria(samples: Samples, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_victoria(tmp_path_factory.mktemp("victoria") / "vm") as url:
        send_series(
            url,
            (
                ({"__name__": name, "n": str(n)}, times_of(n), values)
                for (name, n), values in samples.items()
            ),
        )
        yield url


def ours(database: tsdb.Database, query: str) -> Answer:
    # VictoriaMetrics has lists of texts in parentheses here.
    query = re.sub(r"\(\((.*?)\), ", r"(\1, ", query)
    found = novaql.query(query, database, start=FIRST_S, end=LAST_S, step=STEP_S)
    return answer_of_result(found)


@pytest.mark.slow
@pytest.mark.parametrize("window", WINDOWS_S)
@pytest.mark.parametrize("query", [*PLAIN, *BEFORE, *AROUND, *FOLLOWING])
def test_function(
    database: tsdb.Database, victoria: str, samples: Samples, query: str, window: int
) -> None:
    asked, until = f"[{window}s]", LAST_S * 1000
    if query in BEFORE:
        asked = f"[{window + INTERVAL_S}s]"
    elif query in AROUND:
        asked, until = f"[{window + INTERVAL_S}s] offset -{INTERVAL_S}s", until - 1
    elif query in FOLLOWING:
        asked = f"[{window}s] offset -{STEP_S}s"
    expected = ask_victoria(victoria, query.replace("[W]", f"[{window}s]"), TIMES)
    assert expected
    if query.startswith("holt_winters"):
        expected = {labels[1:]: points for labels, points in expected.items()}
    actual = ours(database, query.replace("[W]", asked))

    if query.startswith("holt_winters"):
        for points in (*expected.values(), *actual.values()):
            points.pop(FIRST_S * 1000, None)
    assert _differences(expected, actual, until, query, samples, window) == []


def _differences(
    expected: Answer, actual: Answer, until: int, query: str, samples: Samples, window: int
) -> list[str]:
    wrong = []
    for labels in sorted(set(expected) | set(actual)):
        left, right = expected.get(labels, {}), actual.get(labels, {})
        for time in sorted(set(left) | set(right)):
            a, b = left.get(time), right.get(time)
            if time > until:
                continue
            if a is not None and b is not None and values_close(a, b, 1e-9, 1e-9):
                continue
            few = samples["few", int(dict(labels)["n"])]
            if query.startswith("mode") and _as_frequent(few, labels, time, window, a, b):
                continue
            wrong.append(f"{dict(labels)} at {time}: {a} there, {b} here")
    return wrong[:10]


def _as_frequent(
    values: list[float],
    labels: tuple[tuple[str, str], ...],
    time: int,
    window: int,
    theirs: object,
    ours: object,
) -> bool:
    """Whether VictoriaMetrics's mode is rarer by one at most than ours, which is the smallest."""
    assert isinstance(theirs, float)
    assert isinstance(ours, float)
    times = times_of(int(dict(labels)["n"]))
    inside = [v for t, v in zip(times, values, strict=True) if time - window * 1000 < t <= time]
    counts = Counter(inside)
    most = max(counts.values())
    smallest = min(v for v, count in counts.items() if count == most)
    return math.isclose(ours, smallest) and counts[theirs] >= most - 1
