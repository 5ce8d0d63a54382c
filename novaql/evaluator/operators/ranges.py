"""Samples of series, floats and native histograms, and the windows over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows, ragged_windows
from novaql.evaluator.operators.checked_kernels import window_kernel
from novaql.evaluator.operators.mixed_select import (
    NEVER,
    Newest,
    histogram_windows,
    loaded_histograms,
    newest_samples,
)
from novaql.evaluator.operators.reads import Read
from novaql.evaluator.operators.selector import exact_views, view_windows
from novaql.evaluator.steps import Steps
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.histograms import concat_histograms
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import HistogramBatch


def _starts(part: SeriesView | HistogramBatch) -> Ints:
    return np.zeros(len(part.timestamps), np.int64) if part.starts is None else part.starts


@dataclass(frozen=True, slots=False, eq=False)
class Ranges:
    """Samples of some series and the windows over them.

    floats    views without staleness markers
    ends_ms   [J] right ends of the windows, eval_ms the steps they belong to
    range_ms  their length; reach_ms how far left of their ends they reach (exclusive)
    """

    series: SeriesTable
    floats: Sequence[SeriesView]
    natives: Sequence[HistogramBatch]
    ends_ms: Ints
    eval_ms: Ints
    range_ms: int
    reach_ms: int

    @classmethod
    def of(cls, context: Context, read: Read, steps: Steps) -> Ranges:
        """Read the range of a selector. Raises `LimitExceeded`."""
        selection = read.selection(context)
        context.admit_matrix(len(selection.series), steps.count)
        floats = list(exact_views(context, selection))
        natives = loaded_histograms(context, selection, read.select)
        if not context.options.start_timestamps:
            floats = [replace(view, starts=None) for view in floats]
            natives = [replace(part, starts=None) for part in natives]
        return cls(
            selection.series,
            floats,
            natives,
            read.ends_ms + read.ahead_ms,
            steps.times_ms,
            read.range_ms,
            read.reach_ms + read.ahead_ms,
        )

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.series), len(self.ends_ms)

    @cached_property
    def native_parts(self) -> Sequence[Ranges]:
        """The same with one batch of histograms each: joining the batches copies all buckets."""
        if len(self.natives) == 1:
            return [self]
        return [replace(self, natives=[part]) for part in self.natives]

    @cached_property
    def native(self) -> HistogramBatch:
        """All histograms as one batch."""
        lengths = [np.diff(part.offsets) for part in self.natives]
        return HistogramBatch(
            np.concatenate([part.rows for part in self.natives]),
            np.concatenate([part.timestamps for part in self.natives]),
            concat_histograms([part.histograms for part in self.natives]),
            np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64),
            np.concatenate([_starts(part) for part in self.natives])
            if any(part.starts is not None for part in self.natives)
            else None,
        )

    @cached_property
    def native_windows(self) -> Windows:
        windows = histogram_windows(self.native, self.ends_ms, self.reach_ms)
        return replace(windows, range_ms=self.range_ms, starts=self.native.starts)

    @cached_property
    def native_cells(self) -> Ints:
        """[C]: where each window of histograms belongs in a flat [S × J]."""
        cells, steps = self.native_windows.cells, len(self.ends_ms)
        assert cells is not None
        return self.native.rows[cells // steps] * steps + cells % steps

    @cached_property
    def native_counts(self) -> Ints:
        """[S, J]: histograms in each window."""
        counts = np.zeros(self.shape, np.int64)
        for part in self.native_parts:
            counts.reshape(-1)[part.native_cells] = part.native_windows.counts
        return counts

    @cached_property
    def float_counts(self) -> Ints:
        """[S, J]: floats in each window."""
        return self.rolled("count_over_time", [])[0].astype(np.int64)

    def windows(self, view: SeriesView) -> Windows:
        """The windows over a view of the floats."""
        return replace(view_windows(view, self.ends_ms, self.reach_ms), range_ms=self.range_ms)

    def rolled(self, function: str, scalars: Sequence[Floats]) -> tuple[Floats, Bools]:
        """A float kernel over the floats: values and validity, [S, J]."""
        kernel = window_kernel(function)
        values, valid = np.zeros(self.shape), np.zeros(self.shape, np.bool_)
        for view in self.floats:
            if view.sample_count == 0:
                continue
            windows = self.windows(view)
            per_window = [windows.per_step(scalar) for scalar in scalars]
            out, there = kernel(windows, per_window, windows.per_step(self.eval_ms))
            values[view.rows], valid[view.rows] = windows.on_grid(out, there)
        return values, valid

    def edge(self, context: Context, *, oldest: bool) -> Newest:
        """The newest or oldest sample of each window, of either kind."""
        return newest_samples(
            len(self.series),
            self.floats,
            self.natives,
            self.ends_ms,
            self.reach_ms,
            oldest=oldest,
            context=context,
        )

    def last_two_float_times(self) -> tuple[Ints, Ints]:
        """[S, J] each: times of the newest float and of the one before, NEVER if there is none."""
        newest, second = np.full(self.shape, NEVER), np.full(self.shape, NEVER)
        for view in self.floats:
            if view.sample_count == 0:
                continue
            windows = view_windows(view, self.ends_ms, self.reach_ms)
            for back, out in ((1, newest), (2, second)):
                at = windows.times_at(windows.hi - back)
                times, there = windows.on_grid(at, windows.counts >= back)
                out[view.rows] = np.where(there, times, NEVER)
        return newest, second

    def flat_floats(self, series: Ints) -> tuple[Ints, Ints, Floats, Ints]:
        """Floats of some series: row, time, value and start timestamp of each."""
        none = np.zeros(0, np.int64)
        rows, times, values, starts = [none], [none], [np.zeros(0)], [none]
        for view in self.floats:
            flat = view.ragged()
            row = flat.owners()
            wanted = np.isin(row, series)
            rows.append(row[wanted])
            times.append(flat.timestamps[wanted])
            values.append(flat.values[wanted])
            starts.append(_starts(flat)[wanted])
        joined = (np.concatenate(part) for part in (rows, times, starts))
        row, time, start = joined
        return row, time, np.concatenate(values), start

    def flat_natives(self) -> tuple[Ints, Ints, Ints]:
        """Histograms, batch after batch: row, time and start timestamp of each."""
        rows = [np.repeat(part.rows, np.diff(part.offsets)) for part in self.natives]
        times = [part.timestamps for part in self.natives]
        starts = [_starts(part) for part in self.natives]
        return np.concatenate(rows), np.concatenate(times), np.concatenate(starts)

    def count_events(self, row: Ints, time: Ints, event: Bools) -> tuple[Floats, Bools]:
        """[S, J]: events in each window that are not at its first sample; and where samples are.

        row, time, event: [N], sorted by row, then time.
        """
        rows, first = np.unique(row, return_index=True)
        offsets = np.append(first, len(row)).astype(np.int64)
        windows = ragged_windows(event.astype(float), time, offsets, self.ends_ms, self.reach_ms)
        running = np.concatenate([[0.0], np.cumsum(event)])
        counted = running[windows.hi] - running[np.minimum(windows.lo + 1, windows.hi)]
        values, valid = np.zeros(self.shape), np.zeros(self.shape, np.bool_)
        values[rows], valid[rows] = windows.on_grid(counted, windows.counts > 0)
        return values, valid
