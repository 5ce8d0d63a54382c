"""Classic histograms → native histograms with custom buckets.

`x_bucket`, `x_count` and `x_sum` with the same labels and time become one native histogram `x`
whose bounds are the values of `le`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.batch_stream import joined_native
from novaql.inputs.text.family_roles import Roles, UsedRows, roles_of, types_of
from novaql.tsdb.model.histograms import CUSTOM_SCHEMA, Buckets, Histograms
from novaql.tsdb.model.labels import (
    METRIC_NAME,
    Bools,
    Ints,
    LabelColumn,
    SeriesTable,
    concat_tables,
)
from novaql.tsdb.model.samples import Batch, Floats, HistogramSamples, timestamp_groups
from novaql.tsdb.model.source import Metadata

_BUCKET, _COUNT, _SUM, _NATIVE = range(4)
_SUFFIXES = {"histogram": {"_bucket": _BUCKET, "_count": _COUNT, "_sum": _SUM, "": _NATIVE}}


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """The roles of the series of a table.

    bound   upper bound of each row that is a bucket, else NaN
    table   the same rows, then the native series that may result from them
    native  row of each metric's native series in `table`
    """

    series: SeriesTable
    types: Mapping[str, str]
    roles: Roles
    bound: Floats
    table: SeriesTable
    native: Ints


class ClassicHistograms:
    """Converts the classic histograms of batches. Caches the roles of the last table's series.

    keep  whether the classic series stay in the batch, too
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._classic_stays = keep
        self._last: _Plan | None = None
        self._used = UsedRows()

    def apply(self, batch: Batch, metadata: Mapping[str, Metadata]) -> Batch:
        """The batch with the histograms that metadata declares as such; all parts of one must be in
        the batch.

        A histogram stays classic if it is native, too, if it has no buckets, or if it contradicts
        itself: buckets that are negative or not cumulative, a count that is not that of +Inf.
        """
        plan = self._plan(batch.series, types_of(metadata))
        role = plan.roles.role[batch.series_index]
        if not (role == _BUCKET).any():
            return batch
        all_times = batch.timestamps
        if batch.native is not None:
            all_times = np.concatenate([all_times, batch.native.timestamps])
        times, rank = np.unique(all_times, return_inverse=True)
        rank = rank.ravel()
        metric = plan.roles.metric[batch.series_index]
        key = metric * len(times) + rank[: len(metric)]
        bound = plan.bound[batch.series_index]
        native_already = np.zeros(0, np.int64)
        if batch.native is not None:
            of = plan.roles.metric[batch.native.series_index]
            native_already = (of * len(times) + rank[len(metric) :])[of >= 0]
        parts = np.flatnonzero((role == _BUCKET) & (bound == bound) & ~np.isin(key, native_already))
        if len(parts) == 0:
            return batch
        parts = parts[np.lexsort((bound[parts], key[parts]))]
        again = (key[parts[1:]] == key[parts[:-1]]) & (bound[parts[1:]] == bound[parts[:-1]])
        parts = parts[np.append(True, ~again)]  # the first of equal bounds counts
        firsts = np.flatnonzero(np.diff(key[parts], prepend=key[parts[0]] - 1))
        buckets = _Buckets(
            np.append(firsts, len(parts)), bound[parts], batch.values[parts].astype(np.float64)
        )
        keys = key[parts[firsts]]
        counts = _looked_up(keys, key, batch.values, np.flatnonzero(role == _COUNT))
        sums = _looked_up(keys, key, batch.values, np.flatnonzero(role == _SUM))
        count = np.where(counts[1], counts[0], buckets.cumulative[buckets.offsets[1:] - 1])
        good = buckets.sound(count)
        if not good.any():
            return batch
        rows = parts[firsts][good]  # one sample of each histogram
        made = HistogramSamples(
            plan.native[metric[rows]],
            batch.timestamps[rows],
            buckets.histograms(count, np.where(sums[1], sums[0], 0.0), good),
            None if batch.starts is None else batch.starts[rows],
        )
        of_good = np.isin(key, keys[good]) & (role >= 0) & ((role != _BUCKET) | (bound == bound))
        stays = np.ones(len(key), np.bool_) if self._classic_stays else ~of_good
        before = [] if batch.native is None else [(batch.native, 0)]
        starts = None if batch.starts is None else batch.starts[stays]
        native = joined_native([*before, (made, 0)])
        return self._used.batch(batch, stays, plan.table, native, starts)

    def _plan(self, series: SeriesTable, types: dict[str, str]) -> _Plan:
        last = self._last
        if last is not None and last.series is series and last.types == types:
            return last
        roles = roles_of(series, types, _SUFFIXES)
        column = series.column("le")
        bounds = np.array([_number(text) for text in column.values])
        bound = np.where(roles.role == _BUCKET, bounds[column.codes], np.nan)
        names = LabelColumn.encode(roles.families)
        natives = series.take(roles.firsts).drop(["le"]).with_column(METRIC_NAME, names)
        native = len(series) + np.arange(len(roles.firsts), dtype=np.int64)
        there = np.flatnonzero(roles.role == _NATIVE)
        native[roles.metric[there]] = there
        made = _Plan(series, types, roles, bound, concat_tables([series, natives]), native)
        self._last = made
        return made


