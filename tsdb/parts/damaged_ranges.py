"""Removes from range slices the samples that cannot be read because of a damaged page.

A sample in a damaged page is left out, and so is an older sample that it may have replaced: a
replaced value must not reappear because the newer one is unreadable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.parts.ranges import RangeSlice
from novaql.tsdb.parts.sorted_run import SortedHistogramRun, SortedRun

Found = TypeVar("Found")
_PLACE = np.dtype([("row", np.int64), ("time", np.int64)])


def readable_slices(cuts: Sequence[RangeSlice], read_errors: ReadErrors) -> list[RangeSlice]:
    """Return the slices, in order of age, without unreadable samples and those that these may
    replace.

    A series may occur several times in a returned slice, each time with another part of its grid.
    The damage is noted. The result has one slice for each given one, also if it is empty.
    """
    hidden = _Hidden()
    return [_readable_slice(cut, read_errors, hidden) for cut in reversed(cuts)][::-1]


def read_around(
    read: Callable[[Sequence[RangeSlice]], Found],
    cuts: Sequence[RangeSlice],
    read_errors: ReadErrors | None,
) -> Found:
    """Return the result of `read` for slices, or for their readable part if they are damaged.
    Without `read_errors`, damage raises."""
    try:
        return read(cuts)
    except DAMAGE:
        if read_errors is None:
            raise
    return read(readable_slices(cuts, read_errors))


def _readable_slice(cut: RangeSlice, read_errors: ReadErrors, hidden: _Hidden) -> RangeSlice:
    run, lengths = cut.run, cut.lengths
    assert isinstance(run, SortedRun | SortedHistogramRun)
    grids = run.grid_of[cut.series]
    places = flat_positions(run.grid_start[grids] + cut.low, lengths)
    timed = run.times.readable_mask(places, read_errors)
    starts = run.value_start[cut.series] + cut.low
    valued = run.values.readable_mask(flat_positions(starts, lengths), read_errors)
    if run.starts is not None:
        valued &= run.starts.readable_mask(flat_positions(starts, lengths), read_errors)
    readable_mask = timed & valued
    if readable_mask.all() and not hidden:
        return cut
    owner = np.repeat(np.arange(len(lengths)), lengths)
    rows = cut.rows[owner].astype(np.int64)
    times = np.zeros(len(places), np.int64)
    known = np.flatnonzero(timed)
    times[known] = run.times.ints(places[known], np.ones(len(known), np.int64))
    if hidden:
        readable_mask &= ~hidden.covers(rows, times)
    lost = np.flatnonzero(timed & ~valued)
    hidden.add_times(rows[lost], times[lost])
    for begin, end in zip(*_runs(~timed, owner), strict=True):
        grid = grids[owner[begin]]
        before, after = begin - 1, end
        first, last = int(run.grid_first[grid]), int(run.grid_last[grid])
        if before >= 0 and owner[before] == owner[begin]:
            first = int(times[before]) + 1
        if after < len(owner) and owner[after] == owner[begin]:
            last = int(times[after]) - 1
        hidden.add_span(int(rows[begin]), first, last)
    begins, ends = _runs(readable_mask, owner)
    within = flat_positions(cut.low.astype(np.int64), lengths)
    return replace(cut.take(owner[begins]), low=within[begins], high=within[ends - 1] + 1)


def _runs(mask: Bools, owner: Ints) -> tuple[Ints, Ints]:
    """Return where runs of True begin and end (exclusive); a run also ends where the owner
    changes."""
    joined = mask[1:] & mask[:-1] & (owner[1:] == owner[:-1])
    begins = np.flatnonzero(mask & ~np.append(False, joined)[: len(mask)])
    ends = np.flatnonzero(mask & ~np.append(joined, False)[: len(mask)]) + 1
    return begins, ends


class _Hidden:
    """Times at which there is, or may be, a newer sample that cannot be read."""

    def __init__(self) -> None:
        self._exact: list[tuple[Ints, Ints]] = []
        self._spans: dict[tuple[int, int], list[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._exact or self._spans)

    def add_times(self, rows: Ints, times: Ints) -> None:
        if len(rows):
            self._exact.append((rows, times))

    def add_span(self, row: int, first_ms: int, last_ms: int) -> None:
        self._spans.setdefault((first_ms, last_ms), []).append(row)

    def covers(self, rows: Ints, times: Ints) -> Bools:
        found = np.zeros(len(rows), np.bool_)
        if self._exact:
            exact = [np.concatenate(column) for column in zip(*self._exact, strict=True)]
            found |= np.isin(_placed(rows, times), _placed(exact[0], exact[1]))
        for (first_ms, last_ms), some in self._spans.items():
            inside = np.flatnonzero((times >= first_ms) & (times <= last_ms))
            found[inside[np.isin(rows[inside], some)]] = True
        return found


def _placed(rows: Ints, times: Ints) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    out = np.empty(len(rows), _PLACE)
    out["row"], out["time"] = rows, times
    return out
