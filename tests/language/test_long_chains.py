"""Chains of operators without parentheses may be as long as a text may be.

Prometheus sets them no limit. Parentheses and calls do nest, and have one.
"""

from __future__ import annotations

import pytest

from novaql.errors import SyntaxProblem
from novaql.language import format_expr, parse
from novaql.language.ast import Binary, Number
from novaql.language.visit import walk

LONG = 4000

CHAINS = {
    "vectors": "a" + " + a" * LONG,
    "scalars": "1" + " + 1" * LONG,
    "precedences": "a" + " + a * 2 - a / 2" * (LONG // 3),
    "sets": "a" + " or a and a unless b" * (LONG // 3),
    "inside": "sum(((a" + " + a" * LONG + ")))",
    "on the right": "a ^ (a" + " + a" * LONG + ")",
    "of groups": "(a + 1) * b" + " * (a + 1)" * LONG,
    "in a call": "vector(1" + " + 1" * LONG + ")",
    "on samples": "sum_over_time(a[5m]" + " + 1" * LONG + ")",
    "before samples": "sum_over_time((1" + " + 1" * LONG + ") * a[5m])",
}


@pytest.mark.slow
@pytest.mark.parametrize("text", CHAINS.values(), ids=CHAINS)
def test_long_chains_are_read_and_printed(text: str) -> None:
    expr = parse(text)

    assert format_expr(expr) == text
    assert parse(format_expr(expr, width=100)) == expr
    assert hash(parse(format_expr(expr))) == hash(expr)


def test_broken_over_lines_as_much_as_fits_stays_on_the_first() -> None:
    assert format_expr(parse("alpha + beta + gamma"), width=12) == "alpha + beta\n+\ngamma"
    assert format_expr(parse("(alpha + beta) * gamma"), width=14) == ("(alpha + beta)\n*\ngamma")


def test_a_chain_of_ten_thousand_is_walked() -> None:
    expr = parse("1" + " + 1" * 10_000)

    assert sum(isinstance(node, Number) for node in walk(expr)) == 10_001


@pytest.mark.parametrize("other", ["a" + " + a" * 999 + " - a", "b" + " + a" * 1000, "a + a", "a"])
def test_chains_that_differ_are_not_equal(other: str) -> None:
    expr = parse("a" + " + a" * 1000)

    assert isinstance(expr, Binary)
    assert expr != parse(other)
    assert parse(other) != expr


@pytest.mark.parametrize(
    "text",
    ["(" * 250 + "a" + " + a)" * 250, "a" + " + (a" * 250 + ")" * 250, "a" + " ^ a" * 250],
    ids=["left", "right", "powers"],
)
def test_what_nests_has_a_limit_and_the_place_is_told(text: str) -> None:
    with pytest.raises(SyntaxProblem, match="nested more than 200 levels") as caught:
        parse(text)

    assert 0 < caught.value.span.start < len(text)
