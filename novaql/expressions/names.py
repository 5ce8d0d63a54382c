"""`q`: the beginning of an expression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaql.expressions.calls import aggregated
from novaql.expressions.expression import Expression
from novaql.expressions.operands import Not, Pattern, operand, with_matchers
from novaql.language import AGGREGATORS, FUNCTIONS, Call, Paren, VectorSelector, parse


class Name(Expression):
    """A metric as an attribute of `q`, or a function: `q.up(job="a")`, `q.time()`, `q.rate(x)`."""

    __slots__ = ()

    def __call__(self, *arguments: Any, **options: Any) -> Expression:
        tree = self._tree
        name = tree.name if isinstance(tree, VectorSelector) and tree.name else ""
        if arguments and not isinstance(arguments[0], Mapping) and name in AGGREGATORS:
            return Expression(aggregated(AGGREGATORS[name], arguments, **options), f"{name}()")
        row = FUNCTIONS.get(name)
        matched = options or (arguments and isinstance(arguments[0], Mapping))
        if row is not None and not matched and (arguments or not row.fewest_arguments):
            return Expression(Call(name, tuple(map(operand, arguments))), f"{name}()")
        return super().__call__(*arguments, **options)


class Beginning:
    """The beginning of an expression.

    q.up, q["a.b:c"]   the metric of this name
    q.up(job="api")    with matchers; q(job="api") without a name
    q("a / b"), q(2)   the expression of a text; a number
    q(expr)            in parentheses
    q.time()           a function; `q["time"]` is the metric
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Name:
        if name.startswith("__"):
            raise AttributeError(name)
        return Name(VectorSelector(name))

    def __getitem__(self, name: str) -> Expression:
        return Expression(VectorSelector(name), f"[{name!r}]")

    def __call__(
        self, value: Any = None, /, *sets: Mapping[str, object], **labels: object
    ) -> Expression:
        if isinstance(value, str):
            return Expression(parse(value))
        if value is None or isinstance(value, Mapping):
            given = sets if value is None else (value, *sets)
            return Expression(with_matchers(VectorSelector(None), given, labels), "matchers")
        tree = operand(value)
        return Expression(Paren(tree) if isinstance(value, Expression) else tree)

    def re(self, regex: str) -> Pattern:
        """A regular expression (RE2) for a matcher: the whole value must match."""
        return Pattern(regex)

    def ne(self, value: object) -> Not:
        """For a matcher: anything but this value, list or pattern."""
        return Not(value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *FUNCTIONS, *AGGREGATORS})


q = Beginning()
"""The beginning of every expression: `q.up(job="api")`."""
