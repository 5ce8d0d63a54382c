"""The newest exemplars, up to a number; new ones evict the oldest."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from novaql.tsdb.model.exemplars import Exemplars, SeriesExemplars, joined
from novaql.tsdb.model.matchers import Matcher, select_rows
from novaql.tsdb.parts.tombstones import Deletion


class ExemplarRing:
    """One thread adds; any thread reads the exemplars that were added before.

    Exemplars are in runs that merge when similar in size, so that many small messages cost neither
    much memory nor many copies. Equal exemplars of a merged run are stored once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._runs: tuple[SeriesExemplars, ...] = ()
        self._adding = threading.Lock()

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    def add(self, fresh: SeriesExemplars) -> None:
        """Add the newest exemplars. Their arrays are not copied."""
        if self._most == 0 or len(fresh) == 0:
            return
        with self._adding:
            runs = list(self._runs)
            while runs and len(runs[-1]) < 2 * len(fresh):
                fresh = joined(runs.pop(), fresh)
            runs.append(fresh)
            surplus = sum(len(run) for run in runs) - self._most
            while surplus > 0:
                gone = min(surplus, len(runs[0]))
                surplus -= gone
                runs[0] = runs[0].take(np.arange(gone, len(runs[0])))
                if len(runs[0]) == 0:
                    runs.pop(0)
            self._runs = tuple(runs)

    def delete(self, deletion: Deletion) -> None:
        """Remove the exemplars of a deletion."""
        with self._adding:
            left = []
            for run in self._runs:
                times = run.exemplars.timestamps
                gone = (times >= deletion.start_ms) & (times <= deletion.end_ms)
                gone &= _matching(run, deletion.matcher_sets)
                left.append(run.take(~gone) if gone.any() else run)
            self._runs = tuple(run for run in left if len(run))

    def all(self) -> SeriesExemplars:
        """Return all exemplars, the oldest first."""
        found = SeriesExemplars.none()
        for run in self._runs:
            found = joined(found, run) if len(found) else run
        return found

    def select(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> SeriesExemplars:
        """Return those of a range, both ends included, of series that satisfy any of the sets of
        matchers. Series are ordered by label set, exemplars by series, then time."""
        found = SeriesExemplars.none()
        for run in self._runs:
            times = run.exemplars.timestamps
            inside = (times >= start_ms) & (times <= end_ms) & _matching(run, matcher_sets)
            if inside.any():
                found = joined(found, run.take(inside))
        order = found.series.order()
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        index = rank[found.exemplars.series_index]
        listed = np.lexsort((found.exemplars.timestamps, index))
        exemplars: Exemplars = replace(found.exemplars, series_index=index).take(listed)
        return SeriesExemplars(found.series.take(order), exemplars)


def _matching(
    run: SeriesExemplars, matcher_sets: Sequence[Sequence[Matcher]]
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """[N] whether the series of an exemplar satisfies any of the sets."""
    chosen = np.zeros(run.series.rows, np.bool_)
    for matchers in matcher_sets:
        chosen |= select_rows(run.series, matchers)
    return chosen[run.exemplars.series_index]
