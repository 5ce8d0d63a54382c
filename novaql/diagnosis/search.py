"""Finds the parts of a query that have no data: parts are evaluated, from the top to the leaves."""

from __future__ import annotations

import time as clock
from collections.abc import Iterator, Sequence
from dataclasses import field, replace

import numpy as np

from novaql.cancellation import Cancellation
from novaql.diagnosis.cause import Cause, Labels, Reason, WhyEmpty
from novaql.diagnosis.selectors import Found, has_series, why_selector
from novaql.diagnosis.times_read import inside, moved, times_of
from novaql.engine import evaluate
from novaql.errors import QueryError
from novaql.fast_dataclass import dataclass
from novaql.language import AGGREGATORS, format_expr, parse_core, type_of
from novaql.language.ast import (
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    MatrixSelector,
    Member,
    Number,
    Paren,
    RetainNames,
    Shifted,
    Subquery,
    Text,
    Unary,
    VectorSelector,
)
from novaql.language.value_types import ValueType
from novaql.language.visit import children
from novaql.options import QueryOptions
from novaql.result import Result
from novaql.tsdb.model.labels import METRIC_NAME, Floats, SeriesTable
from novaql.tsdb.model.source import Source

MOST_PARTS = 100
"""Parts of a query that are evaluated."""
EXAMPLES = 2
_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<=", "</", ">/"})
_EITHER = frozenset({"or", "default"})
_NO_LINKS = frozenset({"absent", "absent_over_time", "scalar", "vector", "union"})
_TWO_SAMPLES = frozenset(
    {
        "delta", "delta_prometheus", "deriv", "deriv_fast", "idelta", "ideriv", "increase",
        "increase_prometheus", "irate", "lifetime", "outlier_iqr_over_time", "predict_linear",
        "rate", "rate_prometheus", "rollup_delta", "rollup_deriv", "rollup_increase",
        "rollup_rate", "rollup_scrape_interval", "scrape_interval", "tlast_change_over_time",
        "zscore_over_time",
    }
)  # fmt: skip


class _Enough(Exception):
    """The limit of evaluated parts is reached."""


def explain_empty(
    expr: str,
    source: Source,
    options: QueryOptions,
    *,
    cancellation: Cancellation | None = None,
) -> WhyEmpty:
    """Return why a query has no result: each part without data whose own parts have data.

    Evaluates at most `MOST_PARTS` parts of the query, each with its own `options.limits` and all
    together within `options.timeout_s`. Raises what `evaluate` raises.
    """
    search = _Search(expr, source, cancellation, _deadline(options))
    tree = parse_core(expr, strict_promql=options.strict_promql)
    if not search.is_empty(tree, options, text=expr):
        return WhyEmpty(empty=False)
    try:
        causes = {(c.reason, c.start, c.end): c for c in search.causes(tree, options)}
        return WhyEmpty(True, tuple(causes.values()))
    except _Enough:
        return WhyEmpty(True, complete=False)


def _deadline(options: QueryOptions) -> float | None:
    return None if options.timeout_s is None else clock.monotonic() + options.timeout_s


