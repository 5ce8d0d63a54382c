"""Names of aggregators that PromQL lacks stay names of metrics wherever PromQL takes one."""

from __future__ import annotations

import pytest

from novaql.errors import QueryError
from novaql.language import AGGREGATORS, format_expr, parse
from novaql.language.ast import Aggregate, Expr, VectorSelector
from novaql.language.signatures import Origin
from novaql.language.visit import children, walk, with_children
from tests.support.generators.rewriting import rewrite

NEW = sorted(name for name, row in AGGREGATORS.items() if row.origin is not Origin.PROMQL)
TEXTS = (
    "{}",
    '{}{{a="b"}}',
    "{} + 1",
    "1 - {} * 2",
    "-{}",
    "({})",
    "{} == bool 2",
    "{}[5m]",
    "{} offset 5m",
    "{} @ 5",
    "{}{{}} @ start() offset 1m",
    "rate({}[5m:1m])",
    "sum({})",
    "sum by ({}) (x)",
    "topk without ({}, a) (5, {})",
    "x * on ({}, b) group_left (c) {}",
    "x * on (b) group_left ({}) {}",
    "x / ignoring ({}) {}",
    'x{{{}="1"}}',
    "x or {}",
    "{} unless x",
    '{{"{}"}}',
    "abs({} # comment\n)",
)


def _renamed(text: str, word: str) -> str:
    return text.format(*[word] * 3)


@pytest.mark.parametrize("word", [*NEW, "Median", "TOPK_MAX", "share_", "modes"])
def test_a_word_is_a_metric_or_a_label_where_promql_has_one(word: str) -> None:
    for text in TEXTS:
        tree = parse(_renamed(text, word))
        other = parse(_renamed(text, "plain_name"))

        assert format_expr(tree).replace(word, "plain_name") == format_expr(other), text
        assert _shape(tree) == _shape(other), text
        assert parse(format_expr(tree)) == tree


def _shape(expr: Expr) -> list[str]:
    return [type(node).__name__ for node in walk(expr)]


@pytest.mark.parametrize("word", NEW)
def test_a_word_before_a_parenthesis_is_the_aggregator(word: str) -> None:
    (node,) = (n for n in walk(parse(AGGREGATORS[word].example)) if isinstance(n, Aggregate))

    assert node.op == word


def test_a_word_names_metric_and_aggregator_in_one_text() -> None:
    tree = parse("median by (mode) (median) / any")

    names = [node.name for node in walk(tree) if isinstance(node, VectorSelector)]
    assert names == ["median", "any"]


@pytest.mark.parametrize(
    "text",
    [
        "topk_max(5, x)",
        'topk_max by (a) (5, x, "b=other")',
        'quantiles without (a) ("q", 0.5, 0.9, x)',
        "outliersk(3, x)",
        "share(x)",
    ],
)
def test_further_arguments_are_in_the_order_of_the_text(text: str) -> None:
    tree = parse(text)

    assert format_expr(tree) == text
    assert with_children(tree, children(tree)) == tree
    assert rewrite(tree, lambda node: node) == tree


@pytest.mark.parametrize(
    "text",
    [
        "topk_max(x)",
        'topk_max(1, x, "a", "b")',
        "topk_max(1, x, 2)",
        'topk_max("a", x)',
        'quantiles("q", x)',
        "quantiles(0.5, 0.9, x)",
        'quantiles("q", "p", x)',
        'mode("a", x)',
        "outliersk(x)",
        "any()",
        'topk(1, x, "a=b")',
    ],
)
def test_wrong_arguments_are_refused(text: str) -> None:
    with pytest.raises(QueryError):
        parse(text)