@dataclass(frozen=True, slots=True, eq=False)
class _Buckets:
    """Cumulative buckets of N histograms, ascending: row i has offsets[i]:offsets[i + 1]."""

    offsets: Ints
    bound: Floats
    cumulative: Floats

    def sound(self, count: Floats) -> Bools:
        """[N] which can be native histograms with these counts."""
        first, last = self.offsets[:-1], self.offsets[1:] - 1
        with np.errstate(invalid="ignore"):
            bad = ~(self.cumulative >= 0) | np.isinf(self.cumulative)
            falls = ~(np.diff(self.cumulative, prepend=0.0) >= 0)
            falls[first] = False
            bad_row: Bools = np.logical_or.reduceat(bad | falls, first)
            top = self.cumulative[last]
            right = np.where(self.bound[last] == np.inf, top == count, count >= top)
            sound: Bools = ~bad_row & right & np.isfinite(count) & (self.bound[first] != -np.inf)
        return sound

    def histograms(self, count: Floats, total: Floats, good: Bools) -> Histograms:
        """Those of `good`, with their counts and sums."""
        sizes = np.diff(self.offsets)
        rows = np.flatnonzero(good)
        number = np.cumsum(good) - 1
        owner = np.repeat(np.arange(len(sizes)), sizes)
        inside = np.flatnonzero(good[owner])
        index = inside - self.offsets[owner[inside]]
        with np.errstate(invalid="ignore"):  # in those that stay classic
            population = np.diff(self.cumulative, prepend=0.0)
        population[self.offsets[:-1]] = self.cumulative[self.offsets[:-1]]
        last = self.offsets[1:][rows] - 1
        above = np.where(self.bound[last] == np.inf, 0.0, count[rows] - self.cumulative[last])
        positive = Buckets.of_flat(
            np.concatenate([number[owner[inside]], np.arange(len(rows))]),
            np.concatenate([index, sizes[rows]]),
            np.concatenate([population[inside], above]),
            len(rows),
        )
        which, sets = self._bound_sets(rows)
        zero = np.zeros(len(rows))
        return Histograms(
            np.full(len(rows), CUSTOM_SCHEMA, np.int8),
            np.zeros(len(rows), np.int8),
            count[rows],
            total[rows],
            zero,
            zero,
            positive,
            Buckets.none(len(rows)),
            which,
            sets,
        )

    def _bound_sets(
        self, rows: Ints
    ) -> tuple[np.ndarray[tuple[int], np.dtype[np.int32]], tuple[tuple[float, ...], ...]]:
        """Number of each row's set of finite bounds, and the sets."""
        bits = (self.bound + 0.0).view(np.int64)
        group, leaders = timestamp_groups(bits, self.offsets, np.diff(self.offsets))
        ids: dict[tuple[float, ...], int] = {}
        translate = np.zeros(len(leaders), np.int32)
        for number in np.unique(group[rows]).tolist():
            leader = leaders[number]
            bounds = self.bound[self.offsets[leader] : self.offsets[leader + 1]].tolist()
            finite = tuple(bound for bound in bounds if bound != np.inf)
            translate[number] = ids.setdefault(finite, len(ids))
        return translate[group[rows]], tuple(ids)


def _looked_up(keys: Ints, key: Ints, values: Floats, among: Ints) -> tuple[Floats, Bools]:
    """For each of `keys`, the value of the last sample `among` with it; whether there is one."""
    if len(among) == 0:
        return np.zeros(len(keys)), np.zeros(len(keys), np.bool_)
    among = among[np.argsort(key[among], kind="stable")]
    place = np.maximum(np.searchsorted(key[among], keys, "right") - 1, 0)
    return values[among[place]], key[among[place]] == keys


def _number(text: str) -> float:
    """NaN for a text that is no number."""
    try:
        return float(text) if text.isascii() and "_" not in text else np.nan
    except ValueError:
        return np.nan
