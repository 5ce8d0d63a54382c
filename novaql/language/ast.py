"""The syntax tree: frozen nodes, and `Expr`, the union of them.

Spans, the places of nodes in the text, are not compared: `parse(format(tree)) == tree`.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Any, TypeVar

from novaql.fast_dataclass import dataclass
from novaql.span import NOWHERE, Span
from novaql.tsdb.model.matchers import Matcher, MatchOp


@dataclass(frozen=True, slots=True)
class Spanned:
    """A node with its place in the text, which does not take part in comparison."""

    span: Span = field(default=NOWHERE, compare=False, repr=False, kw_only=True)


class LeftDeep:
    """A binary operator: compared and hashed down its left side in a loop, since a chain may have
    thousands of them."""

    __slots__ = ()
    op: str
    left: Any
    right: Any
    return_bool: bool
    matching: Matching

    def _beside_left(self) -> tuple[object, ...]:
        return self.op, self.right, self.return_bool, self.matching

    def __eq__(self, other: object) -> bool:
        one: object = self
        while isinstance(one, LeftDeep) and type(one) is type(other):
            assert isinstance(other, LeftDeep)
            if one is other:
                return True
            if one._beside_left() != other._beside_left():
                return False
            one, other = one.left, other.left
        return type(one) is type(other) and one == other

    def __hash__(self) -> int:
        hashed, node = 0, self
        while True:
            hashed = hash((hashed, node._beside_left()))
            if type(node.left) is not type(node):
                return hash((hashed, node.left))
            node = node.left


Chain = TypeVar("Chain", bound=LeftDeep)


def left_spine(node: Chain) -> list[Chain]:
    """The operators down the left side, lowest first, so `node` is last.

    A chain without parentheses, such as `a + b + c`, grows to the left and may be thousands of
    operators long. Code that walks trees or plans loops over this, and recurses only into the right
    sides.
    """
    spine = [node]
    while isinstance(spine[-1].left, type(node)):
        spine.append(spine[-1].left)
    spine.reverse()
    return spine


# --- durations -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DurationLiteral(Spanned):
    """`5m`, `300` (seconds) or `0.5`; in whole nanoseconds, as in Prometheus."""

    nanoseconds: int


class DurationName(StrEnum):
    STEP = "step"
    RANGE = "range"


@dataclass(frozen=True, slots=True)
class DurationQuery(Spanned):
    """`step()` or `range()`: step and length of the query; both 0 in an instant query."""

    name: DurationName


@dataclass(frozen=True, slots=True)
class DurationUnary(Spanned):
    """`+d` or `-d`."""

    op: str
    operand: Duration


@dataclass(frozen=True, slots=True)
class DurationBinary(Spanned):
    """op is one of `+ - * / % ^`, or `min_of`, `max_of`."""

    op: str
    left: Duration
    right: Duration


@dataclass(frozen=True, slots=True)
class DurationParen(Spanned):
    """A duration in parentheses: `(5m + 1m)`."""

    inner: Duration


@dataclass(frozen=True, slots=True)
class DurationReference(Spanned):
    """A name: of a value of `let`, or `auto`, the window that is computed from the data."""

    name: str


Duration = (
    DurationLiteral
    | DurationQuery
    | DurationUnary
    | DurationBinary
    | DurationParen
    | DurationReference
)
"""A duration: of a range, an offset, a step."""


# --- selectors -------------------------------------------------------------------------------


class AtEdge(StrEnum):
    """`@ start()` and `@ end()`."""

    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True)
class At(Spanned):
    """`@ 1.5` (milliseconds here) or `@ start()` / `@ end()`.

    plus_ms  the time that is added to start or end: `@ (end() - 1h)`
    """

    when: int | AtEdge
    plus_ms: int = 0


@dataclass(frozen=True, slots=True)
class VectorSelector(Spanned):
    """`name{matchers} offset d @ t`.

    name      the metric name, or None; it is not repeated in `matchers`
    matchers  in the order of the text, `__name__` matchers in braces included
    anchored, smoothed  the extended range modifiers
    alternatives  sets of matchers; one of the sets must hold besides `matchers`: `{a="1" or b="2"}`
    templates     conditions that contain names of `let`; only in surface trees
    """

    name: str | None
    matchers: tuple[Matcher, ...] = ()
    offset: Duration | None = None
    at: At | None = None
    anchored: bool = False
    smoothed: bool = False
    alternatives: tuple[tuple[Matcher, ...], ...] = ()
    templates: tuple[Template, ...] = ()


@dataclass(frozen=True, slots=True)
class Template(Spanned):
    """A condition that contains names of `let`.

    name, op  the label and the operator; None: `parts` is one name, that of a set of conditions
    parts     the value: texts, and names as `VectorSelector`
    """

    parts: tuple[str | VectorSelector, ...]
    name: str | None = None
    op: MatchOp | None = None


@dataclass(frozen=True, slots=True)
class MatrixSelector(Spanned):
    """`selector[range]`. Offset, `@`, anchored and smoothed are fields of the selector."""

    selector: VectorSelector
    range: Duration


@dataclass(frozen=True, slots=True)
class Subquery(Spanned):
    """`inner[range:step] offset d @ t`; step None: the default.

    implicit  written without colon and step, `f(x)[1h]`: the step is that of the query
    """

    inner: Expr
    range: Duration
    step: Duration | None = None
    offset: Duration | None = None
    at: At | None = None
    implicit: bool = False


# --- expressions -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number(Spanned):
    """A number literal."""

    value: float

    def __eq__(self, other: object) -> bool:
        # NaN equals NaN here, and -0 does not equal 0.
        return isinstance(other, Number) and repr(float(self.value)) == repr(float(other.value))

    def __hash__(self) -> int:
        return hash(repr(float(self.value)))


@dataclass(frozen=True, slots=True)
class Text(Spanned):
    """A string literal, unquoted."""

    value: str


@dataclass(frozen=True, slots=True)
class Paren(Spanned):
    """An expression in parentheses."""

    inner: Expr


@dataclass(frozen=True, slots=True)
class Unary(Spanned):
    """`+operand` or `-operand`."""

    op: str
    operand: Expr


class Cardinality(StrEnum):
    """How many series of each side of a binary operator match one another."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"  # group_left
    ONE_TO_MANY = "one-to-many"  # group_right
    MANY_TO_MANY = "many-to-many"  # set operators


