"""The logical plan: what to compute, with every time in milliseconds.

Nodes are frozen. Spans, for messages, do not take part in comparison, so equal work compares
equal. `Plan` is the closed union.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import assert_never

from novaql.language.ast import LeftDeep, Matching, Spanned
from novaql.language.printer import matching_text
from novaql.language.value_types import ValueType
from novaql.text.times import duration_text
from novaql.tsdb.model.matchers import Matcher

PLAIN = Matching()
"""One-to-one on all labels: what an operator without modifiers means."""


@dataclass(frozen=True, slots=True)
class Constant(Spanned):
    """A number, the same at every step."""

    value: float

    def __eq__(self, other: object) -> bool:
        # NaN is the same number as NaN here, and -0 is another one than 0.
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
    """

    matchers: tuple[Matcher, ...]
    offset_ms: int = 0
    at_ms: int | None = None
    anchored: bool = False
    smoothed: bool = False
    counts_only: bool = False
    floats_only: bool = False
    labels: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Window(Spanned):
    """A range selector: the samples of `select` in (t - range_ms, t]."""

    select: Select
    range_ms: int


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
        case Select() | Aggregation() | Nothing() | Subset():
            return ValueType.VECTOR
        case Window() | SubqueryWindow():
            return ValueType.MATRIX
        case Negate(operand=inner) | StepInvariant(inner=inner) | Shared(inner=inner):
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
        case BinaryOp(left=left, right=right):
            return (left, right)
        case Aggregation(operand=operand, parameter=parameter, more=more):
            return (operand, *more) if parameter is None else (parameter, operand, *more)
        case FunctionCall(arguments=arguments):
            return arguments
        case _:
            assert_never(plan)


def left_spine(plan: BinaryOp) -> list[BinaryOp]:
    """Return the operators down the left side, lowest first; `plan` is the last.

    Chains such as `a + b + c` grow to the left and may be thousands of operators long: rules and
    evaluator loop over them and recurse into the right sides alone.
    """
    spine = [plan]
    while isinstance(spine[-1].left, BinaryOp):
        spine.append(spine[-1].left)
    spine.reverse()
    return spine


def with_sides(plan: BinaryOp, left: Plan, right: Plan) -> BinaryOp:
    """The operator between these; the same object if they are its own."""
    if left is plan.left and right is plan.right:
        return plan
    return replace(plan, left=left, right=right)


def with_children(plan: Plan, change: Callable[[Plan], Plan]) -> Plan:
    """Return the node with changed children; the same object if none has changed.

    Not for operators of a chain, where `change` would recurse: see `left_spine`.
    """
    match plan:
        case Constant() | TextConstant() | Nothing() | Select():
            return plan
        case Window(select=select):
            new = change(select)
            assert isinstance(new, Select)
            return plan if new is select else replace(plan, select=new)
        case SubqueryWindow() | StepInvariant() | Shared() | Subset():
            inner = plan.inner
            new = change(inner)
            return plan if new is inner else replace(plan, inner=new)
        case Negate(operand=operand):
            new = change(operand)
            return plan if new is operand else replace(plan, operand=new)
        case BinaryOp(left=left, right=right):
            return with_sides(plan, change(left), change(right))
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


LOOKS_AT_SELECTOR = frozenset({"timestamp", "absent", "info"})
"""Functions whose result depends on whether the argument is a selector."""

DEEPEST_SHOWN = 250

_NOT_SHOWN = frozenset({"span", "floats_only", "returns", "matchers", "without"})


def show(plan: Plan, indent: str = "", note: Callable[[Plan], str] = lambda _: "") -> str:
    """Return the plan as text, one line for each node, children indented.

    note  text at the end of a node's line

    Below `DEEPEST_SHOWN` levels, which only chains of operators reach, the indent does not grow.
    """
    lines = []
    waiting = [(plan, 0)]
    seen: set[int] = set()  # a shared subplan is shown once
    while waiting:
        node, level = waiting.pop()
        lines.append(_line(node, indent + "  " * min(level, DEEPEST_SHOWN)) + note(node))
        if isinstance(node, Shared):
            if node.number in seen:
                continue
            seen.add(node.number)
        waiting.extend((child, level + 1) for child in reversed(children(node)))
    return "\n".join(lines)


def _line(plan: Plan, indent: str) -> str:
    words = [type(plan).__name__]
    if isinstance(plan, Constant):
        words.append(f"{plan.value:g}")
    elif isinstance(plan, Select | Subset):
        words.append("{" + ", ".join(str(m) for m in plan.matchers) + "}")
    for one in fields(plan):
        value = getattr(plan, one.name)
        if one.name not in _NOT_SHOWN and not isinstance(plan, Constant) and not _is_plan(value):
            words.append(_attribute(plan, one.name, value))
    return indent + " ".join(filter(None, words))


def _attribute(plan: Plan, name: str, value: object) -> str:
    """Return an attribute in the syntax of the language where it has one; "": the default."""
    if isinstance(plan, Aggregation) and name == "grouping":
        if plan.without or plan.grouping:
            return f"{'without' if plan.without else 'by'} ({', '.join(plan.grouping)})"
        return ""
    if isinstance(value, Matching):
        return "" if value == PLAIN else matching_text(value).strip()
    if value is None or value is False or value == () or (value == 0 and name != "at_ms"):
        return ""
    if value is True:
        return name
    if isinstance(value, int) and name == "at_ms":
        return f"@ {value / 1000:.15g}"
    if isinstance(value, int) and name.endswith("_ms"):
        sign = "-" if value < 0 else ""
        return f"{name.removesuffix('_ms')}={sign}{duration_text(abs(value))}"
    if isinstance(value, frozenset):
        return f"{name}=({', '.join(sorted(value))})"
    return f"{name}={value}"


def _is_plan(value: object) -> bool:
    if isinstance(value, tuple):
        return bool(value) and isinstance(value[0], Plan)
    return isinstance(value, Plan)
