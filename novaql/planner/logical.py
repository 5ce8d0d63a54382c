"""The logical plan: what to compute, with every time in milliseconds.

Nodes are frozen. Spans, for messages, do not take part in comparison, so equal work compares
equal. `Plan` is the closed union.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from novaql.fast_dataclass import dataclass
from novaql.language.ast import LeftDeep, Matching, Spanned, left_spine
from novaql.language.value_types import ValueType
from novaql.tsdb.model.matchers import Matcher

PLAIN = Matching()
"""One-to-one on all labels: the matching of an operator without modifiers."""


@dataclass(frozen=True, slots=True)
class Constant(Spanned):
    """A number, the same at every step."""

    value: float

    def __eq__(self, other: object) -> bool:
        # NaN equals NaN here, and -0 does not equal 0.
        return isinstance(other, Constant) and repr(self.value) == repr(other.value)

    def __hash__(self) -> int:
        return hash(repr(self.value))


@dataclass(frozen=True, slots=True)
class TextConstant(Spanned):
    value: str


@dataclass(frozen=True, slots=True)
class Select(Spanned):
    """An instant selector: the newest sample of each series within the lookback.

    at_ms        evaluate at this time instead of the step's
    counts_only  of native histograms, only count and sum are used
    floats_only  there are no native histograms in the data
    labels       the labels that the query uses; None: all of them
    alternatives sets of matchers; one of the sets must hold besides `matchers`
    """

    matchers: tuple[Matcher, ...]
    offset_ms: int = 0
    at_ms: int | None = None
    anchored: bool = False
    smoothed: bool = False
    counts_only: bool = False
    floats_only: bool = False
    labels: frozenset[str] | None = None
    alternatives: tuple[tuple[Matcher, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class SampleStage:
    """An operator with a constant, or a function, that changes or removes each sample separately.

    function   the operator or the function; `in`: the value is one of the constants
    constants  the other operand, the other arguments
    constant_is_left, return_bool  of an operator
    """

    function: str
    constants: tuple[float, ...] = ()
    constant_is_left: bool = False
    return_bool: bool = False

    def __str__(self) -> str:
        return f"{self.function}({', '.join(f'{value:g}' for value in self.constants)})"


@dataclass(frozen=True, slots=True)
class Window(Spanned):
    """A range selector: the samples of `select` in (t - range_ms, t].

    stages  applied to the samples, in this order
    """

    select: Select
    range_ms: int
    stages: tuple[SampleStage, ...] = ()


@dataclass(frozen=True, slots=True)
class SubqueryWindow(Spanned):
    """Points of `inner` at multiples of step_ms in (t - offset - range, t - offset]."""

    inner: Plan
    range_ms: int
    step_ms: int
    offset_ms: int = 0
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Negate(Spanned):
    operand: Plan


@dataclass(frozen=True, slots=True, eq=False)
class BinaryOp(LeftDeep, Spanned):
    op: str
    left: Plan
    right: Plan
    return_bool: bool = False
    matching: Matching = PLAIN


@dataclass(frozen=True, slots=True)
class Aggregation(Spanned):
    """without: group by all labels but `grouping`; else by `grouping` alone.

    by_batch  a batch of the operand at a time goes into the groups
    more      arguments beyond parameter and operand
    """

    op: str
    operand: Plan
    parameter: Plan | None = None
    grouping: tuple[str, ...] = ()
    without: bool = False
    by_batch: bool = False
    more: tuple[Plan, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionCall(Spanned):
    """returns: the function's result type, so that the plan needs no registry."""

    function: str
    arguments: tuple[Plan, ...]
    returns: ValueType


@dataclass(frozen=True, slots=True)
class StepInvariant(Spanned):
    """`inner` does not depend on the step: it is evaluated once and repeated."""

    inner: Plan


@dataclass(frozen=True, slots=True)
class Nothing(Spanned):
    """An instant vector without rows."""


@dataclass(frozen=True, slots=True)
class Shared(Spanned):
    """`inner`, which occurs more than once: evaluated once for all nodes with this number."""

    inner: Plan
    number: int


@dataclass(frozen=True, slots=True)
class Default(Spanned):
    """`left default right`: gaps of the left side filled from the right one."""

    left: Plan
    right: Plan
    matching: Matching = PLAIN


@dataclass(frozen=True, slots=True)
class Shift(Spanned):
    """`inner` as of other times: offset_ms before those of the query, or before at_ms."""

    inner: Plan
    offset_ms: int = 0
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RetainNames(Spanned):
    """`inner` with the metric names of its operand."""

    inner: Plan


@dataclass(frozen=True, slots=True)
class Subset(Spanned):
    """The rows of `inner` whose labels satisfy the matchers."""

    inner: Plan
    matchers: tuple[Matcher, ...]


Plan = (
    Constant
    | TextConstant
    | Nothing
    | Shared
    | Subset
    | Select
    | Window
    | SubqueryWindow
    | Negate
    | BinaryOp
    | Aggregation
    | FunctionCall
    | StepInvariant
    | Default
    | Shift
    | RetainNames
)