@dataclass(frozen=True, slots=True)
class Matching:
    """The rules by which the rows of two vectors match.

    on       True: only `labels` count. False: all but `labels` (and the name) count
    include  labels that group_left/group_right copies from the "one" side
    fill_left, fill_right  value for a missing partner on that side, None: no fill
    renamed  (label of the left side, label of the right side) for `on (left=right)`; the left one
             is in `labels`
    include_all, prefix  `group_left (*) prefix "x_"`
    """

    cardinality: Cardinality = Cardinality.ONE_TO_ONE
    on: bool = False
    labels: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None
    renamed: tuple[tuple[str, str], ...] = ()
    include_all: bool = False
    prefix: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Binary(LeftDeep, Spanned):
    """`left op right`.

    op            + - * / % ^ atan2, == != > < >= <= </ >/, and or unless, default if ifnot
    return_bool   the `bool` modifier
    matching      given exactly when both sides are instant vectors; filled in by the checker's
                  caller: the parser sets it when the text has a modifier, and a default
                  `Matching()` (or many-to-many for set operators) otherwise
    """

    op: str
    left: Expr
    right: Expr
    return_bool: bool = False
    matching: Matching = Matching()


@dataclass(frozen=True, slots=True)
class Aggregate(Spanned):
    """`op by|without (grouping) (parameter, operand)`.

    without   True: `without (grouping)`; False: `by (grouping)`, also when there is no clause
    limit     how many series at most; None: all
    more      arguments beyond parameter and operand, where the aggregator has such
    """

    op: str
    operand: Expr
    parameter: Expr | None = None
    grouping: tuple[str, ...] = ()
    without: bool = False
    limit: int | None = None
    more: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Call(Spanned):
    """A function of its arguments: `rate(m[5m])`.

    name_span  where the name is
    """

    function: str
    arguments: tuple[Expr, ...]
    name_span: Span = field(default=NOWHERE, compare=False, repr=False, kw_only=True)


# --- extensions of PromQL --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Binding(Spanned):
    """`name = value`, or `name(parameters) = value`. parameters: None for a value."""

    name: str
    value: Expr
    parameters: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Let(Spanned):
    """`let bindings in body`. A binding may use those before it. Only in surface trees."""

    bindings: tuple[Binding, ...]
    body: Expr


@dataclass(frozen=True, slots=True)
class Shifted(Spanned):
    """`inner offset d @ t` where inner is not a selector: inner as of another time."""

    inner: Expr
    offset: Duration | None = None
    at: At | None = None


@dataclass(frozen=True, slots=True)
class RetainNames(Spanned):
    """`inner keep_metric_names`: results have the metric names of the operand."""

    inner: Expr


@dataclass(frozen=True, slots=True)
class Member(Spanned):
    """The values of `operand` that are among `values`: `x == (1, 2)`. Only in core trees."""

    operand: Expr
    values: tuple[float, ...]


Expr = (
    Number
    | Text
    | Paren
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Unary
    | Binary
    | Aggregate
    | Call
    | Let
    | Shifted
    | RetainNames
    | Member
)
"""Any expression.

`parse` returns the surface tree, as written. `expand` turns it into the core tree, of which
plans are made: it has no `Let`, no templates, and no operator `if` or `ifnot`.
"""
