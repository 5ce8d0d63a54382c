"""topk, bottomk, limitk, limit_ratio, sort: some of the rows, or the rows in another order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from novaql.errors import EvaluationError
from novaql.evaluator.context import Context, allocate
from novaql.evaluator.grouping import Groups, group_rows
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.selection import MOST, Order, Selected, best_rows
from novaql.evaluator.kernels.windows import Floats, Ints
from novaql.evaluator.matrix import StepMatrix, matrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.native_aggregate import without_histograms
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.collect import collect
from novaql.evaluator.pipeline.model import Pipeline
from novaql.evaluator.pipeline.view_run import blocks
from novaql.evaluator.protocol import Runner
from novaql.evaluator.working_memory import admit_work
from novaql.lazy_exports import lazy_module
from novaql.span import Span
from novaql.text.go_text import go_number
from novaql.tsdb.model.labels import SeriesTable

if TYPE_CHECKING:
    import hashlib
else:  # it loads OpenSSL, 4 ms, for `limit_ratio` alone
    hashlib = lazy_module("hashlib")

LEAST_INT64, GREATEST_INT64 = -(2.0**63), 2.0**63 - 1024
"""The whole numbers of a double that fit 64 bits lie strictly between these."""


def whole_counts(k: Floats) -> Ints:
    """The parameter per step as a count. Raises where it is no count at all, data or no data.

    As in Prometheus the steps are judged together: where none of them selects a row, none is
    rejected.
    """
    if (k < 1).all():
        return np.zeros(k.shape, np.int64)
    if np.isnan(k).any():
        raise EvaluationError("Parameter value is NaN")
    if k.min() <= LEAST_INT64:
        raise EvaluationError(f"Scalar value {go_number(float(k.min()))} underflows int64")
    if k.max() >= GREATEST_INT64:
        raise EvaluationError(f"Scalar value {go_number(float(k.max()))} overflows int64")
    return np.clip(k, 0, 2.0**62).astype(np.int64)


ORDERS = {"topk": Order.LARGEST, "bottomk": Order.SMALLEST, "limitk": Order.FIRST}
"""Aggregations that choose k rows of each group, step by step, and which."""

SHARE, SELECTED_BYTES = 4, 16
"""Cells are selected batch by batch if at most this fraction of all is selected, on as many
threads; bytes of one that is selected."""


def choose_rows(run: Runner, operator: Operator) -> StepMatrix:
    """`topk`, `bottomk` and `limitk`. An instant result of the first two is ordered: group by
    group, best first."""
    node, context, instant = operator.aggregation, run.context, operator.steps.count == 1
    below, order = operator.operands[0], ORDERS[node.op]
    wanted = whole_counts(run.scalar(operator.operands[1]))
    # Groups of an instant result are in the order of the rows with a value.
    pipeline = None if instant or wanted.max(initial=0) > MOST else run.pipeline(below)
    if pipeline is not None:
        groups = group_rows(pipeline.series, node.grouping, without=node.without)
        found = _selected(context, pipeline, groups, wanted, order)
        if found is not None:
            return found
    operand = run.vector(below) if pipeline is None else collect(pipeline, context)
    operand = without_histograms(context, node.op, operand, node.operand.span, wanted > 0)
    admit_work(context, node.op, operand.rows, operand.steps)
    groups = group_rows(operand.series, node.grouping, without=node.without)
    present = operand.presence()
    chosen = np.zeros(present.shape, np.bool_)
    for some in context.stretches(operand.rows, operand.steps):
        values, here = operand.values[:, some], present[:, some]
        chosen[:, some], ranked = best_rows(
            values, here, groups.of_row, len(groups), wanted[some], order
        )
        if instant and order is not Order.FIRST:
            return replace(replace(operand, valid=chosen).take(ranked), ordered=True)
    return replace(operand, valid=chosen).without_empty_rows()


def _selected(
    context: Context, pipeline: Pipeline, groups: Groups, wanted: Ints, order: Order
) -> StepMatrix | None:
    """The answer without a matrix of the operand; None: this is not possible."""
    rows, steps = len(pipeline.series), len(wanted)
    cells = int(wanted.max(initial=0)) * len(groups)
    if SHARE * cells > rows or KERNELS.ready(rows * steps) is None:
        return None
    context.admit_cells(SHARE * cells, steps, SELECTED_BYTES, "a selection")
    spare: list[Selected] = []

    def add(block: Block) -> None:
        """Each thread continues a selection that another one has left, or begins one."""
        try:
            selected = spare.pop()
        except IndexError:
            selected = Selected.empty(len(groups), wanted, order)
        selected.add(block.values, block.presence(), groups.of_row[block.rows], block.rows)
        spare.append(selected)

    for _ in blocks(pipeline, context, add, join=True, dense=True):
        pass
    whole = Selected.empty(len(groups), wanted, order)
    for selected in spare:
        whole.merge(selected)
    row, step, value = whole.cells()
    used, place = np.unique(row, return_inverse=True)
    values, valid = allocate(context, len(used), steps)
    values[place, step], valid[place, step] = value, True
    return matrix(pipeline.series.take(used), values, valid, nameless=pipeline.nameless)


def limit_ratio(context: Context, operand: StepMatrix, ratio: Floats, span: Span) -> StepMatrix:
    """Rows whose label hash is below the ratio; for a negative one, the rows of the complement."""
    if not ratio.any():  # selects nothing
        return operand.take(np.zeros(operand.rows, np.bool_))
    if np.isnan(ratio).any():
        raise EvaluationError("Ratio value is NaN")
    for value, capped in ((ratio.max(), 1.0), (ratio.min(), -1.0)):
        if abs(value) > 1 and value * capped > 0:
            context.annotations.warn(
                f"ratio value should be between -1 and 1, got {go_number(float(value))}, "
                f"capping to {go_number(capped)}",
                span,
            )
    ratio = np.clip(ratio, -1.0, 1.0)
    share = label_hashes(operand.series)[:, None]
    keep = np.where(ratio >= 0, share < ratio, share >= 1.0 + ratio)
    return replace(operand, valid=operand.presence() & keep).without_empty_rows()


def label_hashes(series: SeriesTable) -> Floats:
    """[S] in [0, 1): depends on the label set alone, the same in every process.

    Every distinct (name, value) is hashed once; a row's hash mixes those of its labels.
    """
    blake2b = hashlib.blake2b
    mixed = np.zeros(len(series), np.uint64)
    for name, column in series.columns.items():
        words = np.fromiter(
            (
                int.from_bytes(
                    blake2b(f"{name}\0{value}".encode(), digest_size=8).digest(), "little"
                )
                for value in column.values
            ),
            np.uint64,
            len(column.values),
        )
        words[0] = 0
        mixed += words[column.codes]
    # A finaliser (splitmix64) so that close sums fall far apart.
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def sort_rows(operand: StepMatrix, *, descending: bool) -> StepMatrix:
    """By value, NaN last. One step."""
    present = operand.take(np.flatnonzero(operand.presence()[:, 0]))
    values = present.values[:, 0]
    nan = np.isnan(values)
    order = np.lexsort((np.where(nan, 0.0, -values if descending else values), nan))
    return replace(present.take(order), ordered=True)