@dataclass(slots=True)
class _Search:
    query: str
    source: Source
    cancellation: Cancellation | None
    deadline: float | None
    parts: int = field(default=0)

    def evaluated(self, text: str, options: QueryOptions) -> Result:
        self.parts += 1
        left = None if self.deadline is None else self.deadline - clock.monotonic()
        if self.parts > MOST_PARTS or (left is not None and left <= 0):
            raise _Enough
        options = replace(options, timeout_s=left)
        return evaluate(text, self.source, options, cancellation=self.cancellation)

    def result(self, node: Expr, options: QueryOptions) -> Result | None:
        """The result of a part; None if it cannot be evaluated by itself."""
        text = format_expr(_without_exact_ends(node))
        if type_of(node) is ValueType.MATRIX:
            text = f"count_over_time({text})"
        try:
            return self.evaluated(text, options)
        except QueryError:
            return None

    def is_empty(self, node: Expr, options: QueryOptions, text: str | None = None) -> bool:
        if type_of(node) not in (ValueType.VECTOR, ValueType.MATRIX):
            return False
        if isinstance(node, MatrixSelector) and node != _without_exact_ends(node):
            return not has_series(self.source, *times_of(node, options))
        found = self.result(node, options) if text is None else self.evaluated(text, options)
        return found is not None and len(found) == 0

    # --- one part that is empty ------------------------------------------------------------------

    def causes(self, node: Expr, options: QueryOptions) -> Iterator[Cause]:
        """The causes of an empty part: of those below it, else its own."""
        match node:
            case Paren(inner=inner) | RetainNames(inner=inner) | Unary(operand=inner):
                yield from self.causes(inner, options)
            case VectorSelector() | MatrixSelector():
                yield self._cause(node, why_selector(self.source, *times_of(node, options)))
            case Subquery(inner=inner):
                yield from self._shifted(node, inner, inside(node, options))
            case Shifted(inner=inner):
                yield from self._shifted(node, inner, moved(node, options))
            case Binary():
                yield from self._binary(node, options)
            case Call(function="union", arguments=arguments):
                for argument in arguments:
                    yield from self.causes(argument, options)
            case _:
                yield from self._operation(node, options)

    def _shifted(self, node: Expr, inner: Expr, options: QueryOptions | None) -> Iterator[Cause]:
        if options is not None and self.is_empty(inner, options):
            yield from self.causes(inner, options)
        else:
            yield self._cause(node, Found(Reason.RANGE, "nothing in the time that is read"))

    def _operation(self, node: Expr, options: QueryOptions) -> Iterator[Cause]:
        chain = _chain(node)
        # The deepest empty operation of a chain is found by bisection, since each evaluation
        # includes all operations below it.
        empty, last = 0, len(chain) - 1
        while empty < last:
            middle = (empty + last + 1) // 2
            if self.is_empty(chain[middle], options):
                empty = middle
            else:
                last = middle - 1
        node = chain[empty]
        below = _operands(node)
        if empty < len(chain) - 1:  # the one below it is not empty
            yield self._cause(node, self._of_operation(node, below, options))
            return
        for child in below:
            if self.is_empty(child, options):
                yield from self.causes(child, options)
                return
        yield self._cause(node, self._of_operation(node, below, options))

    def _of_operation(self, node: Expr, below: Sequence[Expr], options: QueryOptions) -> Found:
        if isinstance(node, Member) and below:
            return self._filtered(node.operand, options, "is one of the constants")
        name = node.function if isinstance(node, Call) else getattr(node, "op", "")
        ranges = [c for c in below if type_of(c) is ValueType.MATRIX]
        if name in _TWO_SAMPLES and ranges:
            counts = self.result(ranges[0], options)
            most = 0 if counts is None else int(_values(counts).max(initial=0))
            if most < 2:
                return Found(
                    Reason.SAMPLES,
                    f"{name} needs two samples in a window, and none has more than {most}",
                    ("a longer range",),
                )
        if name == "absent" or name == "absent_over_time":
            return Found(Reason.FUNCTION, f"{name} has no result where there is data")
        if name in ("histogram_quantile", "histogram_fraction", "histogram_share"):
            return Found(Reason.FUNCTION, f"{name} finds no histogram: no series has the label le")
        what = "aggregation" if name in AGGREGATORS else "function"
        return Found(Reason.FUNCTION, f"the {what} {name} has no result for its input")

    # --- operators -------------------------------------------------------------------------------

    def _binary(self, node: Binary, options: QueryOptions) -> Iterator[Cause]:
        if node.op in _EITHER:
            for side in _alternatives(node):
                if type_of(side) is ValueType.VECTOR:
                    yield from self.causes(side, options)
            return
        left, right = node.left, node.right
        for side in (left, right) if node.op != "unless" else (left,):
            if self.is_empty(side, options):
                yield from self.causes(side, options)
                return
        yield self._cause(node, self._of_binary(node, options))

    def _of_binary(self, node: Binary, options: QueryOptions) -> Found | _Sides:
        kinds = {type_of(node.left), type_of(node.right)}
        vectors = kinds == {ValueType.VECTOR}
        if node.op == "unless":
            return Found(Reason.EXCLUDED, "all series of the left side have a partner on the right")
        if node.op in _COMPARISONS:
            unfiltered = replace(node, return_bool=True)
            if not vectors or not self.is_empty(unfiltered, options):
                operand = node.left if type_of(node.left) is not ValueType.SCALAR else node.right
                return self._filtered(operand, options, f"satisfies {node.op}")
        return self._unmatched(node, options)

    def _filtered(self, operand: Expr, options: QueryOptions, what: str) -> Found:
        result = self.result(operand, options)
        values = np.zeros(0) if result is None else _values(result)
        values = values[~np.isnan(values)]
        if type_of(operand) is ValueType.MATRIX or not values.size:
            return Found(Reason.COMPARISON, f"no value {what}")
        low, high = float(values.min()), float(values.max())
        return Found(
            Reason.COMPARISON, f"no value {what}: they are between {low:.6g} and {high:.6g}"
        )

    def _unmatched(self, node: Binary, options: QueryOptions) -> _Sides:
        matching = node.matching
        renamed = dict(matching.renamed)
        if matching.on:
            compared = ", ".join(matching.labels) or "no label"
        else:
            compared = "all labels" + (
                f" but {', '.join(matching.labels)}" if matching.labels else ""
            )
        sides = []
        for side, names in (
            (node.left, matching.labels),
            (node.right, tuple(renamed.get(n, n) for n in matching.labels)),
        ):
            result = self.result(side, options)
            table = SeriesTable.unlabelled(0) if result is None else result.series
            sides.append(_examples(table, names, on=matching.on))
        one = "" if matching.cardinality is Cardinality.MANY_TO_MANY else " one to one"
        if matching.cardinality in (Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_MANY):
            one = ""
        return _Sides(f"no series of the two sides match{one} by {compared}", *sides)

    # --- causes ----------------------------------------------------------------------------------

    def _cause(self, node: Expr, found: Found | _Sides) -> Cause:
        return cause_of(self.query, node, found)


