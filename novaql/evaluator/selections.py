"""Selections derived from others: series that satisfy one of several sets of matchers, and samples
that an operation changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from novaql.evaluator.kernels.elementwise import ARITHMETIC, COMPARISON, FUNCTIONS, clamp, round_to
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.lazy_exports import lazy_module
from novaql.planner.logical import MEMBER, SampleStage
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.matchers import Matcher, MatchOp, select_rows
from novaql.tsdb.model.samples import HistogramBatch
from novaql.tsdb.model.series_batch import Derived, SeriesBatch, SeriesBatchRef
from novaql.tsdb.model.source import HistogramBatchRef, Selection

if TYPE_CHECKING:
    from novaql.evaluator.kernels.native import arithmetic
else:  # for native histograms alone
    arithmetic = lazy_module("novaql.evaluator.kernels.native.arithmetic")

Alternatives = tuple[tuple[Matcher, ...], ...]
"""Sets of matchers of which any one must hold."""


def common_matchers(alternatives: Alternatives) -> tuple[Matcher, ...]:
    """Return matchers that every series of the alternatives satisfies: of each label that all of
    them pin, one of the values or patterns."""
    first, *others = alternatives
    shared = set(first).intersection(*others)
    found = [matcher for matcher in first if matcher in shared]
    for name in dict.fromkeys(matcher.name for matcher in first):
        patterns = [_pattern(name, matchers) for matchers in alternatives]
        if name not in {matcher.name for matcher in found} and None not in patterns:
            pattern = "|".join(dict.fromkeys(filter(None, patterns)))
            found.append(Matcher(name, MatchOp.REGEX, pattern))
    return tuple(found)


def _pattern(name: str, matchers: tuple[Matcher, ...]) -> str | None:
    """Return a pattern of the values that the matchers allow a label; None: there is none."""
    for matcher in matchers:
        if matcher.name == name and matcher.matches(""):
            continue  # absent, too: an index cannot use it
        if matcher.name == name and matcher.op is MatchOp.EQUAL:
            return re.escape(matcher.value)
        if matcher.name == name and matcher.op is MatchOp.REGEX:
            return f"(?:{matcher.value})"
    return None


def any_of(selection: Selection, alternatives: Alternatives) -> Selection:
    """Return the series of a selection that satisfy any of the sets of matchers."""
    table = selection.series
    remaining = np.zeros(len(table), np.bool_)
    for matchers in alternatives:
        remaining[select_rows(table, matchers)] = True
    if remaining.all():
        return replace(selection, cells=None)
    number = np.cumsum(remaining) - 1
    return replace(
        selection,
        series=table.take(remaining),
        batches=[_with(ref, partial(_rows_of, remaining, number)) for ref in selection.batches],
        histograms=[
            HistogramBatchRef(partial(_histograms_of, ref, remaining, number), ref.samples)
            for ref in selection.histograms
        ],
        cells=None,
    )


Change = Callable[[SeriesBatch], SeriesBatch]


def _with(ref: SeriesBatchRef, change: Change) -> SeriesBatchRef:
    def changed_load(load: Callable[[], SeriesBatch]) -> Callable[[], SeriesBatch]:
        return lambda: change(load())

    return SeriesBatchRef(
        changed_load(ref.load),
        ref.samples,
        None if ref.times_only is None else changed_load(ref.times_only),
        None if ref.started is None else changed_load(ref.started),
    )


def _rows_of(remaining: Bools, number: Ints, batch: SeriesBatch) -> SeriesBatch:
    places = np.flatnonzero(remaining[batch.rows])
    if len(places) < len(batch.rows):
        grids, _ = batch.grids_of(places)
        lengths = np.diff(batch.grid_offsets)[grids]
        batch = batch.taken(places, np.zeros(len(grids), np.int64), lengths)
    return replace(batch, rows=number[batch.rows], derived=Derived())


def _histograms_of(ref: HistogramBatchRef, remaining: Bools, number: Ints) -> HistogramBatch:
    batch = ref.load()
    places = np.flatnonzero(remaining[batch.rows])
    lengths = np.diff(batch.offsets)[places]
    at = flat_positions(batch.offsets[:-1][places], lengths)
    return HistogramBatch(
        number[batch.rows[places]],
        batch.timestamps[at],
        batch.histograms.take(at),
        np.append(0, np.cumsum(lengths)),
        None if batch.starts is None else batch.starts[at],
    )


def changed(selection: Selection, stages: tuple[SampleStage, ...]) -> Selection:
    """Return the selection with its samples changed, or removed, by the stages.

    Native histograms are left out unless every stage `scales` them.
    """
    change = partial(_changed, stages)
    batches = [replace(_with(ref, change), times_only=None) for ref in selection.batches]
    histograms = [
        HistogramBatchRef(partial(_scaled, ref, stages), ref.samples)
        for ref in selection.histograms
        if all(map(scales, stages))
    ]
    return replace(selection, batches=batches, histograms=histograms, cells=None)


def scales(stage: SampleStage) -> bool:
    """Whether the stage has a result for native histograms: `h * 2`, `2 * h` and `h / 2`."""
    return stage.function == "*" or (stage.function == "/" and not stage.constant_is_left)


def _scaled(ref: HistogramBatchRef, stages: tuple[SampleStage, ...]) -> HistogramBatch:
    batch = ref.load()
    histograms = batch.histograms
    for stage in stages:
        change = arithmetic.scale if stage.function == "*" else arithmetic.divide
        histograms = change(histograms, stage.constants[0])
    return replace(batch, histograms=histograms)


def _changed(stages: tuple[SampleStage, ...], batch: SeriesBatch) -> SeriesBatch:
    values, remaining = batch.values, None
    with np.errstate(all="ignore"):
        for stage in stages:
            values, holds = _staged(stage, values)
            if holds is not None:
                remaining = holds if remaining is None else remaining & holds
    if remaining is None or remaining.all():
        return replace(batch, values=values, derived=Derived())
    # Each series has a grid of its own from here on.
    lengths = np.diff(batch.offsets)
    times = batch.times[flat_positions(batch.grid_offsets[:-1][batch.grid], lengths)]
    before = np.append(0, np.cumsum(remaining))
    starts = None if batch.starts is None else batch.starts[remaining]
    offsets = before[batch.offsets]
    ragged = SeriesBatch.ragged(batch.rows, times[remaining], values[remaining], offsets, starts)
    return replace(ragged, markers=batch.markers)


def _staged(stage: SampleStage, values: Floats) -> tuple[Floats, Bools | None]:
    """Values after a stage, and which remain; None: all."""
    name, constants = stage.function, [np.array([value]) for value in stage.constants]
    if name in ARITHMETIC or name in COMPARISON:
        (constant,) = constants
        sides = (constant, values) if stage.constant_is_left else (values, constant)
        if name in ARITHMETIC:
            return ARITHMETIC[name](*sides), None
        holds = COMPARISON[name](*sides)
        return (holds.astype(np.float64), None) if stage.return_bool else (values, holds)
    if name in FUNCTIONS:
        return FUNCTIONS[name](values), None
    if name == MEMBER:
        return values, np.isin(values, np.array(stage.constants))
    if name == "round":
        return round_to(values, constants[0] if constants else np.ones(1)), None
    infinity = np.full(1, np.inf)
    low = -infinity if name == "clamp_max" else constants[0]
    high = infinity if name == "clamp_min" else constants[-1]
    return clamp(values, low, high), np.zeros(len(values), np.bool_) if low[0] > high[0] else None
