"""Functions of MetricsQL over buckets: histogram_share, prometheus_buckets, buckets_limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels import buckets
from novaql.evaluator.kernels.native import quantile
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.matrix import StepMatrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.classic_histogram import classic_histograms, parse_bounds
from novaql.evaluator.operators.histogram_calls import NAN_EXCLUDED, both_kinds, with_bounds
from novaql.evaluator.operators.vmrange import with_le
from novaql.evaluator.protocol import Runner
from novaql.evaluator.working_memory import admit_work
from novaql.tsdb.model.histograms import Histograms

FEWEST_BUCKETS = 3


def _share(run: Runner, operator: Operator) -> StepMatrix:
    """`histogram_share(le, v)`, and with a label also the bounds."""
    le_of, below, *label = operator.operands
    le, operand = run.scalar(le_of), run.vector(below)
    lowest = np.full(len(le), -np.inf)
    floats = with_le(operand.floats_only())

    def of_classic(number: int) -> StepMatrix:
        def measure(bounds: Floats, counts: Floats, used: Ints) -> tuple[Floats, None]:
            return buckets.bucket_share(le, bounds, counts, used)[number], None

        found = classic_histograms(run.context, floats, below.steps, below.plan.span, measure)
        known = found.presence() & ~np.isnan(found.values)
        return replace(found, valid=known).without_empty_rows()

    def classic(bounds: Floats, counts: Floats, used: Ints) -> tuple[Floats, None]:
        return buckets.bucket_share(le, bounds, counts, used)[0], None

    def native(histograms: Histograms, step: Ints) -> tuple[Floats, list[tuple[str, Bools]]]:
        found = quantile.histogram_fraction(histograms, lowest[step], le[step])
        return found.values, [(NAN_EXCLUDED, found.nan_excluded)]

    if operand.native is None:
        result = of_classic(0)
    else:
        result = both_kinds(run, operand, below, classic, native)
    if not label:
        return result
    return with_bounds(run, operator, label[0], [result, of_classic(1), of_classic(2)])


def _to_le(run: Runner, operator: Operator) -> StepMatrix:
    operand = run.vector(operator.operands[0]).floats_only()
    admit_work(run.context, operator.call.function, operand.rows, operand.steps)
    return with_le(operand)


def _limit(run: Runner, operator: Operator) -> StepMatrix:
    """`buckets_limit(n, v)`: rows of buckets that stay."""
    most_of, below = operator.operands
    wanted, operand = run.scalar(most_of), with_le(run.vector(below).floats_only())
    admit_work(run.context, operator.call.function, operand.rows, operand.steps)
    if not wanted.size or not wanted[0] >= 1 or not operand.rows:
        return operand.take(np.zeros(operand.rows, np.bool_))
    most = int(min(max(wanted[0], FEWEST_BUCKETS), operand.rows + FEWEST_BUCKETS))
    column = operand.series.column("le")
    bounds = parse_bounds(column)[column.codes]
    operand, bounds = operand.take(~np.isnan(bounds)), bounds[~np.isnan(bounds)]
    keys = operand.series.drop(["le"]).keys() * 2 + operand.nameless
    _, group = np.unique(keys, return_inverse=True)
    order = np.lexsort((bounds, group))
    sizes = np.bincount(group)
    starts = np.cumsum(sizes) - sizes
    stays = np.ones(operand.rows, np.bool_)
    present = operand.presence()
    for size in np.unique(sizes[sizes > most]).tolist():
        run.context.checkpoint()
        rows = order[starts[sizes == size][:, None] + np.arange(size)]  # [G, B]
        counts = np.where(present[rows], operand.values[rows], np.nan)
        counts[:, 0] = np.where(np.isnan(counts[:, 0]), 0.0, counts[:, 0])
        for bucket in range(1, size):  # an absent bucket has the count of the one before it
            gap = np.isnan(counts[:, bucket])
            counts[:, bucket] = np.where(gap, counts[:, bucket - 1], counts[:, bucket])
        hits = np.diff(counts, axis=1, prepend=0.0).sum(axis=2)
        stays[rows] = False
        stays[_merged(rows, hits, most)] = True
    return operand.take(stays)


def _merged(rows: Ints, hits: Floats, most: int) -> Ints:
    """[G, most]: the rows that remain of [G, B] rows with these numbers of hits. The inner bucket
    that has the fewest hits together with the next one is merged into that, until `most` rows
    remain."""
    groups = np.arange(len(rows))
    while rows.shape[1] > most:
        together = hits[:, 1:-2] + hits[:, 2:-1]
        gone = 1 + together.argmin(axis=1)
        hits = hits.copy()
        hits[groups, gone + 1] += hits[groups, gone]
        left = np.ones(rows.shape, np.bool_)
        left[groups, gone] = False
        shape = (len(rows), rows.shape[1] - 1)
        rows, hits = rows[left].reshape(shape), hits[left].reshape(shape)
    return rows


BUCKET_CALLS: Mapping[str, Callable[[Runner, Operator], StepMatrix]] = {
    "histogram_share": _share,
    "prometheus_buckets": _to_le,
    "buckets_limit": _limit,
}
