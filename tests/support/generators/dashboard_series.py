"""Series for the metrics that dashboards name; the same for each call.

Counters grow by the same amount each interval, and windows are whole intervals, so that the last
sample before a window and the extrapolation to its edges do not change a rate.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from novaql.language import parse_core
from novaql.language.ast import (
    Aggregate,
    Call,
    DurationLiteral,
    Expr,
    MatrixSelector,
    VectorSelector,
)
from novaql.language.visit import children
from novaql.tsdb.model.matchers import Matcher

INTERVAL_S, PHASE_S = 15, 7
"""Samples come some seconds after the steps, so that none lies at the edge of a window."""
LABEL_SETS = 96
LATE = 20
"""Samples of a version that is new."""
BUCKETS = ("0.1", "1", "5", "10", "100", "+Inf")
RANGES = ("1.000e-01...1.136e-01", "1.000e+00...1.136e+00", "8.799e+00...1.000e+01")
ALWAYS = {"job": ("alpha", "beta", "not_selected"), "instance": ("a:1", "b:1", "c:9100")}
MANY = {"accountID": tuple("12345678")}
PLAIN = ("a", "b", "c", "d")
COUNTER = re.compile(r".*_(total|sum|count|bucket)")
ONE_FOR_EACH = {
    "node_uname_info": {"instance"},
    "mysql_global_status_innodb_page_size": {"instance"},
    "mysql_global_status_buffer_pool_pages": {"instance", "state"},
}
"""Labels whose values are those of one series, which vector matching relies on."""
MADE = {"rollup", "ip"}
"""Labels that functions set."""
COUNTED = {"rate", "increase", "irate", "rollup_rate"}
FLAG = re.compile(r"up|.*_(successful|failed|reachable|read_only|status|nodes|resources|quorate)")
BEFORE_S = 600
"""How much earlier series begin than the longest window on them."""


@dataclass
class Metric:
    """The type and labels of a metric, as far as queries show them."""

    labels: set[str] = field(default_factory=lambda: set(ALWAYS))
    counter: bool = False
    longest_s: int = 0


@dataclass(frozen=True)
class Series:
    labels: dict[str, str]
    times_ms: range
    values: list[float]


def series_of(queries: Iterable[str], first_s: int, last_s: int) -> list[Series]:
    """Series of all metrics of the queries, for these steps and the windows before them."""
    metrics: dict[str, Metric] = defaultdict(Metric)
    texts: dict[str, set[str]] = defaultdict(set)
    for query in queries:
        for selector, above in _selectors(parse_core(query), ()):
            for name in [selector.name] if selector.name else _names(selector):
                _learn(metrics[name], name, selector, above)
            for matcher in selector.matchers:
                texts[matcher.name] |= _examples(matcher)
    pools = {
        label: ALWAYS.get(label) or MANY.get(label) or _pool(texts[label] - {""})
        for metric in metrics.values()
        for label in metric.labels
    }
    found: list[Series] = []
    for name, metric in sorted(metrics.items()):
        start_s = first_s - metric.longest_s - BEFORE_S + PHASE_S
        times = range(start_s * 1000, (last_s + INTERVAL_S) * 1000, INTERVAL_S * 1000)
        found += _series(name, metric, pools, times)
    return found


def _pool(texts: set[str]) -> tuple[str, ...]:
    return (*sorted(texts), "other") if texts else PLAIN


def _selectors(
    expr: Expr, above: tuple[Expr, ...]
) -> Iterator[tuple[VectorSelector, tuple[Expr, ...]]]:
    if isinstance(expr, VectorSelector):
        yield expr, above
    for child in children(expr):
        yield from _selectors(child, (*above, expr))


def _names(selector: VectorSelector) -> set[str]:
    return {name for m in selector.matchers if m.name == "__name__" for name in _examples(m)}


def _learn(metric: Metric, name: str, selector: VectorSelector, above: tuple[Expr, ...]) -> None:
    metric.labels |= {m.name for m in selector.matchers} - {"__name__"}
    for node in above:
        if isinstance(node, Aggregate):
            metric.labels |= set(node.grouping) - MADE
        if isinstance(node, MatrixSelector) and isinstance(node.range, DurationLiteral):
            metric.longest_s = max(metric.longest_s, node.range.nanoseconds // 10**9)
    functions = {node.function for node in above if isinstance(node, Call)}
    metric.counter |= bool(COUNTER.fullmatch(name) or functions & COUNTED)


def _examples(matcher: Matcher) -> set[str]:
    """Values that a matcher selects or rejects, derived from its text."""
    if not matcher.op.is_regex:
        return {matcher.value}
    branches = re.sub(r"[\^$()]", "", matcher.value).split("|")
    return {branch.replace(".*", "").replace(".+", "x") for branch in branches}


def _series(
    name: str, metric: Metric, pools: dict[str, tuple[str, ...]], times: range
) -> Iterator[Series]:
    plain = sorted(metric.labels - {"le", "vmrange"})
    ranged = "vmrange" in metric.labels
    bounds = RANGES if ranged else BUCKETS if name.endswith("_bucket") else (None,)
    seen = set()
    for number in range(LABEL_SETS if bounds == (None,) else LABEL_SETS // 8):
        values = [random.Random(f"{label} {number}").choice(pools[label]) for label in plain]
        common = dict(zip(plain, values, strict=True))
        which = tuple(common[label] for label in ONE_FOR_EACH.get(name, plain))
        if which in seen:
            continue
        seen.add(which)
        growth = random.Random(f"{name} {number}")
        total = 0
        for bound in bounds:
            labels = {"__name__": name} | common
            if bound is not None:
                labels["vmrange" if ranged else "le"] = bound
            slope = growth.randint(1, 99)
            total = slope if ranged else total + slope
            chance = random.Random(f"{name} {number} {bound}")
            new = {labels.get(label) for label in ("version", "short_version")} & {"other", "d"}
            lived = times[-LATE:] if new else times
            yield Series(labels, lived, _values(name, metric, chance, total, len(lived)))


def _values(
    name: str, metric: Metric, chance: random.Random, slope: int, count: int
) -> list[float]:
    if metric.counter:
        start = chance.randint(100_000, 200_000)
        return [float(start + slope * k) for k in range(count)]
    if name.endswith("_timestamp"):
        value, found = 1.0, []
        for _ in range(count):
            value += chance.random() < 0.05
            found.append(value)
        return found
    if FLAG.fullmatch(name):
        return [float(chance.randint(0, 1)) for _ in range(count)]
    return [float(f"{10 ** chance.uniform(-1, 7):.6g}") for _ in range(count)]
