"""topk, bottomk, limitk, limit_ratio, sort: some of the rows, or the rows in another order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from novaql.errors import EvaluationError
from novaql.evaluator.context import CELL_BYTES, Context
from novaql.evaluator.grouping import Groups, group_rows
from novaql.evaluator.kernels.selection import best_rows
from novaql.evaluator.kernels.windows import Floats, Ints
from novaql.evaluator.matrix import StepMatrix, matrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.pipeline.stretches import LargeRollup
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

    As in Prometheus the steps are judged together: where none of them asks for a row, none is
    refused.
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


def top_k(
    context: Context,
    operand: StepMatrix,
    groups: Groups,
    k: Floats,
    *,
    largest: bool,
    instant: bool,
) -> StepMatrix:
    """The k rows of each group that are farthest out, step by step; NaN is never preferred.

    An instant result is ordered: group by group, best first.
    """
    wanted = whole_counts(k)
    present = operand.presence()
    chosen = np.zeros(present.shape, np.bool_)
    for some in context.stretches(operand.rows, operand.steps):
        values, here = operand.values[:, some], present[:, some]
        chosen[:, some], ranked = best_rows(
            values, here, groups.of_row, len(groups), wanted[some], largest=largest
        )
        if instant:
            return replace(replace(operand, valid=chosen).take(ranked), ordered=True)
    return replace(operand, valid=chosen).without_empty_rows()


def top_k_by_stretches(
    context: Context, large: LargeRollup, operator: Operator, k: Floats
) -> StepMatrix:
    """The same as `top_k` of the matrix of the rollup, of more than one step."""
    node, steps, wanted = operator.aggregation, operator.steps.count, whole_counts(k)
    groups = group_rows(large.series, node.grouping, without=node.without)
    admit_work(context, node.op, large.most_cells(), 1)
    chosen, held = [], 0
    for stretch in large.stretches(context):
        some, found = stretch.steps, stretch.matrix
        of_row = groups.of_row[stretch.rows]
        best, _ = best_rows(
            found.values, found.presence(), of_row, len(groups), wanted[some],
            largest=node.op == "topk",
        )  # fmt: skip
        ever = np.flatnonzero(np.logical_or.reduce(best, axis=1))
        chosen.append((some, stretch.rows[ever], found.values[ever], best[ever]))
        held += len(ever) * (some.stop - some.start)
        context.admit_cells(held, 1, CELL_BYTES, node.op)
    rows = np.unique(np.concatenate([np.zeros(0, np.int64), *(each[1] for each in chosen)]))
    context.admit_cells(held + len(rows) * steps, 1, CELL_BYTES, node.op)
    values = np.zeros((len(rows), steps))
    valid = np.zeros(values.shape, np.bool_)
    for some, of_stretch, best_values, best in chosen:
        place = np.searchsorted(rows, of_stretch)
        values[place, some], valid[place, some] = best_values, best
    series = large.series.take(rows)
    return matrix(series, values, valid, nameless=large.nameless)


def limit_k(context: Context, operand: StepMatrix, groups: Groups, k: Floats) -> StepMatrix:
    """The first k rows of each group that are there, step by step."""
    wanted = whole_counts(k)
    present = operand.presence()
    order = np.argsort(groups.of_row, kind="stable")
    sizes = np.bincount(groups.of_row, minlength=len(groups))
    first = np.cumsum(sizes) - sizes
    chosen = np.zeros(present.shape, np.bool_)
    for some in context.stretches(operand.rows, operand.steps):
        running = np.cumsum(present[order, some], axis=0)
        before = np.where((first > 0)[:, None], running[np.maximum(first - 1, 0)], 0)
        number = running - np.repeat(before, sizes, axis=0)
        chosen[order, some] = present[order, some] & (number <= wanted[some])
    return replace(operand, valid=chosen).without_empty_rows()


def limit_ratio(context: Context, operand: StepMatrix, ratio: Floats, span: Span) -> StepMatrix:
    """Rows whose label hash lies below the ratio; for a negative one, the complement's rows."""
    if not ratio.any():  # asks for nothing
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
