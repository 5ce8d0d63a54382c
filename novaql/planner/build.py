"""Syntax tree → logical plan."""

from __future__ import annotations

from typing import assert_never

from novaql.language.ast import (
    Aggregate,
    At,
    AtEdge,
    Binary,
    Call,
    Expr,
    MatrixSelector,
    Number,
    Paren,
    Subquery,
    Text,
    Unary,
    VectorSelector,
    left_spine,
)
from novaql.language.signatures import FUNCTIONS
from novaql.options import QueryOptions
from novaql.planner.durations import Durations
from novaql.planner.logical import (
    Aggregation,
    BinaryOp,
    Constant,
    FunctionCall,
    Negate,
    Plan,
    Select,
    SubqueryWindow,
    TextConstant,
    Window,
)
from novaql.planner.rollup_calls import rollup_call
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp

COUNTS_ONLY = frozenset({"histogram_count", "histogram_sum", "histogram_avg"})
"""Functions that use only count and sum of native histograms."""

WHOLE_HISTOGRAMS = frozenset(
    {
        "histogram_quantile", "histogram_quantiles", "histogram_fraction", "histogram_stddev",
        "histogram_stdvar",
    }
)  # fmt: skip
"""Functions that use the buckets of native histograms."""


FARTHEST_MS = 2**61
"""The largest time of `@`: there are no later samples, and windows around it fit 64 bits."""


def build_plan(expr: Expr, text: str, options: QueryOptions) -> Plan:
    """Resolve durations, `@ start()` and `@ end()`; nothing else changes.

    Raises `TypeProblem` if a duration evaluates to an impossible value.
    """
    return build_noting(expr, text, options)[0]


def build_noting(expr: Expr, text: str, options: QueryOptions) -> tuple[Plan, bool]:
    """Return the plan, and whether it is the plan of the same text at all other times."""
    builder = _Builder(text, options)
    plan = builder.plan(expr)
    return plan, not (builder.looked_at_edges or builder.durations.looked_at_query)


class _Builder:
    def __init__(self, text: str, options: QueryOptions) -> None:
        self._options, self._text = options, text
        self._counts_only = False
        self.looked_at_edges = False
        self.durations = Durations(
            text, options.step_ms, options.end_ms - options.start_ms if options.step_ms else 0
        )

    def plan(self, expr: Expr) -> Plan:
        match expr:
            case Number(value=value):
                return Constant(value, span=expr.span)
            case Text(value=value):
                return TextConstant(value, span=expr.span)
            case Paren(inner=inner):
                return self.plan(inner)
            case VectorSelector():
                return self._select(expr)
            case MatrixSelector(selector=selector):
                range_ms = self.durations.positive_ms(expr.range, "the range")
                return Window(self._select(selector), range_ms, span=expr.span)
            case Subquery():
                return self._subquery(expr)
            case Unary(op=op, operand=operand):
                below = self.plan(operand)
                return Negate(below, span=expr.span) if op == "-" else below
            case Binary():
                return self._chain(left_spine(expr))
            case Aggregate():
                parameter = None if expr.parameter is None else self.plan(expr.parameter)
                return Aggregation(
                    expr.op,
                    self.plan(expr.operand),
                    parameter,
                    expr.grouping,
                    expr.without,
                    span=expr.span,
                )
            case Call(function=function, arguments=arguments):
                outside = self._counts_only
                if function in COUNTS_ONLY or function in WHOLE_HISTOGRAMS:
                    self._counts_only = function in COUNTS_ONLY
                planned = tuple(self.plan(argument) for argument in arguments)
                self._counts_only = outside
                returns = FUNCTIONS[function].returns
                return rollup_call(
                    FunctionCall(function, planned, returns, span=expr.span), self._text
                )
            case _:
                assert_never(expr)

    def _chain(self, spine: list[Binary]) -> Plan:
        """Operators, lowest first."""
        left = self.plan(spine[0].left)
        for node in spine:
            right = self.plan(node.right)
            left = BinaryOp(node.op, left, right, node.return_bool, node.matching, span=node.span)
        return left

    def _select(self, selector: VectorSelector) -> Select:
        matchers = selector.matchers
        if selector.name is not None:
            matchers = (*matchers, Matcher(METRIC_NAME, MatchOp.EQUAL, selector.name))
        return Select(
            matchers,
            self.durations.offset_ms(selector.offset),
            self._at_ms(selector.at),
            selector.anchored,
            selector.smoothed,
            self._counts_only,
            span=selector.span,
        )

    def _subquery(self, subquery: Subquery) -> SubqueryWindow:
        step_ms = self._options.subquery_step_ms
        if subquery.step is not None:
            step_ms = self.durations.positive_ms(subquery.step, "the step of a subquery")
        return SubqueryWindow(
            self.plan(subquery.inner),
            self.durations.positive_ms(subquery.range, "the range of a subquery"),
            step_ms,
            self.durations.offset_ms(subquery.offset),
            self._at_ms(subquery.at),
            span=subquery.span,
        )

    def _at_ms(self, at: At | None) -> int | None:
        if at is None:
            return None
        match at.when:
            case AtEdge.START:
                self.looked_at_edges = True
                return self._options.start_ms
            case AtEdge.END:
                self.looked_at_edges = True
                return self._options.end_ms
            case int(ms):
                return max(-FARTHEST_MS, min(FARTHEST_MS, ms))
            case _:
                assert_never(at.when)