def cause_of(query: str, node: Expr, found: Found | _Sides) -> Cause:
    """Return the cause for a part, with its place in the query."""
    span = node.span
    line, column = span.position(query)
    place = (query[span.start : span.end], span.start, span.end, line, column)
    if isinstance(found, _Sides):
        return Cause(Reason.JOIN, found.message, *place, left=found.left, right=found.right)
    return Cause(found.reason, found.message, *place, found.suggestions, found.data_range)


def _operands(node: Expr) -> list[Expr]:
    return [c for c in children(node) if not isinstance(c, Number | Text)]


def _chain(node: Expr) -> list[Expr]:
    """A call or an aggregation, and those below it while each is the only operand of the last."""
    found = [node]
    while len(below := _operands(found[-1])) == 1 and _is_link(below[0]) and _is_link(found[-1]):
        found += below
    return found


def _is_link(node: Expr) -> bool:
    """Whether an operation is empty whenever its operand is."""
    if isinstance(node, Call):
        return node.function not in _NO_LINKS and type_of(node) is ValueType.VECTOR
    return isinstance(node, Aggregate)


@dataclass(frozen=True, slots=True)
class _Sides:
    """Both sides of an operator that finds no partners."""

    message: str
    left: tuple[Labels, ...]
    right: tuple[Labels, ...]


def _without_exact_ends(node: Expr) -> Expr:
    """The range without `anchored` and `smoothed`, which few functions accept; other nodes."""
    match node:
        case MatrixSelector(selector=selector):
            return replace(node, selector=replace(selector, anchored=False, smoothed=False))
        case Paren(inner=inner) | Shifted(inner=inner):
            return replace(node, inner=_without_exact_ends(inner))
        case _:
            return node


def _alternatives(node: Expr) -> list[Expr]:
    """Return the operands of a chain of `or` and `default`, in the order of the text."""
    found = []
    while isinstance(node, Binary) and node.op in _EITHER:
        found.append(node.right)
        node = node.left
    return [node, *reversed(found)]


def _examples(table: SeriesTable, names: tuple[str, ...], *, on: bool) -> tuple[Labels, ...]:
    """The labels that are compared, of some series."""
    found: list[Labels] = []
    for row in range(min(len(table), EXAMPLES)):
        labels = table.labels(row)
        found.append(
            {
                name: value
                for name, value in labels.items()
                if (name in names) == on and name != METRIC_NAME
            }
        )
    return tuple(found)


def _values(result: Result) -> Floats:
    values = result.values
    found: Floats = values.ravel() if result.valid is None else values[result.valid]
    return found
