"""Expression: a query as an immutable Python object with operators and methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, NoReturn

from novaql.errors import ArgumentError, QueryError
from novaql.expressions.calls import METHODS, called, doc_of, no_such_name, ranged
from novaql.expressions.operands import (
    DurationText,
    duration,
    moment,
    names,
    operand,
    with_matchers,
)
from novaql.language import (
    Aggregate,
    Binary,
    Cardinality,
    Expr,
    MatrixSelector,
    Number,
    Paren,
    RetainNames,
    Shifted,
    Subquery,
    Unary,
    VectorSelector,
    format_expr,
    parse,
    walk,
)
from novaql.language.ast import Matching
from novaql.language.lifted import is_lifted
from novaql.language.precedence import MANY_TO_MANY
from novaql.timeparse import TimeLike

CHECKED_AT_ONCE = 100
"""Nodes. A larger expression is checked when it is used: a chain of a thousand operators would
otherwise be printed and parsed a thousand times."""


class Expression:
    """A query: `q.up`, `q.up["5m"]`, `q.up.rate("5m") / 2`.

    Operators: `+ - * / % **`, comparisons, `&` (and), `|` (or), `-x`. Every function and aggregator
    of the language is a method, which puts the expression in as its vector. `str()` is the text.
    """

    __slots__ = ("_text", "_tree")

    def __init__(self, tree: Expr, method: str = "") -> None:
        self._tree, self._text = tree, ""
        nodes = sum(1 for _ in islice(walk(tree), CHECKED_AT_ONCE + 1))
        if nodes > CHECKED_AT_ONCE or is_lifted(tree):  # the latter is no query by itself
            return
        try:
            self._tree = parse(str(self))
        except QueryError as problem:
            message = f".{method}: {problem.message}" if method else problem.message
            raise type(problem)(
                message, problem.text, problem.span, suggestion=problem.suggestion
            ) from None

    @property
    def tree(self) -> Expr:
        """The syntax tree, of which `str()` is the text."""
        return self._tree

    def __novaql__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        self._text = self._text or format_expr(self._tree)
        return self._text

    def __repr__(self) -> str:
        return f"q({str(self)!r})"

    def __bool__(self) -> NoReturn:
        raise TypeError("an expression is neither true nor false; use & | and .unless()")

    def __iter__(self) -> NoReturn:
        raise TypeError("an expression cannot be iterated; query() returns its series")

    # --- functions and aggregators -----------------------------------------------------------

    def __getattr__(self, name: str) -> Callable[..., Expression]:
        row = METHODS.get(name)
        if row is None:
            raise AttributeError(no_such_name(name), name=name, obj=self)

        def method(*arguments: Any, **options: Any) -> Expression:
            return Expression(called(name, self._tree, arguments, options), f"{name}()")

        method.__name__, method.__qualname__ = name, f"Expression.{name}"
        method.__doc__ = doc_of(row)
        return method

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *METHODS})

    # --- selectors ---------------------------------------------------------------------------

    def __call__(self, *sets: Mapping[str, object], **labels: object) -> Expression:
        """Add matchers: `q.up(job="api", code=q.re("5.."), env=["a", "b"], zone=q.ne("x"))`.

        sets  labels whose names are no identifiers of Python; of several, any one must hold
        """
        tree = self._tree
        if not isinstance(tree, VectorSelector):
            raise TypeError(f"{self} is no selector: matchers follow the metric's name")
        return Expression(with_matchers(tree, sets, labels), "matchers")

    def __getitem__(self, length: DurationText | slice) -> Expression:
        """A range, `x["5m"]`, or a subquery, `x["1h":"5m"]`, `x["1h":]`."""
        if not isinstance(length, slice):
            return Expression(ranged(self._tree, duration(length)), f"[{length!r}]")
        step = None if length.stop is None else duration(length.stop)
        return Expression(Subquery(self._tree, duration(length.start), step), "subquery")

    def offset(self, length: DurationText) -> Expression:
        """`offset 5m`: as of so long ago."""
        return self._shifted("offset()", offset=duration(length, signed=True))

    def at(self, time: TimeLike) -> Expression:
        """`@ time`: as of a time, "start()" or "end()"."""
        return self._shifted("at()", at=moment(time))

    def _shifted(self, method: str, **fields: Any) -> Expression:
        tree = self._tree
        match tree:
            case MatrixSelector(selector=selector):
                target: Any = selector
            case VectorSelector() | Subquery() | Shifted():
                target = tree
            case _:
                return Expression(Shifted(tree, **fields), method)
        if any(getattr(target, name) is not None for name in fields):
            raise ArgumentError(method, f"is in {self} already")
        changed = replace(target, **fields)
        return Expression(
            replace(tree, selector=changed) if isinstance(tree, MatrixSelector) else changed, method
        )

    def anchored(self) -> Expression:
        """`anchored`: the window includes the sample before it."""
        return self._extended("anchored")

    def smoothed(self) -> Expression:
        """`smoothed`: values at the ends of the window are interpolated."""
        return self._extended("smoothed")

    def _extended(self, word: str) -> Expression:
        added: dict[str, Any] = {word: True}
        match self._tree:
            case VectorSelector() as selector:
                return Expression(replace(selector, **added), f"{word}()")
            case MatrixSelector(selector=selector) as tree:
                changed = replace(selector, **added)
                return Expression(replace(tree, selector=changed), f"{word}()")
            case _:
                raise ArgumentError(word, f"follows a selector or a range, not {self}")

    def keep_metric_names(self) -> Expression:
        """`keep_metric_names`: results have the metric names of the operand."""
        return Expression(RetainNames(self._tree), "keep_metric_names()")

    def limit(self, series: int) -> Expression:
        """`limit n`, behind an aggregation: at most so many series."""
        if not isinstance(self._tree, Aggregate):
            raise ArgumentError("limit", f"follows an aggregation, not {self}")
        return Expression(replace(self._tree, limit=series), "limit()")

    # --- operators ---------------------------------------------------------------------------

    def _binary(self, op: str, other: object, *, bool: bool = False) -> Expression:
        return joined(op, self._tree, operand(other), return_bool=bool)

    def _reflected(self, op: str, other: object) -> Expression:
        return joined(op, operand(other), self._tree)

    def __neg__(self) -> Expression:
        tree = self._tree
        return Expression(Number(-tree.value) if isinstance(tree, Number) else Unary("-", tree))

    def __pos__(self) -> Expression:
        return self if isinstance(self._tree, Number) else Expression(Unary("+", self._tree))

    def __abs__(self) -> Expression:
        return Expression(called("abs", self._tree, (), {}), "abs()")

    # fmt: off
    def __add__(self, other: object) -> Expression: return self._binary("+", other)
    def __sub__(self, other: object) -> Expression: return self._binary("-", other)
    def __mul__(self, other: object) -> Expression: return self._binary("*", other)
    def __truediv__(self, other: object) -> Expression: return self._binary("/", other)
    def __mod__(self, other: object) -> Expression: return self._binary("%", other)
    def __pow__(self, other: object) -> Expression: return self._binary("^", other)
    def __and__(self, other: object) -> Expression: return self._binary("and", other)
    def __or__(self, other: object) -> Expression: return self._binary("or", other)
    def __radd__(self, other: object) -> Expression: return self._reflected("+", other)
    def __rsub__(self, other: object) -> Expression: return self._reflected("-", other)
    def __rmul__(self, other: object) -> Expression: return self._reflected("*", other)
    def __rtruediv__(self, other: object) -> Expression: return self._reflected("/", other)
    def __rmod__(self, other: object) -> Expression: return self._reflected("%", other)
    def __rpow__(self, other: object) -> Expression: return self._reflected("^", other)
    def __eq__(self, other: object) -> Expression: return self.eq(other)  # type: ignore[override]
    def __ne__(self, other: object) -> Expression: return self.ne(other)  # type: ignore[override]
    def __lt__(self, other: object) -> Expression: return self.lt(other)
    def __le__(self, other: object) -> Expression: return self.le(other)
    def __gt__(self, other: object) -> Expression: return self.gt(other)
    def __ge__(self, other: object) -> Expression: return self.ge(other)
    # fmt: on

    def eq(self, other: object, *, bool: bool = False) -> Expression:
        """`==`; of a list: any of its numbers. bool: 0 or 1 instead of a filter."""
        return self._binary("==", other, bool=bool)

    def ne(self, other: object, *, bool: bool = False) -> Expression:
        """`!=`; of a list: none of its numbers. bool: 0 or 1 instead of a filter."""
        return self._binary("!=", other, bool=bool)

    def lt(self, other: object, *, bool: bool = False) -> Expression:
        """`<`. bool: 0 or 1 instead of a filter."""
        return self._binary("<", other, bool=bool)

    def le(self, other: object, *, bool: bool = False) -> Expression:
        """`<=`. bool: 0 or 1 instead of a filter."""
        return self._binary("<=", other, bool=bool)

    def gt(self, other: object, *, bool: bool = False) -> Expression:
        """`>`. bool: 0 or 1 instead of a filter."""
        return self._binary(">", other, bool=bool)

    def ge(self, other: object, *, bool: bool = False) -> Expression:
        """`>=`. bool: 0 or 1 instead of a filter."""
        return self._binary(">=", other, bool=bool)

    def and_(self, other: object) -> Expression:
        """`and`: series that have a match in `other`. The same as `&`."""
        return self._binary("and", other)

    def or_(self, other: object) -> Expression:
        """`or`: all series, and those of `other` that have no match. The same as `|`."""
        return self._binary("or", other)

    def unless(self, other: object) -> Expression:
        """`unless`: series that have no match in `other`."""
        return self._binary("unless", other)

    def default(self, other: object) -> Expression:
        """`default`: where there is no value, that of `other`."""
        return self._binary("default", other)

    def if_(self, other: object) -> Expression:
        """`if`: values where `other` has one."""
        return self._binary("if", other)

    def ifnot(self, other: object) -> Expression:
        """`ifnot`: values where `other` has none."""
        return self._binary("ifnot", other)

    def atan2(self, other: object) -> Expression:
        """`atan2`: the angle of two values, in radians."""
        return self._binary("atan2", other)

    def trim_upper(self, other: object) -> Expression:
        """`</`: of native histograms, the observations below a value."""
        return self._binary("</", other)

    def trim_lower(self, other: object) -> Expression:
        """`>/`: of native histograms, the observations above a value."""
        return self._binary(">/", other)

    # --- matching of the topmost operator ----------------------------------------------------

    def on(self, *labels: str, **renamed: str) -> Expression:
        """Match by these labels only: `(a / b).on("job", pod="exported_pod")`."""
        pairs = tuple(renamed.items())
        all_labels = (*names(labels), *renamed)
        return self._matched("on()", on=True, labels=all_labels, renamed=pairs)

    def ignoring(self, *labels: str) -> Expression:
        """Match by all labels but these."""
        return self._matched("ignoring()", on=False, labels=names(labels), renamed=())

    def group_left(self, *include: str, prefix: str = "") -> Expression:
        """Many series on the left match one on the right, whose `include` ("*": all) is copied."""
        return self._grouped(Cardinality.MANY_TO_ONE, "group_left()", include, prefix)

    def group_right(self, *include: str, prefix: str = "") -> Expression:
        """Many series on the right match one on the left, whose `include` ("*": all) is copied."""
        return self._grouped(Cardinality.ONE_TO_MANY, "group_right()", include, prefix)

    def _grouped(
        self, many: Cardinality, method: str, include: tuple[str, ...], prefix: str
    ) -> Expression:
        every = include == ("*",)
        copied = () if every else names(include)
        return self._matched(
            method, cardinality=many, include=copied, include_all=every, prefix=prefix
        )

    def fill(self, value: float) -> Expression:
        """The value of a missing partner, on either side."""
        return self._matched("fill()", fill_left=float(value), fill_right=float(value))

    def fill_left(self, value: float) -> Expression:
        """The value of a missing partner on the left."""
        return self._matched("fill_left()", fill_left=float(value))

    def fill_right(self, value: float) -> Expression:
        """The value of a missing partner on the right."""
        return self._matched("fill_right()", fill_right=float(value))

    def _matched(self, method: str, **fields: Any) -> Expression:
        tree = self._tree
        while isinstance(tree, Paren):
            tree = tree.inner
        if not isinstance(tree, Binary):
            raise ArgumentError(
                method, f"follows an operation in parentheses, (a / b).{method}, not {self}"
            )
        return Expression(replace(tree, matching=replace(tree.matching, **fields)), method)


def joined(op: str, left: Expr, right: Expr, *, return_bool: bool = False) -> Expression:
    many = Cardinality.MANY_TO_MANY if op in MANY_TO_MANY else Cardinality.ONE_TO_ONE
    return Expression(Binary(op, left, right, return_bool, Matching(many)))
