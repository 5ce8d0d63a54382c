"""histogram_quantile and histogram_fraction over classic histograms (series with `le`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from novaql.evaluator.context import CELLS_AT_ONCE, Context
from novaql.evaluator.kernels.buckets import Repaired
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.matrix import StepMatrix, matrix
from novaql.evaluator.steps import Steps
from novaql.evaluator.working_memory import admit_work
from novaql.span import Span
from novaql.text.go_text import go_number, parse_go_float, quote
from novaql.tsdb.model.labels import METRIC_NAME, LabelColumn

Measure = Callable[[Floats, Floats, Ints], tuple[Floats, Repaired | None]]
"""(bounds [B, H, J], counts [B, H, J], used [H, J]) → (values [H, J], repairs if any are made)."""

MONOTONICITY_HELP = (
    "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile"
)


def parse_bounds(column: LabelColumn) -> Floats:
    """[distinct values]: upper bounds; NaN where the text is no number."""
    bounds = [parse_go_float(text) for text in column.values]
    return np.array([math.nan if bound is None else bound for bound in bounds])


def classic_histograms(
    context: Context, operand: StepMatrix, steps: Steps, span: Span, measure: Measure
) -> StepMatrix:
    """One row per histogram: rows are grouped by all labels but `le`."""
    column = operand.series.column("le")
    bounds = parse_bounds(column)[column.codes]
    malformed = np.isnan(bounds)
    if malformed.any():
        _warn_malformed(context, operand, column, malformed, span)
        operand, bounds = operand.take(~malformed), bounds[~malformed]
    if operand.rows == 0:
        return matrix(operand.series.drop(["le"]), operand.values, operand.valid)
    admit_work(context, "histogram_quantile", operand.rows, operand.steps)
    labels = operand.series.drop(["le"])
    keys = labels.keys() * 2 + operand.nameless
    distinct, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.lexsort((bounds, group))
    sizes = np.bincount(group, minlength=len(distinct))
    starts = np.cumsum(sizes) - sizes
    values = np.zeros((len(distinct), operand.steps))
    valid = np.zeros(values.shape, np.bool_)
    present = operand.presence()
    repairs: list[tuple[Ints, Repaired]] = []
    for size in np.unique(sizes).tolist():
        all_of_size = np.flatnonzero(sizes == size)
        at_once = max(1, CELLS_AT_ONCE // max(1, size * operand.steps))
        for begin in range(0, len(all_of_size), at_once):
            context.checkpoint()
            of_size = all_of_size[begin : begin + at_once]
            rows = order[starts[of_size] + np.arange(size)[:, None]]  # [B, H]
            here = present[rows]
            used = here.sum(axis=0)
            counts = operand.values[rows]
            edges = np.broadcast_to(bounds[rows][:, :, None], counts.shape)
            if not ((used == size) | (used == 0)).all():
                # Some buckets are absent at some steps: present ones first, the rest is padding.
                packed = np.argsort(~here, axis=0, kind="stable")
                counts = np.take_along_axis(counts, packed, 0)
                edges = np.take_along_axis(edges, packed, 0)
                padding = np.arange(size)[:, None, None] >= used
                edges = np.where(padding, np.inf, edges)
                counts = np.where(padding, 0.0, counts)
            with np.errstate(all="ignore"):
                values[of_size], repaired = measure(edges, counts, np.maximum(used, 1))
            valid[of_size] = used > 0
            if repaired is not None:
                repairs.append((of_size, repaired))
    _note_repairs(context, labels.column(METRIC_NAME), first, repairs, valid, steps, span)
    return matrix(labels.take(first), values, valid, nameless=True)


def _warn_malformed(
    context: Context, operand: StepMatrix, column: LabelColumn, malformed: Bools, span: Span
) -> None:
    there = malformed & operand.presence().any(axis=1)
    names = operand.series.column(METRIC_NAME)
    for row in np.flatnonzero(there).tolist():
        value, name = column.values[column.codes[row]], names.values[names.codes[row]]
        context.annotations.warn(
            f'bucket label "le" is missing or has a malformed value of {quote(value)}'
            + _for_metric(name),
            span,
        )


def _for_metric(name: str) -> str:
    return f" for metric name {quote(name)}" if name else ""


def _note_repairs(
    context: Context,
    names: LabelColumn,
    first: Ints,
    repairs: list[tuple[Ints, Repaired]],
    valid: Bools,
    steps: Steps,
    span: Span,
) -> None:
    """One info per metric that needed fixing, over all of its histograms and steps; one for all
    metrics if names are removed eagerly."""
    found: dict[str, list[tuple[float, float, float, int, int, int]]] = {}
    for members, repaired in repairs:
        forced = repaired.forced & valid[members]
        for h in np.flatnonzero(forced.any(axis=1)).tolist():
            at = np.flatnonzero(forced[h])
            name = "" if context.eager_names else names.values[names.codes[first[members[h]]]]
            found.setdefault(name, []).append(
                (
                    float(np.nanmin(repaired.least_bound[h, at])),
                    float(np.nanmax(repaired.greatest_bound[h, at])),
                    float(repaired.largest[h, at].max()),
                    len(at),
                    int(steps.start_ms + at[0] * steps.step_ms),
                    int(steps.start_ms + at[-1] * steps.step_ms),
                )
            )
    for name, seen in found.items():
        low, high = min(s[0] for s in seen), max(s[1] for s in seen)
        largest, count = max(s[2] for s in seen), sum(s[3] for s in seen)
        begin, end = _rfc3339(min(s[4] for s in seen)), _rfc3339(max(s[5] for s in seen))
        context.annotations.info(
            f"input to histogram_quantile needed to be fixed for monotonicity (see "
            f"{MONOTONICITY_HELP}){_for_metric(name)}, from buckets {go_number(low)} to "
            f"{go_number(high)}, with a max diff of {largest:.2g}, over {count} samples from "
            f"{begin} to {end}",
            span,
        )


def _rfc3339(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{ms % 1000:03d}".rstrip("0") if ms % 1000 else ""
    return f"{text}{fraction}Z"
