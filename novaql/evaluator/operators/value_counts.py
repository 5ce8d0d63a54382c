"""Functions that count the samples of a range: by value, by bucket, and staleness markers."""

from __future__ import annotations

import numpy as np

from novaql.errors import EvaluationError
from novaql.evaluator.context import allocate
from novaql.evaluator.distinct import distinct, distinct_bits
from novaql.evaluator.kernels import tallies
from novaql.evaluator.kernels.windows import Floats, Ints
from novaql.evaluator.made_labels import MadeLabels
from novaql.evaluator.matrix import StepMatrix, join_equal_rows, matrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.range_samples import RangeSamples, RangeViews
from novaql.evaluator.operators.ranges import Ranges
from novaql.evaluator.operators.selector import view_windows
from novaql.evaluator.protocol import Runner
from novaql.planner.logical import SubqueryWindow
from novaql.text.go_text import quote, shortest_decimal
from novaql.text.unicode import is_utf8
from novaql.tsdb.model.labels import LabelColumn
from novaql.tsdb.model.samples import is_stale

RANGE_LABEL = "vmrange"
LOWEST, HIGHEST, PER_DECADE = -9, 18, 18
"""Powers of ten between which buckets lie, and buckets in each of them."""
BUCKETS = (HIGHEST - LOWEST) * PER_DECADE

WINDOWS_AT_ONCE = 1 << 16
"""Windows whose staleness markers are counted at a time: about three megabytes."""


def count_values_over_time(run: Runner, operator: Operator) -> StepMatrix:
    """One series for each series and value, which is written into a label."""
    name, window = operator.operands
    label, call = run.text(name), operator.call
    if label == "" or not is_utf8(label):
        raise EvaluationError(f"invalid label name {quote(label)}", name.plan.span)
    made = MadeLabels(run.context, call.function, name.plan.span)
    made.check_name(label)
    samples = RangeSamples.of(run, call, window)
    numbers, text_of = distinct_bits(run.context, samples.values)
    texts = [made.text(shortest_decimal(v)) for v in numbers.tolist()]
    made.column(0)
    return _counted(run, samples, label, texts, text_of)


def histogram_over_time(run: Runner, operator: Operator) -> StepMatrix:
    """One series for each series and bucket that holds a value."""
    samples = RangeSamples.of(run, operator.call, operator.operands[0])
    samples = samples.where(samples.values >= 0)
    numbers, text_of = distinct(run.context, _buckets(samples.values))
    texts = [_bucket_text(number) for number in numbers.tolist()]
    return _counted(run, samples, RANGE_LABEL, texts, text_of)


def _buckets(values: Floats) -> Ints:
    """Number of each value's bucket: -1 below the lowest, `BUCKETS` above the highest.

    A value at the edge of two buckets is in the lower one.
    """
    with np.errstate(divide="ignore"):
        place = (np.log10(values) - LOWEST) * PER_DECADE
    place = np.clip(place, -1, BUCKETS)
    number = np.floor(place).astype(np.int64)
    inside = (place >= 0) & (place < BUCKETS)
    found: Ints = np.where(inside & (place == number) & (number > 0), number - 1, number)
    return found


def _bucket_text(number: int) -> str:
    """`1.000e+00...1.136e+00`"""
    if number < 0:
        return f"0...{10.0**LOWEST:.3e}"
    if number >= BUCKETS:
        return f"{10.0**HIGHEST:.3e}...+Inf"
    low, high = (10.0 ** (LOWEST + edge / PER_DECADE) for edge in (number, number + 1))
    return f"{low:.3e}...{high:.3e}"


def _counted(
    run: Runner, samples: RangeSamples, label: str, texts: list[str], text_of: Ints
) -> StepMatrix:
    """Count the samples of each row and text; text_of: [N], number of each sample's text."""
    context, column = run.context, LabelColumn.encode(texts)
    kinds = len(column.values)
    code_of = column.codes[text_of] if texts else np.zeros(0, np.int64)
    pairs, pair_of = distinct(context, samples.rows * kinds + code_of)
    context.admit_matrix(len(pairs), len(samples.ends_ms) + 1)
    row, code = np.divmod(pairs, kinds)
    counts = samples.counts(pair_of, len(pairs))
    series = samples.series.take(row).with_column(
        label, LabelColumn(code.astype(np.int32), column.values)
    )
    found = matrix(series, counts.astype(np.float64), counts > 0, nameless=True)
    return join_equal_rows(found.without_empty_rows())


def stale_samples_over_time(run: Runner, operator: Operator) -> StepMatrix:
    """How many staleness markers each series has in the range; native histograms are samples."""
    context, window = run.context, operator.operands[0]
    found = RangeViews.of(run, operator.call, window, markers=True)
    values, valid = allocate(context, len(found.series), len(found.ends_ms))
    tall = max(1, WINDOWS_AT_ONCE // max(1, len(found.ends_ms)))
    for view in found.views:
        for first in range(0, view.series_count, tall):
            context.checkpoint()
            part = view.rows_between(first, min(first + tall, view.series_count))
            if part.sample_count:
                windows = view_windows(part, found.ends_ms, found.reach_ms)
                counts = tallies.counted(windows, np.zeros(1), lambda samples, _: is_stale(samples))
                values[part.rows], valid[part.rows] = windows.on_grid(*counts)
    is_subquery = isinstance(window.plan, SubqueryWindow)
    if not is_subquery and window.reads.selection(context).histograms:
        ranges = Ranges.of(context, window.reads, window.steps)
        valid |= ranges.native_counts > 0
    return matrix(found.series, values, valid).mark_nameless().without_empty_rows()
