"""Rules about counters, gauges, and their windows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from novaql.language import walk
from novaql.language.ast import Aggregate, Call, DurationLiteral, Expr, MatrixSelector, Subquery
from novaql.lint.finding import Remark, Severity
from novaql.lint.knowledge import Knowledge
from novaql.lint.tree import bare, calls, metric_of_range, range_of

OF_COUNTERS = frozenset(
    {
        "rate", "increase", "irate", "resets", "increase_pure", "increase_prometheus",
        "rate_prometheus", "rollup_rate", "rollup_increase",
    }
)  # fmt: skip
OF_GAUGES = {
    "delta": "increase",
    "idelta": "irate",
    "deriv": "rate",
    "predict_linear": "predict_linear(rate(…)[…:], …)",
    "delta_prometheus": "increase_prometheus",
    "ideriv": "irate",
    "deriv_fast": "rate",
}

_RATE = re.compile(r"(rate|irate|increase)(\d+(ms|[smhdwy]))*")
"""A word of a recording rule's operations: `job:errors:rate5m`."""


def rate_of_gauge(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """rate, increase and irate treat every decrease as a reset, so their results for a gauge have
    no meaning."""
    for node in calls(root, OF_COUNTERS):
        metric = metric_of_range(node)
        if metric is None:
            continue
        kind = known.type_of(metric)
        if kind in ("gauge", "info", "stateset"):
            yield Remark(
                Severity.ERROR,
                f"{node.function} is for counters, but {metric} is a {kind}",
                node.span,
                f"use {'delta' if node.function != 'resets' else 'changes'} or deriv for a gauge",
            )


def delta_of_counter(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """delta and deriv treat the reset of a counter as a decrease."""
    for node in calls(root, OF_GAUGES):
        metric = metric_of_range(node)
        if metric is None:
            continue
        kind = known.type_of(metric)
        if kind == "counter" or (kind is None and metric.endswith("_total")):
            yield Remark(
                Severity.WARNING,
                f"{node.function} takes a reset of the counter {metric} for a fall",
                node.span,
                f"use {OF_GAUGES[node.function]}",
            )


def rate_of_sum(root: Expr, known: Knowledge) -> Iterator[Remark]:  # noqa: ARG001
    """A sum hides the reset of one series: first rate, then sum."""
    for node in calls(root, OF_COUNTERS):
        for argument in node.arguments:
            inner = bare(argument)
            if isinstance(inner, Subquery) and isinstance(bare(inner.inner), Aggregate):
                yield Remark(
                    Severity.WARNING,
                    f"{node.function} of an aggregation cannot see resets of single series",
                    node.span,
                    f"aggregate after {node.function}, not before",
                )


def rate_of_rate(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """A rate increases and decreases: a rate of it counts each decrease as a reset."""
    del known
    for node in calls(root, OF_COUNTERS - {"resets"}):
        metric = metric_of_range(node) or ""
        inner = next(
            (bare(a.inner) for a in map(bare, node.arguments) if isinstance(a, Subquery)), None
        )
        while isinstance(inner, Aggregate):
            inner = bare(inner.operand)
        if _is_recorded_rate(metric):
            what = metric
        elif isinstance(inner, Call) and inner.function in OF_COUNTERS - {"resets"}:
            what = f"the result of {inner.function}"
        else:
            continue
        yield Remark(
            Severity.WARNING,
            f"{what} falls and rises, and {node.function} takes each fall for a reset",
            node.span,
            "use avg_over_time, or deriv for its trend; sum_over_time adds up increases",
        )


def _is_recorded_rate(metric: str) -> bool:
    """Whether the name is that of a recording rule for a rate: level:metric:operations."""
    words = re.split("[:_]", metric.partition(":")[2])
    return words[-1] not in ("total", "count", "bucket") and any(map(_RATE.fullmatch, words))


def raw_counter(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """The sum of counters jumps when a process restarts or a target goes away."""
    counted = {
        id(bare(node.operand))
        for node in walk(root)
        if isinstance(node, Aggregate) and node.op in ("count", "group")
    }  # the values do not matter there
    for node in walk(root):
        if not (isinstance(node, Aggregate) and node.op in ("sum", "avg", "median", "geomean")):
            continue
        if id(node) in counted:
            continue
        operand = bare(node.operand)
        metric = getattr(operand, "name", None)
        if isinstance(metric, str) and (
            known.type_of(metric) == "counter"
            or (known.type_of(metric) is None and metric.endswith("_total"))
        ):
            yield Remark(
                Severity.INFO,
                f"{node.op} of the counter {metric} falls when a target restarts or goes away",
                node.span,
                f"{node.op} its rate or increase",
            )


def short_window(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """A window with fewer than two samples has no result. Scrapes are 15 s apart or more."""
    del known
    for node in calls(root, OF_COUNTERS | {"delta", "deriv"}):
        window = range_of(node)
        if isinstance(window, MatrixSelector) and isinstance(window.range, DurationLiteral):
            seconds = window.range.nanoseconds / 1e9
            if seconds < 30:
                yield Remark(
                    Severity.WARNING,
                    f"{node.function} needs two samples, and {seconds:g} s seldom hold two",
                    window.range.span,
                    "use four times the scrape interval",
                )
