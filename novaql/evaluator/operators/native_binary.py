"""Binary operators where one side or both hold native histograms, cell by cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.elementwise import ARITHMETIC, COMPARISON
from novaql.evaluator.kernels.native.arithmetic import (
    Combined,
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
from novaql.fast_dataclass import dataclass
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
    """left op right where both are present: values, where there is a result, and histograms.

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
    """Write a combination back to the grid."""
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
    combining = _Combining(context, node, left, right, right if filter_right else left)
    for of_kinds, combine_kinds in (
        (~left.native & ~right.native, combining.floats),
        (left.native & right.native, combining.histograms),
        (left.native & ~right.native, combining.histogram_and_float),
        (~left.native & right.native, combining.float_and_histogram),
    ):
        cells = np.flatnonzero(of_kinds)
        if len(cells):
            combine_kinds(cells)
    return combining.result()


class _Combining:
    """Combines pairs of cells, one combination of kinds after another.

    filtered  the side whose values a filtering comparison returns
    """

    def __init__(
        self, context: Context, node: BinaryOp, left: Cells, right: Cells, filtered: Cells
    ) -> None:
        self._context, self._node = context, node
        self._left, self._right, self._filtered = left, right, filtered
        count = len(left.values)
        self._values, self._valid = np.zeros(count), np.zeros(count, np.bool_)
        self._cells: list[Ints] = []  # those of `_histograms`
        self._histograms: list[Histograms] = []

    def _put(self, cells: Ints, histograms: Histograms) -> None:
        self._cells.append(cells)
        self._histograms.append(histograms)
        self._valid[cells] = True

    def floats(self, cells: Ints) -> None:
        op, left, right = self._node.op, self._left.values[cells], self._right.values[cells]
        if op in ARITHMETIC:
            self._values[cells], self._valid[cells] = ARITHMETIC[op](left, right), True
        elif op in COMPARISON:
            holds = COMPARISON[op](left, right)
            if self._node.return_bool:
                self._values[cells], self._valid[cells] = holds, True
            else:
                self._values[cells], self._valid[cells] = self._filtered.values[cells], holds
        else:
            self._incompatible("float", "float")

    def histograms(self, cells: Ints) -> None:
        op, left, right = self._node.op, self._left.picked(cells), self._right.picked(cells)
        match op:
            case "+" | "-":
                self._add(cells, add(left, right) if op == "+" else subtract(left, right))
            case "==" | "!=":
                equal = equal_histograms(left, right)
                holds = equal if op == "==" else ~equal
                if self._node.return_bool:
                    self._values[cells], self._valid[cells] = holds, True
                else:
                    some = cells[holds]
                    self._put(some, self._filtered.picked(some))
            case _:
                self._incompatible("histogram", "histogram")

    def _add(self, cells: Ints, combined: Combined) -> None:
        """Put sums or differences, and warn about those of different buckets or resets."""
        op, span, annotations = self._node.op, self._node.span, self._context.annotations
        _warn_incompatible(self._context, op, combined.compatible, span)
        word = "addition" if op == "+" else "subtraction"
        if combined.conflicting_resets.any():
            annotations.warn(f"conflicting counter resets during histogram {word}", span)
        if combined.bounds_differed.any():
            annotations.info(f"mismatched custom buckets were reconciled during {word}", span)
        good = np.flatnonzero(combined.compatible)
        self._put(cells[good], combined.histograms.take(good))

    def histogram_and_float(self, cells: Ints) -> None:
        left, factor = self._left.picked(cells), self._right.values[cells]
        match self._node.op:
            case "*":
                self._put(cells, scale(left, factor))
            case "/":
                self._put(cells, divide(left, factor))
            case "</":
                self._put(cells, trim_above(left, factor))
            case ">/":
                self._put(cells, trim_below(left, factor))
            case _:
                self._incompatible("histogram", "float")

    def float_and_histogram(self, cells: Ints) -> None:
        if self._node.op == "*":
            self._put(cells, scale(self._right.picked(cells), self._left.values[cells]))
        else:
            self._incompatible("float", "histogram")

    def _incompatible(self, left: str, right: str) -> None:
        op = self._node.op
        self._context.annotations.info(
            f'incompatible sample types encountered for binary operator "{op}": '
            f"{left} {op} {right}",
            self._node.span,
        )

    def result(self) -> Combination:
        which = np.full(len(self._values), -1, np.int32)
        if self._cells:
            cells = np.concatenate(self._cells)
            which[cells] = np.arange(len(cells), dtype=np.int32)
            self._values[cells] = 0.0
        return Combination(
            Cells(self._values, which, concat_histograms(self._histograms)), self._valid
        )


def _warn_incompatible(context: Context, op: str, compatible: Bools, span: Span) -> None:
    if not compatible.all():
        context.annotations.warn(
            f"incompatible bucket layout encountered for binary operator {op}", span
        )
