"""The type checker: every operand and argument has the type that its place expects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_never

from novaql.errors import TypeProblem, UnknownName
from novaql.language.ast import (
    Aggregate,
    Binary,
    Call,
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
from novaql.language.fault import Fault, brief
from novaql.language.lifted import check_lifted, is_lifted
from novaql.language.metric_names import METRIC_NAME, ONE_OF_NAMES, named_twice
from novaql.language.precedence import COMPARISONS, SET_OPERATORS, TRIM_OPERATORS
from novaql.language.signatures import (
    AGGREGATORS,
    FUNCTIONS,
    LIFTED,
    Signature,
    signature_of,
)
from novaql.language.value_types import ARTICLES, ValueType
from novaql.lazy_exports import lazy_module
from novaql.span import Span

if TYPE_CHECKING:
    import difflib
else:  # 5 ms, for mistakes alone
    difflib = lazy_module("difflib")

_NUMERIC = (ValueType.SCALAR, ValueType.VECTOR)


def type_of(expr: Expr) -> ValueType:
    """The type of a well-typed expression, from the topmost node that determines it."""
    while isinstance(expr, Paren | Unary | Binary | Shifted | RetainNames | Member):
        if isinstance(expr, Binary):
            right = type_of(expr.right)
            if right in (ValueType.VECTOR, ValueType.MATRIX):
                return right
            expr = expr.left
        else:
            expr = expr.operand if isinstance(expr, Unary | Member) else expr.inner
    match expr:
        case Number():
            return ValueType.SCALAR
        case Text():
            return ValueType.STRING
        case VectorSelector() | Aggregate():
            return ValueType.VECTOR
        case MatrixSelector() | Subquery():
            return ValueType.MATRIX
        case Call(function=name, arguments=arguments):
            if name in LIFTED and type_of(arguments[0]) is ValueType.MATRIX:
                return ValueType.MATRIX
            return signature_of(name).returns
        case Let():
            raise AssertionError("let is expanded first")
        case _:
            assert_never(expr)


def check(expr: Expr) -> ValueType:
    """The type of a core tree. Raises `Fault` at the first node that is not well typed."""
    match expr:
        case Number():
            return ValueType.SCALAR
        case Text():
            return ValueType.STRING
        case VectorSelector():
            _check_selects(expr)
            return ValueType.VECTOR
        case MatrixSelector(selector=selector):
            _check_selects(selector)
            return ValueType.MATRIX
        case Subquery(inner=inner):
            _want(check(inner), ValueType.VECTOR, inner.span, "a subquery")
            return ValueType.MATRIX
        case Paren(inner=inner) | Shifted(inner=inner):
            return check(inner)
        case RetainNames(inner=inner):
            _want(check(inner), ValueType.VECTOR, inner.span, "keep_metric_names")
            return ValueType.VECTOR
        case Member(operand=operand):
            _want(check(operand), ValueType.VECTOR, operand.span, "a comparison with a list")
            return ValueType.VECTOR
        case Let():
            raise AssertionError("let is expanded first")
        case Unary(op=op, operand=operand):
            got = check(operand)
            if got not in _NUMERIC:
                raise Fault(
                    f"the sign {op} expects a scalar or an instant vector, got {ARTICLES[got]}",
                    operand.span,
                    kind=TypeProblem,
                    suggestion=_advice(got, ValueType.VECTOR),
                )
            return got
        case Binary():
            return _check_binary(expr)
        case Aggregate():
            return _check_aggregate(expr)
        case Call():
            return _check_call(expr)
        case _:
            assert_never(expr)


def _want(got: ValueType, wanted: ValueType, span: Span, place: str) -> None:
    if got is not wanted:
        raise Fault(
            f"{place} expects {ARTICLES[wanted]}, got {ARTICLES[got]}",
            span,
            kind=TypeProblem,
            suggestion=_advice(got, wanted),
        )


def _advice(got: ValueType, wanted: ValueType) -> str | None:
    match got, wanted:
        case ValueType.VECTOR, ValueType.MATRIX:
            return "add a range such as [5m]"
        case ValueType.MATRIX, ValueType.VECTOR:
            return "remove the range or put a function around it, rate(…) or last_over_time(…)"
        case ValueType.SCALAR, ValueType.VECTOR:
            return "make it one with vector(…)"
        case ValueType.VECTOR, ValueType.SCALAR:
            return "make it one with scalar(…)"
        case _:
            return None


def _check_selects(selector: VectorSelector) -> None:
    """Require one name, and a condition that excludes the empty value, so that no selector means
    every series."""
    sets = [(*selector.matchers, *matchers) for matchers in selector.alternatives or ((),)]
    for matchers in sets:
        name = selector.name
        for matcher in matchers:
            if matcher.name == METRIC_NAME:
                # As in Prometheus, an empty name does not count against a second one.
                if name:
                    message = named_twice(name, matcher.value)
                    raise Fault(message, selector.span, suggestion=ONE_OF_NAMES)
                name = matcher.value
    if selector.name or all(any(not m.matches("") for m in matchers) for matchers in sets):
        return
    raise Fault(
        "the selector matches every series",
        selector.span,
        suggestion="add a metric name or a matcher that does not match the empty value, "
        'such as {job=~".+"}',
    )


def _check_binary(expr: Binary) -> ValueType:
    spine = left_spine(expr)
    left = check(spine[0].left)
    for node in spine:
        left = _check_operation(node, left, check(node.right))
    return left


def _check_operation(expr: Binary, left: ValueType, right: ValueType) -> ValueType:
    for operand, got in ((expr.left, left), (expr.right, right)):
        if got not in _NUMERIC:
            raise Fault(
                f"{expr.op} expects scalars and instant vectors, got {ARTICLES[got]}",
                operand.span,
                kind=TypeProblem,
                suggestion=_advice(got, ValueType.VECTOR),
            )
    if left is right is ValueType.VECTOR or expr.op == "default":
        return ValueType.VECTOR
    scalars = left is right
    if expr.op in SET_OPERATORS:
        operand = expr.left if left is ValueType.SCALAR else expr.right
        raise Fault(
            f"{expr.op} expects instant vectors on both sides, got a scalar",
            operand.span,
            kind=TypeProblem,
            suggestion="make it one with vector(…)",
        )
    if scalars and expr.op in COMPARISONS and not expr.return_bool:
        raise Fault(
            "a comparison between scalars needs the bool modifier",
            expr.span,
            kind=TypeProblem,
        )
    if scalars and expr.op in TRIM_OPERATORS:
        raise Fault(
            f"{expr.op} expects a histogram on its left, got a scalar",
            expr.left.span,
            kind=TypeProblem,
        )
    matching = expr.matching
    if matching.labels or matching.fill_left is not None or matching.fill_right is not None:
        what = "on or ignoring" if matching.labels else "fill"
        raise Fault(
            f"{what} is for two instant vectors, but one side here is a scalar",
            expr.left.span if left is ValueType.SCALAR else expr.right.span,
            kind=TypeProblem,
            suggestion="remove the modifier",
        )
    return ValueType.SCALAR if scalars else ValueType.VECTOR


def _check_aggregate(expr: Aggregate) -> ValueType:
    known = AGGREGATORS.get(expr.op)
    if known is None:
        raise _unknown(expr.op, expr.span, list(AGGREGATORS), "aggregator")
    if expr.parameter is not None:
        wanted = known.parameter
        if wanted is None:
            raise Fault(f"{expr.op} takes no parameter", expr.parameter.span, kind=TypeProblem)
        _want(check(expr.parameter), wanted, expr.parameter.span, f"{expr.op}, as its parameter,")
    elif known.parameter is not None:
        raise Fault(f"{expr.op} takes a parameter first", expr.span, kind=TypeProblem)
    for argument in expr.more:
        if known.more is None:
            raise Fault(f"{expr.op} takes no more arguments", argument.span, kind=TypeProblem)
        _want(check(argument), known.more, argument.span, f"{expr.op}, as a further argument,")
    _want(check(expr.operand), ValueType.VECTOR, expr.operand.span, expr.op)
    return ValueType.VECTOR


def _check_call(expr: Call) -> ValueType:
    signature = FUNCTIONS.get(expr.function)
    if signature is None:
        known = [*FUNCTIONS, *AGGREGATORS]
        raise _unknown(expr.function, expr.name_span, known, "function")
    _check_count(expr, signature)
    for index, argument in enumerate(expr.arguments):
        if expr.function == "info" and index == 1:
            _check_info_labels(argument)
            continue
        wanted = signature.argument_type(index, len(expr.arguments))
        if wanted is ValueType.MATRIX and is_lifted(argument):
            check_lifted(argument, check)
            continue
        place = f"{expr.function}()"
        if len(signature.arguments) > 1:
            place = f"argument {index + 1} of {place}"
        _want(check(argument), wanted, argument.span, place)
    return signature.returns


def _check_info_labels(argument: Expr) -> None:
    """The second argument of `info` only looks like a selector: it may match everything, and match
    the name twice."""
    if not isinstance(argument, VectorSelector):
        raise Fault(
            "info() expects label matchers as its second argument",
            argument.span,
            kind=TypeProblem,
            suggestion='as in {k8s_cluster=~".+"}, with the metric as {__name__="…"}',
        )


def _check_count(expr: Call, signature: Signature) -> None:
    fewest, most = signature.fewest_arguments, signature.most_arguments
    got = len(expr.arguments)
    if got >= fewest and (most is None or got <= most):
        return
    if most == 0:
        wanted = "no arguments"
    elif fewest == most:
        wanted = "1 argument" if fewest == 1 else f"{fewest} arguments"
    elif got < fewest:
        wanted = f"at least {fewest} argument{'s' if fewest > 1 else ''}"
    else:
        wanted = f"at most {most} argument{'s' if most != 1 else ''}"
    extra = expr.arguments[most] if most is not None and got > most else expr
    raise Fault(
        f"{expr.function}() takes {wanted}, got {got}",
        extra.span,
        kind=TypeProblem,
        suggestion=f"its form is {signature}",
    )


def _unknown(name: str, span: Span, known: Sequence[str], what: str) -> Fault:
    close = did_you_mean(name, known)
    return Fault(f'unknown {what} "{brief(name)}"', span, kind=UnknownName, suggestion=close)


# Functions of other versions and dialects that have another name here.
_RENAMED = {"mean": "avg", "median": "quantile"}


def did_you_mean(name: str, known: Sequence[str]) -> str | None:
    """`did you mean "rate"?`, or None if nothing is close."""
    renamed = _RENAMED.get(name.lower())
    close = (
        [renamed] if renamed in known else difflib.get_close_matches(name.lower()[:64], known, n=1)
    )
    return f'did you mean "{close[0]}"?' if close else None
