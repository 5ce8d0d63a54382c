"""Rules about quantiles of classic histograms."""

from __future__ import annotations

from collections.abc import Iterator

from novaql.language import walk
from novaql.language.ast import Aggregate, Call, Expr, MatrixSelector, VectorSelector
from novaql.lint.finding import Remark, Severity
from novaql.lint.knowledge import Knowledge
from novaql.lint.tree import all_matchers, bare, calls, metric_of, range_of, selectors

QUANTILES = {
    "histogram_quantile": 1,
    "histogram_fraction": 2,
    "histogram_quantiles": 0,
    "histogram_share": 1,
}
"""Function → index of the histogram among its arguments."""
_RATES = frozenset({"rate", "increase", "irate"})


def missing_le(root: Expr, known: Knowledge) -> Iterator[Remark]:  # noqa: ARG001
    """Without `le`, buckets cannot be distinguished."""
    for operand in _operands(root):
        for node in walk(operand):
            if not isinstance(node, Aggregate) or not _of_buckets(node):
                continue
            if node.without and "le" in node.grouping:
                yield Remark(
                    Severity.ERROR,
                    "the buckets lose their bounds: le is aggregated away",
                    node.span,
                    "leave le out of without (…)",
                )
            elif not node.without and "vmrange" in node.grouping:
                if not _converted(operand):
                    yield Remark(
                        Severity.ERROR,
                        "buckets of vmrange have no le",
                        node.span,
                        "put prometheus_buckets(…) around them",
                    )
            elif not node.without and "le" not in node.grouping:
                grouping = ", ".join(("le", *node.grouping))
                yield Remark(
                    Severity.ERROR,
                    "the buckets lose their bounds: le is aggregated away",
                    node.span,
                    f"write {node.op} by ({grouping}) (…)",
                )


def _converted(histogram: Expr) -> bool:
    """Whether buckets of `vmrange` become buckets of `le`."""
    return any(
        isinstance(node, Call) and node.function == "prometheus_buckets" for node in walk(histogram)
    )


def quantile_of_averages(root: Expr, known: Knowledge) -> Iterator[Remark]:  # noqa: ARG001
    """Buckets are added up; the mean of quantiles is not a quantile."""
    for node in walk(root):
        if isinstance(node, Aggregate) and node.op in ("avg", "sum"):
            inner = bare(node.operand)
            if isinstance(inner, Call) and inner.function in QUANTILES:
                yield Remark(
                    Severity.WARNING,
                    f"the {node.op} of quantiles is no quantile",
                    node.span,
                    "sum the buckets by le, then take the quantile",
                )
    for operand in _operands(root):
        for node in walk(operand):
            if isinstance(node, Aggregate) and node.op not in ("sum", "avg") and _of_buckets(node):
                yield Remark(
                    Severity.WARNING,
                    f"{node.op} of cumulative buckets is not a histogram",
                    node.span,
                    "use sum",
                )


def quantile_since_start(root: Expr, known: Knowledge) -> Iterator[Remark]:  # noqa: ARG001
    """Buckets count since the process started; a rate is of the window."""
    for operand in _operands(root):
        inner = bare(operand)
        while isinstance(inner, Aggregate):
            inner = bare(inner.operand)
        if isinstance(inner, VectorSelector) and _is_bucket(inner):
            yield Remark(
                Severity.INFO,
                f"the quantile of {metric_of(inner)} is over everything since its process started",
                inner.span,
                f"write rate({metric_of(inner)}[…])",
            )


def average_of_quantiles(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """Quantiles of a summary are computed by the scraped target, and cannot be combined."""
    del known
    for node in walk(root):
        if not isinstance(node, Aggregate) or node.op not in ("sum", "avg", "median", "geomean"):
            continue
        inner = bare(node.operand)
        while isinstance(inner, Call) and len(inner.arguments) == 1:
            inner = bare(inner.arguments[0])
        selector = inner.selector if isinstance(inner, MatrixSelector) else inner
        if not isinstance(selector, VectorSelector):
            continue
        if (not node.without and "quantile" in node.grouping) or any(
            m.name == "quantile" and not m.matches("") for m in all_matchers(selector)
        ):
            yield Remark(
                Severity.WARNING,
                f"the {node.op} of a summary's quantiles is no quantile",
                node.span,
                "take max for a bound, or measure with a histogram",
            )


def sum_of_buckets(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """Buckets are cumulative: a sum over le counts an observation in each that is above it."""
    del known
    inside = {id(node) for operand in _operands(root) for node in walk(operand)}
    for node in walk(root):
        if id(node) in inside or not isinstance(node, Aggregate) or node.op not in ("sum", "avg"):
            continue
        if ("le" in node.grouping) != node.without or "vmrange" in node.grouping:
            continue
        call = bare(node.operand)
        window = range_of(call) if isinstance(call, Call) and call.function in _RATES else None
        if window is None or not _is_bucket(window.selector):
            continue
        if not {"le", "vmrange"} & {m.name for m in all_matchers(window.selector)}:
            stem = (metric_of(window.selector) or "").removesuffix("_bucket")
            yield Remark(
                Severity.WARNING,
                "an observation counts in every bucket above it, and is added up as often",
                node.span,
                f'use {stem}_count, or name a bucket: le="+Inf"',
            )


def not_buckets(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """A quantile of a series that cannot be a histogram: its sum, its count, a plain counter."""
    for operand in _operands(root):
        for selector in selectors(operand):
            metric = metric_of(selector) or ""
            if metric.endswith(("_sum", "_count", "_total")) and known.type_of(metric) in (
                None,
                "counter",
            ):
                stem = metric.rpartition("_")[0]
                yield Remark(
                    Severity.ERROR,
                    f"{metric} has no buckets",
                    selector.span,
                    f"use {stem}_bucket" if not metric.endswith("_total") else None,
                )


def _operands(root: Expr) -> Iterator[Expr]:
    for node in calls(root, QUANTILES):
        place = QUANTILES[node.function]
        if place < len(node.arguments):
            yield node.arguments[place]


def _of_buckets(node: Aggregate) -> bool:
    """Whether the aggregated series are classic buckets; native histograms have no `le`."""
    return any(_is_bucket(selector) for selector in selectors(node.operand))


def _is_bucket(selector: VectorSelector) -> bool:
    metric = metric_of(selector)
    return metric is not None and metric.endswith("_bucket")