def type_of(plan: Plan) -> ValueType:
    while isinstance(plan, BinaryOp):
        if type_of(plan.right) is ValueType.VECTOR:
            return ValueType.VECTOR
        plan = plan.left
    match plan:
        case Constant():
            return ValueType.SCALAR
        case TextConstant():
            return ValueType.STRING
        case Select() | Aggregation() | Nothing() | Subset() | Default() | RetainNames():
            return ValueType.VECTOR
        case Window() | SubqueryWindow():
            return ValueType.MATRIX
        case Negate(operand=inner) | StepInvariant(inner=inner) | Shared(inner=inner):
            return type_of(inner)
        case Shift(inner=inner):
            return type_of(inner)
        case FunctionCall(returns=returns):
            return returns
        case _:
            assert_never(plan)


def children(plan: Plan) -> tuple[Plan, ...]:
    match plan:
        case Constant() | TextConstant() | Nothing() | Select():
            return ()
        case Window(select=select):
            return (select,)
        case SubqueryWindow(inner=inner) | StepInvariant(inner=inner) | Negate(operand=inner):
            return (inner,)
        case Shared(inner=inner) | Subset(inner=inner):
            return (inner,)
        case Shift(inner=inner) | RetainNames(inner=inner):
            return (inner,)
        case BinaryOp(left=left, right=right) | Default(left=left, right=right):
            return (left, right)
        case Aggregation(operand=operand, parameter=parameter, more=more):
            return (operand, *more) if parameter is None else (parameter, operand, *more)
        case FunctionCall(arguments=arguments):
            return arguments
        case _:
            assert_never(plan)


def with_sides(plan: BinaryOp, left: Plan, right: Plan) -> BinaryOp:
    """Return the operator between other sides; the same object if they are its own."""
    if left is plan.left and right is plan.right:
        return plan
    return replace(plan, left=left, right=right)


def with_children(plan: Plan, change: Callable[[Plan], Plan]) -> Plan:
    """Return the node with changed children; the same object if none has changed.

    Not for operators of a chain, where `change` would recurse: see `language.ast.left_spine`.
    """
    match plan:
        case Constant() | TextConstant() | Nothing() | Select():
            return plan
        case Window(select=select):
            new = change(select)
            assert isinstance(new, Select)
            return plan if new is select else replace(plan, select=new)
        case SubqueryWindow() | StepInvariant() | Shared() | Subset() | Shift() | RetainNames():
            inner = plan.inner
            new = change(inner)
            return plan if new is inner else replace(plan, inner=new)
        case Negate(operand=operand):
            new = change(operand)
            return plan if new is operand else replace(plan, operand=new)
        case BinaryOp(left=left, right=right):
            return with_sides(plan, change(left), change(right))
        case Default(left=left, right=right):
            new_left, new_right = change(left), change(right)
            if new_left is left and new_right is right:
                return plan
            return replace(plan, left=new_left, right=new_right)
        case Aggregation(operand=operand, parameter=parameter, more=more):
            new = change(operand)
            new_parameter = None if parameter is None else change(parameter)
            new_more = tuple(change(argument) for argument in more)
            same = all(a is b for a, b in zip(new_more, more, strict=True))
            if new is operand and new_parameter is parameter and same:
                return plan
            return replace(plan, operand=new, parameter=new_parameter, more=new_more)
        case FunctionCall(arguments=arguments):
            changed = tuple(change(argument) for argument in arguments)
            if all(a is b for a, b in zip(changed, arguments, strict=True)):
                return plan
            return replace(plan, arguments=changed)
        case _:
            assert_never(plan)


def rewrite(plan: Plan, change: Callable[[Plan], Plan]) -> Plan:
    """Apply `change` to every node, children first."""
    if not isinstance(plan, BinaryOp):
        return change(with_children(plan, lambda child: rewrite(child, change)))
    spine = left_spine(plan)
    left = rewrite(spine[0].left, change)
    for node in spine:
        left = change(with_sides(node, left, rewrite(node.right, change)))
    return left


def rewrite_shared(plan: Plan, change: Callable[[Plan], Plan]) -> Plan:
    """`rewrite` for a plan with shared subplans, each of which stays one object."""
    one: dict[int, Plan] = {}

    def changed(node: Plan) -> Plan:
        if isinstance(node, Shared):
            inner = one.setdefault(node.number, node.inner)
            return node if inner is node.inner else replace(node, inner=inner)
        return change(node)

    return rewrite(plan, changed)


MEMBER = "in"
"""The function of `x == (1, 2)`: values that are one of the other arguments."""

LOOKS_AT_SELECTOR = frozenset({"timestamp", "start_timestamp", "absent", "info"})
"""Functions whose result depends on whether the argument is a selector."""

RANDOM = frozenset({"rand", "rand_exponential", "rand_normal"})
"""Functions whose value, without a seed, depends on their place in the text."""
