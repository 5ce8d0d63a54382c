"""Printing and parsing undo each other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.language import ValueType, format_expr, parse, parse_core, type_of
from novaql.language.ast import Binary, Expr, Let, Number, Paren, Unary, VectorSelector
from novaql.language.precedence import COMPARISONS, MANY_TO_MANY, PRECEDENCE
from novaql.language.visit import walk
from tests.support.generators.expressions import Vocabulary, numbers, well_typed_expressions
from tests.support.generators.extended_expressions import extended_expressions
from tests.support.generators.rewriting import rewrite


@pytest.mark.slow
@given(well_typed_expressions())
@settings(deadline=None)
def test_what_is_printed_reads_back(expr: Expr) -> None:
    assert expr == parse(format_expr(expr))


@pytest.mark.slow
@given(extended_expressions(), st.integers(0, 80))
@settings(deadline=None)
def test_extensions_read_back(expr: Expr, width: int) -> None:
    text = format_expr(expr)

    assert expr == parse(text)
    assert text == format_expr(parse(text))
    assert expr == parse(format_expr(expr, width=width))


@pytest.mark.slow
@given(extended_expressions(ValueType.VECTOR), st.integers(0, 80))
@settings(deadline=None)
def test_pipes_read_back(expr: Expr, width: int) -> None:
    assert expr == parse(format_expr(expr, style="pipes"))
    assert expr == parse(format_expr(expr, style="pipes", width=width))


@pytest.mark.slow
@given(extended_expressions(ValueType.VECTOR))
@settings(deadline=None)
def test_core_trees_are_expanded(expr: Expr) -> None:
    core = parse_core(format_expr(expr))

    assert not any(isinstance(node, Let) for node in walk(core))
    assert type_of(core) is ValueType.VECTOR


@given(well_typed_expressions(), st.integers(0, 80))
@settings(deadline=None)
def test_broken_lines_read_back(expr: Expr, width: int) -> None:
    assert expr == parse(format_expr(expr, width=width))


@given(well_typed_expressions())
@settings(deadline=None)
def test_printing_is_idempotent(expr: Expr) -> None:
    text = format_expr(expr)

    assert text == format_expr(parse(text))


@pytest.mark.slow
@given(well_typed_expressions(ValueType.VECTOR, vocabulary=Vocabulary(metrics=["m"])))
@settings(deadline=None)
def test_drawn_type_is_the_type(expr: Expr) -> None:
    assert type_of(parse(format_expr(expr))) is ValueType.VECTOR


@pytest.mark.slow
@given(well_typed_expressions())
@settings(deadline=None)
def test_spans_hold_the_text_of_their_node(expr: Expr) -> None:
    text = format_expr(expr)

    for node in walk(parse(text)):
        part = text[node.span.start : node.span.end]
        if isinstance(node, VectorSelector) and "[" in text:
            continue  # a range stands between a selector and its offset
        assert format_expr(node) == part


def _bare_vectors() -> st.SearchStrategy[Expr]:
    """Operators without any parentheses."""
    operators = sorted(PRECEDENCE.keys() - COMPARISONS - MANY_TO_MANY - {"</", ">/"})
    leaves: st.SearchStrategy[Expr] = st.one_of(
        st.sampled_from([VectorSelector("a"), VectorSelector("b")]), numbers
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(Unary, st.sampled_from("+-"), inner),
            st.builds(Binary, st.sampled_from(operators), inner, inner),
        ),
        max_leaves=8,
    )


def _without_parentheses(expr: Expr) -> Expr:
    return rewrite(expr, lambda node: node.inner if isinstance(node, Paren) else node)


def _signs_folded(expr: Expr) -> Expr:
    def fold(node: Expr) -> Expr:
        match node:
            case Unary(op="-", operand=Number(value=value)):
                return Number(-value)
            case Unary(op="+", operand=Number() as number):
                return number
            case _:
                return node

    return rewrite(expr, fold)


@given(_bare_vectors())
@settings(deadline=None)
def test_trees_without_parentheses_get_those_they_need(expr: Expr) -> None:
    read = _without_parentheses(parse(format_expr(expr)))

    assert _signs_folded(expr) == _signs_folded(read)


@pytest.mark.parametrize(
    "text",
    [
        "up",
        '{"ſum"}',
        "sum by (job) (rate(m[5m]))",
        "sum without () (m)",
        "topk by (a, b) (5, m)",
        'count_values("v", m)',
        "a / on (x) group_left () b",
        "a / ignoring () group_right (y) b",
        "a + on () b",
        "a == bool on (x) b",
        "a and on (x) b",
        "a + fill (0) b",
        "a + on (x) group_left (y) fill_left (1) fill_right (-2.5) b",
        "m offset -5m",
        "m @ 1.500",
        "m @ -0.001",
        "m[5m] @ start() offset 1h",
        "m[5m] anchored offset 1h",
        "m smoothed @ end()",
        "m[5m:]",
        "(a + b)[1h:1m] offset 1d12h",
        "rate(m[step() * 2s + 1m])",
        "m[max_of(step(), 1m)]",
        "m offset (1m + step())",
        '{"my.metric",job="a"}',
        '{"label.name"="v"}',
        '{__name__="m"}',
        'm{a="b",c!="d",e=~"f",g!~"h"}',
        "-1 ^ 2",
        "(-1) ^ 2",
        "2 ^ -1",
        "-a * b",
        "a - (b - c)",
        "-Inf",
        "Inf ^ 2",
        "a + on (x) offset",
        "a / on (x) group_left () and or by",
        "NaN",
        "0.000001",
        "1e-07",
        "100000000000000000000",
        '"quote \\" backslash \\\\ line \\n byte \\xff"',
        "sum + start + by",
        "h </ 5",
    ],
)
def test_canonical_text_prints_as_itself(text: str) -> None:
    assert text == format_expr(parse(text))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("SUM(a)BY(b,)", "sum by (b) (a)"),
        ("sum by () (a)", "sum(a)"),
        ("a AND b Or c", "a and b or c"),
        ("m[300]", "m[5m]"),
        ("m[0.5]", "m[500ms]"),
        ("m[0.0000005]", "m[0.0000005]"),
        ("m[90m]", "m[1h30m]"),
        ("m[7d]", "m[1w]"),
        ("m[8d]", "m[8d]"),
        ("m offset 0", "m offset 0s"),
        ("m offset - -5m", "m offset 5m"),
        ("m offset 1h @ 5", "m @ 5.000 offset 1h"),
        ("x > 5m", "x > 300"),
        ("010 + 089 + 0x_1F + 1_000", "8 + 89 + 31 + 1000"),
        ("- - 1", "1"),
        ("inf", "+Inf"),
        ("'single'", '"single"'),
        ("`raw\\n\n`", '"raw\\\\n\\n"'),
        ("{'m'}", "m"),
        ("a # comment\n + b", "a + b"),
        ("a+fill(1)b", "a + fill (1) b"),
        ("a+on(x)fill_right(2)fill_left(2)b", "a + on (x) fill (2) b"),
    ],
)
def test_other_spellings_become_canonical(text: str, canonical: str) -> None:
    assert canonical == format_expr(parse(text))


LONG = "sum by (job) (rate(requests_total[5m])) / on (job) group_left () sum(limit) > 0.5"
BROKEN = """\
sum by (job) (
  rate(requests_total[5m])
)
/ on (job) group_left ()
sum(limit)
>
0.5"""


def test_long_queries_are_broken_at_operators_and_arguments() -> None:
    assert format_expr(parse(LONG), width=30) == BROKEN


def test_what_fits_stays_on_its_line() -> None:
    assert format_expr(parse(LONG), width=len(LONG)) == LONG
