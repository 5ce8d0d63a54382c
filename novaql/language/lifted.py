"""Arithmetic and functions on the samples of a range vector: `avg_over_time(x[10m] != 0)`."""

from __future__ import annotations

from collections.abc import Callable

from novaql.errors import TypeProblem
from novaql.language.ast import Binary, Call, Expr, MatrixSelector, Member, Number, Paren, Unary
from novaql.language.fault import Fault
from novaql.language.precedence import SET_OPERATORS, TRIM_OPERATORS
from novaql.language.signatures import LIFTED
from novaql.language.value_types import ValueType

_CONSTANT_CALLS = frozenset({"pi", "start", "end", "range", "step", "min_of", "max_of"})


def operand_of_lifted(expr: Expr) -> Expr | None:
    """The operand of an operation that may be one on samples; None: it is not an operation."""
    match expr:
        case Paren(inner=inner):
            return inner
        case Unary(operand=operand) | Member(operand=operand):
            return operand
        case Binary(left=left, right=right):
            # A long chain has its short sides on the right.
            return right if not is_constant(right) and is_constant(left) else left
        case Call(function=name, arguments=(operand, *_)) if name in LIFTED:
            return operand
        case _:
            return None


def is_lifted(expr: Expr) -> bool:
    """Whether the expression is an operation on the samples of a range."""
    while isinstance(expr, Paren):
        expr = expr.inner
    node = operand_of_lifted(expr)
    while node is not None:
        if isinstance(node, MatrixSelector):
            return True
        node = operand_of_lifted(node)
    return False


def is_constant(expr: Expr) -> bool:
    """Whether the expression is a scalar that is the same at all times."""
    waiting = [expr]
    while waiting:
        match waiting.pop():
            case Number():
                pass
            case Paren(inner=inner) | Unary(operand=inner):
                waiting.append(inner)
            case Binary(left=left, right=right):
                waiting += left, right  # the right side is next: see above
            case Call(function=name, arguments=arguments) if name in _CONSTANT_CALLS:
                waiting += arguments
            case _:
                return False
    return True


def check_lifted(expr: Expr, check: Callable[[Expr], ValueType]) -> None:
    """Raise `Fault` at the first operation that cannot be applied to samples.

    check  the type checker
    """
    while not isinstance(expr, MatrixSelector):
        _check_operation(expr, check)
        below = operand_of_lifted(expr)
        assert below is not None
        expr = below
    selector = expr.selector
    if selector.anchored or selector.smoothed:
        word = "anchored" if selector.anchored else "smoothed"
        raise Fault(
            f"{word} is not for ranges whose samples are changed", expr.span, kind=TypeProblem
        )
    check(expr)


def _check_operation(expr: Expr, check: Callable[[Expr], ValueType]) -> None:
    match expr:
        case Binary(op=op, left=left, right=right):
            if op in SET_OPERATORS or op in TRIM_OPERATORS:
                raise Fault(f"{op} is not for the samples of a range", expr.span, kind=TypeProblem)
            constant = left if operand_of_lifted(expr) is right else right
            if not is_constant(constant):
                raise Fault(
                    "samples of a range can be combined with constants alone",
                    constant.span,
                    kind=TypeProblem,
                    suggestion="for other vectors write a subquery, as in (a * b)[5m:]",
                )
            check(constant)
        case Call(function=name, arguments=(_, *others)):
            for other in others:
                if not is_constant(other):
                    raise Fault(
                        f"{name}() of the samples of a range takes constants alone",
                        other.span,
                        kind=TypeProblem,
                    )
                check(other)
