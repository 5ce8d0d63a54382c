"""Memory that operators need while they run, besides operands and result, for each cell.

Measured as the peak of allocations of queries over matrices of a hundred megabytes
(`tests/evaluator/test_memory_peaks.py`), plus a margin.
"""

from __future__ import annotations

from collections.abc import Mapping

from novaql.evaluator.context import Context

WORKING_BYTES: Mapping[str, int] = {
    "topk": 45,
    "bottomk": 45,
    "limitk": 45,
    "limit_ratio": 20,
    "quantile": 45,
    "count_values": 100,
    "histogram_quantile": 190,
    "histogram_fraction": 190,
    "histogram_quantiles": 190,
    "and": 30,
    "unless": 30,
    "or": 45,
    "info": 60,
    "label_replace": 40,
    "label_join": 40,
    "subquery": 140,
    "fold": 95,
    "fold of squares": 260,
    "range": 80,
}
"""By aggregation, function or operator; `subquery`: of a point; `fold`: of a cell of the groups,
of squares for `stddev` and `stdvar`, which sum values and both halves of their squares;
`range`: of a sample that is answered as it is."""

BETWEEN_VECTORS = 45
"""Bytes for operators between vectors that are not named above."""

STAGED = 30
"""Bytes for functions that change each value separately."""


def working_bytes(name: str) -> int:
    """Return the bytes for a cell of the larger operand."""
    return WORKING_BYTES.get(name, BETWEEN_VECTORS)


def fold_of(aggregation: str) -> str:
    """Return the kind of fold that an aggregation is."""
    return "fold of squares" if aggregation in ("stddev", "stdvar") else "fold"


def admit_work(context: Context, name: str, rows: int, steps: int) -> None:
    """Reject an operator's work before it begins. Raises `LimitExceeded`."""
    context.admit_cells(rows, steps, working_bytes(name), f"{name}")
