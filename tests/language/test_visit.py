"""Walking and rebuilding trees."""

from __future__ import annotations

import pytest
from hypothesis import given

from novaql.language import parse
from novaql.language.ast import Expr, Number, VectorSelector
from novaql.language.visit import children, walk, with_children
from tests.support.generators.expressions import well_typed_expressions


def test_walk_goes_in_the_order_of_the_text() -> None:
    expr = parse("sum(a) + topk(2, rate(b[5m])) - (c)")

    names = [node.name for node in walk(expr) if isinstance(node, VectorSelector)]

    assert names == ["a", "b", "c"]


@pytest.mark.slow
@given(well_typed_expressions())
def test_with_children_undoes_children(expr: Expr) -> None:
    for node in walk(expr):
        assert node == with_children(node, children(node))


def test_wrong_children_are_refused() -> None:
    with pytest.raises(TypeError, match="children of a MatrixSelector"):
        with_children(parse("a[5m]"), (Number(1),))
