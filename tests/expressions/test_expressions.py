"""`q`: what Python expressions build is what their texts parse to."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings

import novaql
from novaql import ArgumentError, QueryError, explain, parse, q, query
from novaql.expressions import Expression
from novaql.expressions.calls import METHODS
from novaql.language import FUNCTIONS, format_expr
from novaql.language.ast import (
    Aggregate,
    At,
    Binary,
    Call,
    Cardinality,
    Expr,
    MatrixSelector,
    Number,
    Paren,
    RetainNames,
    Shifted,
    Subquery,
    Text,
    Unary,
    VectorSelector,
)
from novaql.language.printer import one_line
from novaql.tsdb.model.matchers import Matcher
from tests.support.generators.expressions import well_typed_expressions
from tests.support.generators.extended_expressions import extended_expressions

OPERATORS: dict[str, Any] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": lambda a, b: a % b,
    "^": lambda a, b: a**b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
METHOD_OF = {
    "atan2": "atan2",
    "default": "default",
    "if": "if_",
    "ifnot": "ifnot",
    "unless": "unless",
    "==": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
    "</": "trim_upper",
    ">/": "trim_lower",
}


def built(tree: Expr) -> Any:
    """The expression that a program would write for a tree; parts without a form in Python, such
    as texts, are arguments as they are."""
    match tree:
        case Number(value=value):
            return q(value)
        case Text(value=value):
            return value
        case Paren(inner=inner):
            found = built(inner)
            return q(found) if isinstance(found, Expression) else q(f"({one_line(inner)})")
        case VectorSelector():
            return selector(tree)
        case MatrixSelector(selector=inner, range=length):
            return selector(inner)[one_line_duration(length)]
        case Subquery(inner=inner, range=length, step=step):
            first = one_line_duration(length)
            last = None if step is None else one_line_duration(step)
            points = built(inner)[first] if tree.implicit else built(inner)[first:last]
            return shifted(points, tree)
        case Unary(op=op, operand=operand):
            return -built(operand) if op == "-" else +built(operand)
        case Binary(left=Text()):  # of texts, which Python would join
            return q(one_line(tree))
        case Binary():
            return operation(tree)
        case Aggregate():
            arguments = [built(one) for one in (tree.parameter, *tree.more) if one is not None]
            grouping: dict[str, Any] = {"without" if tree.without else "by": list(tree.grouping)}
            found = getattr(built(tree.operand), tree.op)(*arguments, **grouping)
            return found if tree.limit is None else found.limit(tree.limit)
        case Call(function=name, arguments=arguments):
            return getattr(q, name)(*map(built, arguments))
        case Shifted(inner=inner):
            return shifted(built(inner), tree)
        case RetainNames(inner=inner):
            return built(inner).keep_metric_names()
        case _:
            return q(one_line(tree))


def one_line_duration(duration: Any) -> str:
    text = one_line(MatrixSelector(VectorSelector("x"), duration))
    return text.removeprefix("x[").removesuffix("]")


def selector(tree: VectorSelector) -> Any:
    conditions = {matcher.name: value_of(matcher) for matcher in tree.matchers}
    if len(conditions) < len(tree.matchers):  # a label twice: no dict has that
        return q(one_line(tree))
    sets: list[dict[str, Any]] = [conditions] if conditions else []
    if tree.alternatives:
        sets = [{m.name: value_of(m) for m in each} for each in tree.alternatives]
        if any(len(a) < len(b) for a, b in zip(sets, tree.alternatives, strict=True)):
            return q(one_line(tree))
    start: Any = q(*sets) if tree.name is None else q[tree.name]
    if sets and tree.name is not None:
        start = start(*sets)
    if tree.anchored or tree.smoothed:
        start = start.anchored() if tree.anchored else start.smoothed()
    return shifted(start, tree)


def value_of(matcher: Matcher) -> Any:
    value = q.re(matcher.value) if matcher.op.is_regex else matcher.value
    return q.ne(value) if matcher.op.is_negative else value


def shifted(found: Any, tree: VectorSelector | Subquery | Shifted) -> Any:
    if tree.at is not None:
        found = found.at(at_text(tree.at))
    if tree.offset is not None:
        found = found.offset(one_line_duration(tree.offset))
    return found


def at_text(at: At) -> str:
    text = one_line(VectorSelector("x", at=at))
    return text.removeprefix("x @ ")


def operation(tree: Binary) -> Any:
    left, right, matching = built(tree.left), built(tree.right), tree.matching
    pairs = dict(matching.renamed)
    plain = [name for name in matching.labels if name not in pairs]
    if (*plain, *pairs) != matching.labels:  # renamed labels follow the others in a call
        return q(one_line(tree))
    if tree.return_bool:
        found = getattr(left, METHOD_OF[tree.op])(right, bool=True)
    elif tree.op in OPERATORS:
        found = OPERATORS[tree.op](left, right)
    else:
        found = getattr(left, METHOD_OF[tree.op])(right)
    if matching.on:
        found = found.on(*plain, **pairs)
    elif matching.labels or matching.cardinality in GROUPS:
        found = found.ignoring(*matching.labels)
    if matching.cardinality in GROUPS:
        include = ("*",) if matching.include_all else matching.include
        found = getattr(found, GROUPS[matching.cardinality])(*include, prefix=matching.prefix)
    if matching.fill_left is not None:
        found = found.fill_left(matching.fill_left)
    if matching.fill_right is not None:
        found = found.fill_right(matching.fill_right)
    return found


GROUPS = {Cardinality.MANY_TO_ONE: "group_left", Cardinality.ONE_TO_MANY: "group_right"}


@pytest.mark.slow
@given(well_typed_expressions(max_depth=3))
@settings(deadline=None, max_examples=60)
def test_expressions_build_what_texts_parse_to(tree: Expr) -> None:
    expression = built(tree)

    if isinstance(expression, Expression):
        assert expression.tree == tree
        assert str(expression) == format_expr(tree)


@pytest.mark.slow
@given(extended_expressions(max_depth=2))
@settings(deadline=None, max_examples=60)
def test_extensions_build_what_texts_parse_to(tree: Expr) -> None:
    expression = built(tree)

    if isinstance(expression, Expression):
        assert expression.tree == tree


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (
            q.http_requests_total(job="api").rate("5m").sum(by=["job"]),
            'sum by (job) (rate(http_requests_total{job="api"}[5m]))',
        ),
        (q.a(x=re.compile("b.*"), y=["a", "b.c"], z=q.ne("1")), r'a{x=~"b.*",y=~"a|b\\.c",z!="1"}'),
        (q.a(x=q.ne(["a", "b"]), y=None, code=500), 'a{x!~"a|b",y="",code="500"}'),
        (q.a(x=re.compile("b", re.IGNORECASE)), 'a{x=~"(?i)b"}'),
        (q({"a.b": "c"}, job="x"), '{job="x","a.b"="c"}'),
        (q.a({"b": "1"}, {"c": "2"}), 'a{b="1" or c="2"}'),
        (q["name:with:colons"], "name:with:colons"),
        ((q.a + 1) * 3 - 2**q.b, "(a + 1) * 3 - 2 ^ b"),
        (
            (q.a / q.b).on("ns", pod="exported_pod").group_left("node"),
            "a / on (ns, pod=exported_pod) group_left (node) b",
        ),
        ((q.a & q.b) | q.c.unless(q.d).ignoring("x"), "a and b or c unless ignoring (x) d"),
        (q.a.gt(3, bool=True), "a > bool 3"),
        (q.a == [1, 2], "a == (1, 2)"),
        (q.a["1h":"5m"].offset("-5m").at("end()"), "a[1h:5m] @ end() offset -5m"),
        (q.a["1h":].max_over_time(), "max_over_time(a[1h:])"),
        (q.a[timedelta(minutes=5)].rate(), "rate(a[5m])"),
        (q.a[300], "a[5m]"),
        (q.a.rate(), "rate(a)"),
        (q.a.sum().max_over_time("1h"), "max_over_time(sum(a)[1h])"),
        (q.a.quantile_over_time("5m", 0.9), "quantile_over_time(0.9, a[5m])"),
        (q.a.predict_linear("1h", 3600), "predict_linear(a[1h], 3600)"),
        (q.a.count_values("x", without=["y"]), 'count_values without (y) ("x", a)'),
        (q.topk(5, q.a, by="x").limit(2), "topk by (x) (5, a) limit 2"),
        (q.time() - q.time(job="x"), 'time() - time{job="x"}'),
        (-abs(q.a), "-abs(a)"),
        ((q.a["5m"] * 8).max_over_time(), "max_over_time(a[5m] * 8)"),
        (q.clamp(-q.a["5m"], 0, 1).avg_over_time(), "avg_over_time(clamp(-a[5m], 0, 1))"),
        ((q.a["5m"] == [1, 2]).count_over_time(), "count_over_time(a[5m] == (1, 2))"),
        (q("let x = a in x * 2") + 1, "(let x = a in x * 2) + 1"),
        (q(q.a + 1), "(a + 1)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_forms(expression: Expression, text: str) -> None:
    assert str(expression) == text
    assert expression.tree == parse(text)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: q.up.rat("5m"), AttributeError, 'did you mean "rate"'),
        (lambda: q.up["5m"].sum(), QueryError, r"1:5: \.sum\(\): sum expects an instant vector"),
        (lambda: q.up.rate("5m", 3), QueryError, r"\.rate\(\): rate\(\) takes 1 argument"),
        (lambda: q.up.sum(bye="x"), TypeError, r"\.sum\(\) has the keywords .*'without'"),
        (lambda: q.up.sum(by="x", without="y"), ArgumentError, "by or without"),
        (lambda: q.up.topk(), ArgumentError, r"topk\(k, v\)"),
        (lambda: q.up["x] or up[5m"], ArgumentError, "duration"),
        (lambda: q.up.offset("5m").offset("5m"), ArgumentError, "already"),
        (lambda: q.up.on("x"), ArgumentError, "follows an operation"),
        (lambda: q.up(job=object()), ArgumentError, "job: a label is compared"),
        (lambda: q.up(job=q.re("(")), ArgumentError, "no regular expression"),
        (lambda: q.up(job=[]), ArgumentError, "job"),
        (lambda: bool(q.up == 1), TypeError, "neither true nor false"),
        (lambda: q("up +"), QueryError, "1:5"),
        (lambda: query(3), ArgumentError, "an expression of q"),  # type: ignore[arg-type]
    ],
)
def test_mistakes(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make()


def test_every_function_and_aggregator_is_a_method() -> None:
    assert set(METHODS) <= set(dir(q.up))
    assert not [name for name in METHODS if name in vars(Expression)]
    assert "Increase per second" in (q.up.rate.__doc__ or "")
    assert set(FUNCTIONS) <= set(dir(q))


def test_what_takes_a_text_takes_an_expression() -> None:
    expression = q.vector(1) + 1

    assert query(expression, time=0).values.tolist() == [[2.0]]
    assert explain(expression) == explain(str(expression))
    assert novaql.analyze(expression, time=0).splitlines()
    assert novaql.estimate(expression, time=0).series == 0


def test_a_long_chain_takes_no_time() -> None:
    expression: Expression = q.a
    for _ in range(2_000):
        expression = expression + q.a

    assert str(expression).count("+") == 2_000
    assert isinstance(expression.tree, Binary)
