"""What a query evaluates to."""

from __future__ import annotations

from novaql.result.cells import NativeCells, Points, native_where, points_at
from novaql.result.model import Arrays, Layout, QueryStats, Result, ResultKind, Series

__all__ = [
    "Arrays",
    "Layout",
    "NativeCells",
    "Points",
    "QueryStats",
    "Result",
    "ResultKind",
    "Series",
    "native_where",
    "points_at",
]
