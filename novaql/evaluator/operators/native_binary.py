"""Binary operators where one side or both hold native histograms, cell by cell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.elementwise import ARITHMETIC, COMPARISON
from novaql.evaluator.kernels.native.arithmetic import (
    add,
    divide,
    negate,
    scale,
    subtract,
)
from novaql.evaluator.kernels.native.trim import trim_above, trim_below
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.matrix import StepMatrix
from novaql.evaluator.native_pieces import bucket_weights, pieces
from novaql.planner.logical import BinaryOp
from novaql.result import NativeCells
from novaql.span import Span
from novaql.tsdb.model.histograms import Histograms, concat_histograms, equal_histograms

Which = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """K values of one side: floats, or histograms where which >= 0."""

    values: Floats
    which: Which
    histograms: Histograms

    @property
    def native(self) -> Bools:
        native: Bools = self.which >= 0
        return native

    def some(self, part: slice) -> Cells:
        return Cells(self.values[part], self.which[part], self.histograms)

    def weights(self) -> Ints:
        """[K] about how much work each is."""
        if not len(self.histograms):
            return np.ones(len(self.values), np.int64)
        return np.where(self.native, bucket_weights(self.histograms)[self.which], 1)

    def picked(self, cells: Ints) -> Histograms:
        return self.histograms.take(self.which[cells].astype(np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Combination:
    """Result of K pairs; `keep`: where there is one."""

    cells: Cells
    keep: Bools


def combine_matrices(
    context: Context, node: BinaryOp, left: StepMatrix, right: StepMatrix, there: Bools
) -> tuple[Floats, Bools, NativeCells]:
    """left op right where both are there: values, where there is a result, and histograms.

    A comparison that filters returns the left value.
    """
    at = np.flatnonzero(there)
    left_cells = cells_of(left, at)
    found = combine(context, node, left_cells, cells_of(right, at), filter_right=False)
    return spread(found, at, there.shape)


def cells_of(side: StepMatrix, at: Ints) -> Cells:
    """The values of a matrix at flat positions."""
    values = side.values.reshape(-1)[at]
    if side.native is None:
        return Cells(values, np.full(len(at), -1, np.int32), Histograms.none())
    return Cells(values, side.native.which.reshape(-1)[at], side.native.histograms)


def spread(
    found: Combination, at: Ints, shape: tuple[int, ...]
) -> tuple[Floats, Bools, NativeCells]:
    """A combination back on the grid."""
    values, keep = np.zeros(shape), np.zeros(shape, np.bool_)
    which = np.full(shape, -1, np.int32)
    values.reshape(-1)[at] = found.cells.values
    keep.reshape(-1)[at] = found.keep
    which.reshape(-1)[at] = found.cells.which
    return values, keep, NativeCells(found.cells.histograms, which)


def vector_scalar_native(
    context: Context, node: BinaryOp, operand: StepMatrix, scalar: Floats, *, scalar_is_left: bool
) -> StepMatrix:
    """A vector with histograms, or a trim operator, and a scalar per step. scalar: [J]."""
    there = operand.presence()
    at = np.flatnonzero(there)
    vector = cells_of(operand, at)
    per_cell = scalar[at % operand.steps]
    numbers = Cells(per_cell, np.full(len(at), -1, np.int32), Histograms.none())
    left, right = (numbers, vector) if scalar_is_left else (vector, numbers)
    with np.errstate(all="ignore"):
        found = combine(context, node, left, right, filter_right=scalar_is_left)
    values, keep, native = spread(found, at, there.shape)
    return replace(operand, values=values, valid=keep, native=native)


def negate_native(operand: StepMatrix) -> StepMatrix:
    """Unary minus: floats change their sign; so do histograms, and become gauges."""
    assert operand.native is not None
    native = NativeCells(negate(operand.native.histograms), operand.native.which)
    return replace(operand, values=-operand.values, native=native)


def combine(
    context: Context, node: BinaryOp, left: Cells, right: Cells, *, filter_right: bool
) -> Combination:
    """left op right, pair by pair; a filtering comparison returns the left value, or the right."""
    weights = left.weights() + right.weights()
    found = [
        _combined(context, node, left.some(part), right.some(part), filter_right=filter_right)
        for part in pieces(context, weights)
    ]
    if len(found) == 1:
        return found[0]
    which, before = [], 0
    for one in found:
        cells = one.cells
        which.append(np.where(cells.native, cells.which + np.int32(before), np.int32(-1)))
        before += len(cells.histograms)
    none = np.zeros(0)
    return Combination(
        Cells(
            np.concatenate([none, *(one.cells.values for one in found)]),
            np.concatenate([none.astype(np.int32), *which]),
            concat_histograms([one.cells.histograms for one in found]),
        ),
        np.concatenate([none.astype(np.bool_), *(one.keep for one in found)]),
    )


def _combined(
    context: Context, node: BinaryOp, left: Cells, right: Cells, *, filter_right: bool
) -> Combination:
    op, return_bool, span = node.op, node.return_bool, node.span
    filtered_side = right if filter_right else left
    count = len(left.values)
    values, keep = np.zeros(count), np.zeros(count, np.bool_)
    held: list[Histograms] = []
    place: list[Ints] = []

    def put(cells: Ints, histograms: Histograms) -> None:
        place.append(cells)
        held.append(histograms)
        keep[cells] = True

    floats = np.flatnonzero(~left.native & ~right.native)
    if len(floats):
        if op in ARITHMETIC:
            values[floats] = ARITHMETIC[op](left.values[floats], right.values[floats])
            keep[floats] = True
        elif op in COMPARISON:
            holds = COMPARISON[op](left.values[floats], right.values[floats])
            values[floats] = holds if return_bool else filtered_side.values[floats]
            keep[floats] = True if return_bool else holds
        else:
            _incompatible(context, op, "float", "float", span)
    both = np.flatnonzero(left.native & right.native)
    if len(both):
        a, b = left.picked(both), right.picked(both)
        match op:
            case "+" | "-":
                combined = add(a, b) if op == "+" else subtract(a, b)
                _warn_incompatible(context, op, combined.compatible, span)
                word = "addition" if op == "+" else "subtraction"
                if combined.conflicting_resets.any():
                    context.annotations.warn(
                        f"conflicting counter resets during histogram {word}", span
                    )
                if combined.bounds_differed.any():
                    context.annotations.info(
                        f"mismatched custom buckets were reconciled during {word}", span
                    )
                good = np.flatnonzero(combined.compatible)
                put(both[good], combined.histograms.take(good))
            case "==" | "!=":
                holds = equal_histograms(a, b) if op == "==" else ~equal_histograms(a, b)
                if return_bool:
                    values[both], keep[both] = holds, True
                else:
                    some = both[holds]
                    put(some, filtered_side.picked(some))
            case _:
                _incompatible(context, op, "histogram", "histogram", span)
    left_only = np.flatnonzero(left.native & ~right.native)
    if len(left_only):
        a, factor = left.picked(left_only), right.values[left_only]
        match op:
            case "*":
                put(left_only, scale(a, factor))
            case "/":
                put(left_only, divide(a, factor))
            case "</":
                put(left_only, trim_above(a, factor))
            case ">/":
                put(left_only, trim_below(a, factor))
            case _:
                _incompatible(context, op, "histogram", "float", span)
    right_only = np.flatnonzero(~left.native & right.native)
    if len(right_only):
        if op == "*":
            put(right_only, scale(right.picked(right_only), left.values[right_only]))
        else:
            _incompatible(context, op, "float", "histogram", span)
    which = np.full(count, -1, np.int32)
    if place:
        where = np.concatenate(place)
        which[where] = np.arange(len(where), dtype=np.int32)
        values[where] = 0.0
    return Combination(Cells(values, which, concat_histograms(held)), keep)


def _warn_incompatible(context: Context, op: str, compatible: Bools, span: Span) -> None:
    if not compatible.all():
        context.annotations.warn(
            f"incompatible bucket layout encountered for binary operator {op}", span
        )


def _incompatible(context: Context, op: str, left: str, right: str, span: Span) -> None:
    context.annotations.info(
        f'incompatible sample types encountered for binary operator "{op}": {left} {op} {right}',
        span,
    )
