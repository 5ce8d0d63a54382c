"""Syntax trees from syntax trees."""

from __future__ import annotations

from collections.abc import Callable

from novaql.language.ast import Expr
from novaql.language.visit import children, with_children


def rewrite(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The tree with `change` applied to every node, children first."""
    below = tuple(rewrite(child, change) for child in children(expr))
    return change(with_children(expr, below))
