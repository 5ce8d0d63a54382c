"""Walking and rebuilding trees."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from novaql.language import format_expr, parse
from novaql.language.ast import Expr, Number, VectorSelector
from novaql.language.visit import children, rewrite, walk, with_children
from tests.support.generators.expressions import well_typed_expressions


def test_walk_goes_in_the_order_of_the_text() -> None:
    expr = parse("sum(a) + topk(2, rate(b[5m])) - (c)")

    names = [node.name for node in walk(expr) if isinstance(node, VectorSelector)]

    assert names == ["a", "b", "c"]


def test_rewrite_changes_what_it_is_told_to() -> None:
    def rename(node: Expr) -> Expr:
        return replace(node, name="new") if isinstance(node, VectorSelector) else node

    expr = parse("sum by (x) (a) / topk(2, rate(b[5m])) - -abs((c and d))")

    changed = rewrite(expr, rename)

    assert format_expr(changed) == "sum by (x) (new) / topk(2, rate(new[5m])) - -abs((new and new))"


@given(well_typed_expressions())
def test_rewriting_nothing_shares_everything(expr: Expr) -> None:
    assert rewrite(expr, lambda node: node) is expr


@given(well_typed_expressions())
def test_with_children_undoes_children(expr: Expr) -> None:
    for node in walk(expr):
        assert node == with_children(node, children(node))


def test_wrong_children_are_refused() -> None:
    with pytest.raises(TypeError, match="children of a MatrixSelector"):
        with_children(parse("a[5m]"), (Number(1),))
