"""Aggregations of series that come and go: random queries over random stores have one answer.

Of `quantile`, `topk` and `bottomk` it does not depend on how many steps are computed at a time; of
aggregations that look at some labels only, not on whether the others are read.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest

from novaql import QueryOptions, evaluate, tsdb
from novaql.errors import EvaluationError
from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.options import NameRemoval
from tests.support.execution.switches import kernels, rollup_stretches
from tests.support.store.churned import churned_store

pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")
pytestmark = pytest.mark.slow

SEEDS = range(5)
QUERIES_OF_A_STORE = 30

SELECTORS = (
    "m_total", "m", '{__name__=~".+"}', '{__name__=~"m|aa"}', '{g="1" or i="3"}', '{g=~"1|2"}',
)  # fmt: skip
MODIFIERS = ("", "", "", " offset 2m", " offset -90s", " @ 700", " @ end()")
ARGUMENTS = {
    "predict_linear": "{}, 60",
    "double_exponential_smoothing": "{}, 0.3, 0.6",
    "quantile_over_time": "0.3 + time() % 7 / 9, {}",
    "hoeffding_bound_lower": "0.9, {}",
    "hoeffding_bound_upper": "0.9, {}",
    "duration_over_time": "{}, 30",
}
FUNCTIONS = sorted(
    name
    for name, function in RANGE_FUNCTIONS.items()
    if ":" not in name and (function.strips or function.anchored)
)
BY = ("", "", "by (g)", "by (i, only1)", "without (i)", "by (__name__)", "without (g, only0)")
QUANTILES = ("0.5", "0", "0.93", "2", "-1", "NaN", "time() % 5 / 4", "scalar(count(m)) / 20")
COUNTS = ("1", "2", "3", "0", "-1", "1e9", "time() % 4", "NaN", "scalar(count(m))", "35")
OF_SOME_LABELS = (
    "count_values('v', X)",
    "count_values by (g) ('i', X)",
    "count_values by (g, i) ('g', X)",
    "quantile by (g) (0.4, X)",
    "quantile by (g) (scalar(median(X)), X)",
    "median by (g) (X)",
    "mode by (i) (X)",
    "mad by (__name__) (X)",
    "distinct by (g) (X)",
    "quantiles('phi', 0.1, 0.5, X)",
    "quantiles by (g) ('g', 0.1, 0.5, X)",
    "quantiles by (i) ('phi', scalar(count(m)), X)",
    "median(X) by (g) limit 2",
    "sum by (g) (X) / on (g) median by (g, i) (X)",
    "quantile by (g) (0.5, X) + on (g) group_left () count by (g) (X)",
    "median by (g) (X) or X",
    "topk(2, X) and on (g) median by (g) (X)",
    "sum by (g) (clamp_min(X, scalar(quantile(0.5, X))))",
    "median by (g) (X * 2 > 1)",
    "median by (g) ((X * 2) keep_metric_names)",
)
Answer = tuple[list[dict[str, str]], list[list[bool]], list[float], list[str]]


def operand(rng: random.Random) -> str:
    selector, modifier = rng.choice(SELECTORS), rng.choice(MODIFIERS)
    if rng.random() < 0.3:
        return selector + modifier
    name = rng.choice((*FUNCTIONS, "default_rollup", "rate", "rate", "increase"))
    ends = rng.choice(("", "", " anchored", " smoothed")) if name in ("rate", "increase") else ""
    window = f"{selector}[{rng.choice(('15s', '45s', '1m', '7m', '20m'))}]{ends}{modifier}"
    compared = re.fullmatch(r"(count|share|sum)_(eq|ne|gt|le)_over_time", name)
    call = f"{name}({ARGUMENTS.get(name, '{}, 1' if compared else '{}').format(window)})"
    return f"{call} keep_metric_names" if rng.random() < 0.1 else call


def ranked(rng: random.Random) -> str:
    op = rng.choice(("quantile", "topk", "bottomk"))
    parameter = rng.choice(QUANTILES if op == "quantile" else COUNTS)
    query = f"{op} {rng.choice(BY)} ({parameter}, {operand(rng)})"
    return rng.choice((query, query, f"count({query})", f"({query}) or {operand(rng)}"))


def random_options(rng: random.Random) -> QueryOptions:
    start_ms, step_ms = rng.randint(-100, 900) * 1000, rng.choice((7000, 15_000, 60_000, 300_000))
    return QueryOptions(
        start_ms,
        start_ms + step_ms * rng.randint(1, 60),
        step_ms,
        lookback_ms=rng.choice((300_000, 30_000)),
        left_closed=rng.random() < 0.2,
        name_removal=rng.choice(list(NameRemoval)),
    )


def answer(
    text: str, data: tsdb.Database, options: QueryOptions, *, optimizer: bool = True
) -> Answer | str:
    """The error, if there is one. Which of two equal zeros is found may differ."""
    try:
        found = evaluate(text, data, options, optimizer=optimizer)
    except EvaluationError as problem:
        return str(problem)
    valid = np.ones(found.values.shape, np.bool_) if found.valid is None else found.valid
    annotations = [*map(str, found.warnings), *map(str, found.infos)]
    return found.series.dicts(), valid.tolist(), found.values[valid].tolist(), annotations


@pytest.mark.parametrize("seed", SEEDS)
def test_stretches_of_steps_give_the_same_rows(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    with churned_store(rng, tmp_path / "store") as data, kernels(compiled=True):
        for _ in range(QUERIES_OF_A_STORE):
            text, options = ranked(rng), random_options(rng)
            whole = answer(text, data, options)
            with rollup_stretches(rng.choice((1, 5, 20, 200))):
                parts = answer(text, data, options)
            np.testing.assert_equal(parts, whole, f"{text} {options}")


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_that_are_not_read_have_no_effect(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    with churned_store(rng, tmp_path / "store") as data, kernels(compiled=seed % 2 == 0):
        for _ in range(QUERIES_OF_A_STORE):
            text = rng.choice(OF_SOME_LABELS).replace("X", operand(rng))
            options = random_options(rng)
            some = answer(text, data, options)
            every = answer(text, data, options, optimizer=False)
            if isinstance(some, str) or isinstance(every, str):
                assert isinstance(some, str) is isinstance(every, str), f"{text} {options}"
            else:
                np.testing.assert_equal(some[:2], every[:2], f"{text} {options}")
                np.testing.assert_allclose(some[2], every[2], rtol=1e-9, err_msg=text)
