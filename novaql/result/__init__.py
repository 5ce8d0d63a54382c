"""Results of queries."""

from __future__ import annotations

from novaql.result.cells import NativeCells, Points, native_where, points_at
from novaql.result.model import Arrays, QueryStats, Result, ResultKind

__all__ = [
    "Arrays",
    "NativeCells",
    "Points",
    "QueryStats",
    "Result",
    "ResultKind",
    "native_where",
    "points_at",
]
