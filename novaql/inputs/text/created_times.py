"""`_created` lines of OpenMetrics → start timestamps of the samples of the same metric."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from novaql.inputs.text.family_roles import Roles, UsedRows, roles_of, types_of
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.samples import Batch, Floats
from novaql.tsdb.model.source import Metadata

_SAMPLE, _CREATED = 0, 1
_SUFFIXES = {
    "counter": {"": _SAMPLE, "_total": _SAMPLE, "_created": _CREATED},
    "summary": {"": _SAMPLE, "_count": _SAMPLE, "_sum": _SAMPLE, "_created": _CREATED},
    "histogram": {"_bucket": _SAMPLE, "_count": _SAMPLE, "_sum": _SAMPLE, "_created": _CREATED},
}


class CreatedTimes:
    """Moves `_created` samples into `Batch.starts`. Caches the roles of the last table's rows."""

    def __init__(self) -> None:
        self._plan: tuple[SeriesTable, Mapping[str, str], Roles] | None = None
        self._used = UsedRows()

    def apply(self, batch: Batch, metadata: Mapping[str, Metadata]) -> Batch:
        """The batch without the `_created` samples of counters, summaries and histograms.

        A sample gets the value of the last `_created` of its metric at or before the sample's own
        time, or else of the first one. A start after the sample is ignored.
        """
        roles = self._roles(batch.series, types_of(metadata))
        role = roles.role[batch.series_index]
        created = np.flatnonzero(role == _CREATED)
        if len(created) == 0:
            return batch
        others = np.flatnonzero(role != _CREATED)
        metric = roles.metric[batch.series_index]
        times, rank = np.unique(batch.timestamps, return_inverse=True)
        key = metric * len(times) + rank.ravel()
        created = created[np.argsort(key[created], kind="stable")]
        before = np.searchsorted(key[created], key[others], "right") - 1
        after = np.minimum(before + 1, len(created) - 1)
        starts = np.zeros(len(others), np.int64)
        given = _milliseconds(batch.values[created])
        for place in (after, np.maximum(before, 0)):
            same = (metric[created[place]] == metric[others]) & (metric[others] >= 0)
            starts[same] = given[place[same]]
        starts[starts > batch.timestamps[others]] = 0
        if batch.starts is not None:
            starts = np.where(starts == 0, batch.starts[others], starts)
        known = starts if starts.any() else None
        return self._used.batch(batch, others, batch.series, batch.native, known)

    def _roles(self, series: SeriesTable, types: dict[str, str]) -> Roles:
        if self._plan is None or self._plan[0] is not series or self._plan[1] != types:
            self._plan = (series, types, roles_of(series, types, _SUFFIXES))
        return self._plan[2]


def _milliseconds(seconds: Floats) -> Ints:
    """Milliseconds; 0 for a number that is no time."""
    sound = np.abs(seconds) < 2.0**52  # false for NaN
    whole: Ints = np.rint(np.where(sound, seconds, 0.0) * 1000).astype(np.int64)
    return whole
