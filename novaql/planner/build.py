"""Core tree → logical plan: all times become milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from novaql.fast_dataclass import dataclass
from novaql.language.ast import (
    Aggregate,
    At,
    AtEdge,
    Binary,
    Call,
    DurationReference,
    Expr,
    Let,
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
    left_spine,
)
from novaql.language.lifted import is_lifted, operand_of_lifted
from novaql.language.signatures import FUNCTIONS
from novaql.language.value_types import ValueType
from novaql.options import QueryOptions
from novaql.planner.constants import constant_call, constant_operation
from novaql.planner.durations import Durations
from novaql.planner.logical import (
    MEMBER,
    Aggregation,
    BinaryOp,
    Constant,
    Default,
    FunctionCall,
    Negate,
    Plan,
    SampleStage,
    Select,
    SubqueryWindow,
    TextConstant,
    Window,
)
from novaql.planner.logical import RetainNames as RetainedNames
from novaql.planner.rollup_calls import rollup_call
from novaql.planner.shift import shifted
from novaql.planner.templates import OF_THE_STEP, TEMPLATES
from novaql.span import Span
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

MINUTE_MS = 60_000
NO_DATA_MS = 5 * MINUTE_MS
"""The automatic window of an instant query without data."""

FARTHEST_MS = 2**61
"""The largest time of `@`: there are no later samples, and windows around it fit 64 bits."""


def build_plan(expr: Expr, text: str, options: QueryOptions) -> Plan:
    """Return the plan of a core tree, with durations, `@ start()` and `@ end()` resolved.

    Raises `TypeProblem` if a duration evaluates to an impossible value.
    """
    return build_with_dependencies(expr, text, options).plan


GapFinder = Callable[[Select, int, int], int | None]
"""Returns the median gap between the samples of a selector in a range of time, in milliseconds;
None: no series has two samples."""


@dataclass(frozen=True, slots=True)
class BuiltPlan:
    """A plan, and its dependencies besides the text.

    timeless  the text has the same plan at all other times, if the automatic windows are equal
    windows   the automatic windows in milliseconds, with their places in the text
    """

    plan: Plan
    timeless: bool
    windows: tuple[tuple[Span, int], ...]


def build_with_dependencies(
    expr: Expr, text: str, options: QueryOptions, gap_ms: GapFinder | None = None
) -> BuiltPlan:
    """Return the plan of a core tree, and its dependencies.

    text    the query, for messages
    gap_ms  determines automatic windows; None: they are those of a source without data
    """
    builder = _Builder(text, options, gap_ms)
    plan = builder.plan(expr)
    timeless = not (builder.depends_on_times or builder.durations.depends_on_query)
    return BuiltPlan(plan, timeless, tuple(builder.windows))


class _Builder:
    """Builds one plan.

    windows           see `BuiltPlan`
    depends_on_times  whether the plan contains the start, end or step of the query
    """

    def __init__(self, text: str, options: QueryOptions, gap_ms: GapFinder | None) -> None:
        self._options, self._text = options, text
        self._gap_ms = gap_ms
        self.windows: list[tuple[Span, int]] = []
        self._counts_only = False  # the enclosing function needs no buckets of histograms
        self.depends_on_times = False
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
            case MatrixSelector():
                return self._window(expr)
            case Subquery():
                return self._subquery(expr)
            case Unary(op=op, operand=operand):
                below = self.plan(operand)
                return Negate(below, span=expr.span) if op == "-" else below
            case Binary():
                return self._chain(left_spine(expr))
            case Aggregate():
                return self._aggregation(expr)
            case Shifted(inner=inner, offset=offset, at=at):
                offset_ms = self.durations.offset_ms(offset)
                return shifted(self.plan(inner), offset_ms, self._at_ms(at), expr.span)
            case RetainNames(inner=inner):
                return RetainedNames(self.plan(inner), span=expr.span)
            case Member(operand=operand, values=values):
                constants = (Constant(value, span=expr.span) for value in values)
                arguments = self.plan(operand), *constants
                return FunctionCall(MEMBER, arguments, ValueType.VECTOR, span=expr.span)
            case Let():
                raise AssertionError("let is expanded first")
            case Call():
                return self._call(expr)
            case _:
                assert_never(expr)

    def _aggregation(self, expr: Aggregate) -> Aggregation:
        return Aggregation(
            expr.op,
            self.plan(expr.operand),
            None if expr.parameter is None else self.plan(expr.parameter),
            expr.grouping,
            expr.without,
            more=tuple(self.plan(argument) for argument in expr.more),
            span=expr.span,
        )

    def _call(self, call: Call) -> Plan:
        function = call.function
        if function in TEMPLATES:
            self.durations.depends_on_query |= function in OF_THE_STEP
            arguments = tuple(self.plan(argument) for argument in call.arguments)
            return TEMPLATES[function](arguments, self._options, call.span)
        outside = self._counts_only
        if function in COUNTS_ONLY or function in WHOLE_HISTOGRAMS:
            self._counts_only = function in COUNTS_ONLY
        arguments = tuple(self._argument(argument) for argument in call.arguments)
        if function == "info":
            arguments = arguments[:1] + tuple(map(_without_times, arguments[1:]))
        self._counts_only = outside
        returns = FUNCTIONS[function].returns
        return rollup_call(FunctionCall(function, arguments, returns, span=call.span), self._text)

    def _argument(self, expr: Expr) -> Plan:
        """The plan of an argument. Operators over a range vector become stages of its window."""
        if not is_lifted(expr):
            return self.plan(expr)
        stages: list[SampleStage] = []  # the highest first
        node = expr
        while not isinstance(node, MatrixSelector):
            below = operand_of_lifted(node)
            assert below is not None
            stages += self._stage(node, below)
            node = below
        return replace(self._window(node), stages=tuple(reversed(stages)), span=expr.span)

    def _stage(self, node: Expr, below: Expr) -> list[SampleStage]:
        """The operation of a node on each sample of `below`; none for parentheses and `+`."""
        match node:
            case Unary(op="-"):
                return [SampleStage("*", (-1.0,))]
            case Member(values=values):
                return [SampleStage(MEMBER, values)]
            case Binary(op=op, left=left, right=right, return_bool=return_bool):
                on_left = below is right
                value = self._constant(left if on_left else right)
                return [SampleStage(op, (value,), on_left, return_bool)]
            case Call(function=name, arguments=(_, *others)):
                return [SampleStage(name, tuple(map(self._constant, others)))]
            case _:
                return []

    def _constant(self, expr: Expr) -> float:
        """The value of an expression of `lifted.is_constant`."""
        match expr:
            case Number(value=value):
                return value
            case Paren(inner=inner):
                return self._constant(inner)
            case Unary(op=op, operand=operand):
                value = self._constant(operand)
                return -value if op == "-" else value
            case Binary():
                spine = left_spine(expr)
                value = self._constant(spine[0].left)
                for node in spine:
                    value = constant_operation(node.op, value, self._constant(node.right))
                return value
            case Call(function=name, arguments=arguments):
                self.depends_on_times |= name in ("start", "end", "step", "range")
                values = [self._constant(argument) for argument in arguments]
                return constant_call(name, values, self._options)
            case _:
                raise AssertionError(f"{type(expr).__name__} is no constant")

    def _window(self, expr: MatrixSelector) -> Window:
        select = self._select(expr.selector)
        if isinstance(expr.range, DurationReference):
            return Window(select, self._auto_ms(select, expr.span), span=expr.span)
        range_ms = self.durations.positive_ms(expr.range, "the range")
        return Window(select, range_ms, span=expr.span)

    def _auto_ms(self, select: Select, span: Span) -> int:
        """The automatic window of a selector: four times the gap between its samples, but not less
        than the step, or a minute in an instant query. Without a gap, the step or 5 minutes."""
        options = self._options
        end_ms = (options.end_ms if select.at_ms is None else select.at_ms) - select.offset_ms
        length = options.end_ms - options.start_ms if select.at_ms is None else 0
        found = None
        if self._gap_ms is not None:
            found = self._gap_ms(select, end_ms - length - options.lookback_ms, end_ms)
        if found is None:
            range_ms = NO_DATA_MS if options.instant else options.step_ms
        else:
            range_ms = max(MINUTE_MS if options.instant else options.step_ms, 4 * found)
        self.windows.append((span, range_ms))
        return range_ms

    def _chain(self, spine: list[Binary]) -> Plan:
        """The plan of operators, the lowest first. Not recursive: a chain may be very long."""
        left = self.plan(spine[0].left)
        for node in spine:
            right = self.plan(node.right)
            if node.op == "default":
                left = Default(left, right, node.matching, span=node.span)
                continue
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
            alternatives=selector.alternatives,
            span=selector.span,
        )

    def _subquery(self, subquery: Subquery) -> SubqueryWindow:
        step_ms = self._options.subquery_step_ms
        if subquery.implicit:
            step_ms = self._options.step_ms or step_ms
            self.depends_on_times = True
        if subquery.step is not None:
            step_ms = self.durations.positive_ms(subquery.step, "the step of a subquery")
        if isinstance(subquery.range, DurationReference):  # its points are a step apart
            range_ms = 4 * step_ms
            self.windows.append((subquery.span, range_ms))
        else:
            range_ms = self.durations.positive_ms(subquery.range, "the range of a subquery")
        return SubqueryWindow(
            self.plan(subquery.inner),
            range_ms,
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
                self.depends_on_times = True
                return self._options.start_ms + at.plus_ms
            case AtEdge.END:
                self.depends_on_times = True
                return self._options.end_ms + at.plus_ms
            case int(ms):
                return max(-FARTHEST_MS, min(FARTHEST_MS, ms))
            case _:
                assert_never(at.when)


def _without_times(plan: Plan) -> Plan:
    """Return the matchers of `info` without times: its first argument determines the times that it
    reads."""
    return replace(plan, offset_ms=0, at_ms=None) if isinstance(plan, Select) else plan
