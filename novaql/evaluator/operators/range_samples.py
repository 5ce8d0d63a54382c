"""The floats of a range vector as flat arrays, for functions other than rollups of each series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.extended import check_modifier
from novaql.evaluator.operators.selector import exact_views
from novaql.evaluator.operators.subquery import subquery_ends, subquery_points
from novaql.evaluator.protocol import Runner
from novaql.fast_dataclass import dataclass
from novaql.planner.logical import FunctionCall, SubqueryWindow
from novaql.tsdb.model.batch_views import BatchViews, SeriesView
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS

SAMPLE_BYTES = 80
"""Bytes of a sample while its windows are counted."""


@dataclass(frozen=True, slots=True, eq=False)
class RangeViews:
    """The floats of a range vector as they are stored, and the windows over them; see
    `RangeSamples`."""

    series: SeriesTable
    nameless: Bools
    views: Iterable[SeriesView]
    ends_ms: Ints
    reach_ms: int

    @classmethod
    def of(
        cls, run: Runner, call: FunctionCall, window: Operator, *, markers: bool = False
    ) -> RangeViews:
        """Select a range. markers: with staleness markers, as values."""
        context, plan = run.context, window.plan
        if isinstance(plan, SubqueryWindow):
            points = subquery_points(run, window)
            inner = points.inner
            views = BatchViews(points.floats, MIN_TIME_MS, MAX_TIME_MS, markers=False)
            reach_ms, ends_ms = context.reach_ms(plan.range_ms), subquery_ends(plan, window.steps)
            return cls(inner.series, inner.nameless, views, ends_ms, reach_ms)
        read = window.reads
        check_modifier(call, read.select)
        selection = read.selection(context)
        nameless = np.zeros(len(selection.series), np.bool_)
        exact = exact_views(context, selection, markers=markers)
        return cls(selection.series, nameless, exact, read.ends_ms, read.reach_ms)


@dataclass(frozen=True, slots=True, eq=False)
class RangeSamples:
    """Samples of a range vector, and the windows (end - reach_ms, end] over them.

    nameless  [S]: the name is to be dropped at the end of the query
    rows      [N] row of each sample in `series`
    """

    series: SeriesTable
    nameless: Bools
    rows: Ints
    times: Ints
    values: Floats
    ends_ms: Ints
    reach_ms: int

    @classmethod
    def of(cls, run: Runner, call: FunctionCall, window: Operator) -> RangeSamples:
        """Read a range. Raises `LimitExceeded`."""
        views = RangeViews.of(run, call, window)
        flat = _flat(run.context, call, views.views)
        return cls(views.series, views.nameless, *flat, views.ends_ms, views.reach_ms)

    def where(self, some: Bools) -> RangeSamples:
        """Some of the samples, of the same series and windows. some: [N]."""
        rows, times, values = self.rows[some], self.times[some], self.values[some]
        return replace(self, rows=rows, times=times, values=values)

    def counts(self, group: Ints, groups: int) -> Ints:
        """[groups, J]: how many samples of each group every window holds. group: [N].

        A sample enters the windows at one step and leaves them at another: work per sample and per
        cell, not per their product.
        """
        steps = len(self.ends_ms)
        width = steps + 1
        enters, leaves = self._passed()
        cells = group * width
        enters += cells
        leaves += cells
        marks = np.bincount(enters, minlength=groups * width)
        marks -= np.bincount(leaves, minlength=groups * width)
        found: Ints = np.cumsum(marks.reshape(groups, width)[:, :steps], axis=1)
        return found

    def _passed(self) -> tuple[Ints, Ints]:
        """[N] each: the first step at whose window a sample is in it, and the first after those.

        Ends are evenly spaced or all equal.
        """
        ends, steps = self.ends_ms, len(self.ends_ms)
        step_ms = int(ends[1] - ends[0]) if steps > 1 else 0
        if step_ms == 0:
            return ends.searchsorted(self.times), ends.searchsorted(self.times + self.reach_ms)

        def first_end(times: Ints) -> Ints:
            first: Ints = times - (ends[0] - step_ms + 1)
            first //= step_ms
            return first

        enters = first_end(self.times)
        if self.reach_ms % step_ms:
            leaves = first_end(self.times + self.reach_ms)
        else:
            leaves = enters + self.reach_ms // step_ms
        return np.clip(enters, 0, steps, out=enters), np.clip(leaves, 0, steps, out=leaves)


def _flat(
    context: Context, call: FunctionCall, views: Iterable[SeriesView]
) -> tuple[Ints, Ints, Floats]:
    rows, times = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    values = [np.zeros(0)]
    count = 0
    for view in views:
        flat = view.ragged()
        count += flat.sample_count
        context.admit_cells(1, count, SAMPLE_BYTES, call.function)
        rows.append(flat.owners())
        times.append(flat.timestamps)
        values.append(flat.values)
    return np.concatenate(rows), np.concatenate(times), np.concatenate(values)
