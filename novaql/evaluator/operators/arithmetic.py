"""Operators between a vector and a scalar, or two scalars, and unary minus."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.elementwise import ARITHMETIC, COMPARISON
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.pipeline.model import Stage
from novaql.planner.logical import BinaryOp


def scalar_scalar(op: str, left: Floats, right: Floats) -> Floats:
    """[J] and [J]; comparisons return 0 or 1."""
    with np.errstate(all="ignore"):
        if op in COMPARISON:
            return COMPARISON[op](left, right).astype(np.float64)
        return ARITHMETIC[op](left, right)


def drops_name(node: BinaryOp) -> bool:
    """Whether the result is another quantity: arithmetic and `bool`, but not filters."""
    return node.op in ARITHMETIC or node.return_bool


def vector_scalar_stage(node: BinaryOp, scalar: Floats, *, scalar_is_left: bool) -> Stage:
    """The operator as a change of blocks. scalar: [J]. A filter returns the vector's value."""
    op, return_bool = node.op, node.return_bool

    def stage(values: Floats, valid: Bools | None) -> tuple[Floats, Bools | None]:
        left, right = (scalar, values) if scalar_is_left else (values, scalar)
        if op in ARITHMETIC:
            return ARITHMETIC[op](left, right), valid
        holds = COMPARISON[op](left, right)
        if return_bool:
            return holds.astype(np.float64), valid
        return values, holds if valid is None else valid & holds

    return stage


def negate(values: Floats, valid: Bools | None) -> tuple[Floats, Bools | None]:
    return -values, valid
