"""Queries as texts, and as objects that have a text: expressions of `novaql.q`."""

from __future__ import annotations

from typing import Protocol, TypeAlias, runtime_checkable

from novaql.errors import ArgumentError


@runtime_checkable
class HasQueryText(Protocol):
    """An object with the text of a query."""

    def __novaql__(self) -> str:
        """Return the text of the query."""
        ...


QueryLike: TypeAlias = str | HasQueryText
"""A query: its text, or an expression of `novaql.q`."""


def query_text(expr: QueryLike) -> str:
    """Return the text of a query. Raises `ArgumentError` for an object that is not a query."""
    if isinstance(expr, str):
        return expr
    if isinstance(expr, HasQueryText):
        return expr.__novaql__()
    raise ArgumentError("expr", f"is a text or an expression of q, this is {type(expr).__name__}")
