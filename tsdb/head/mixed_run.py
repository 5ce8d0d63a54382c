"""A run of the head with floats and histograms; at one time a series has one or the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.head.float_run import (
    FloatRun,
    FloatSamples,
    build_joined,
    build_run,
    joined,
    merge_runs,
)
from novaql.tsdb.head.histogram_run import (
    HistogramRun,
    NativeSamples,
    build_native,
    equal_places,
    joined_native,
    merge_native,
)
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.parts.part import Layer
from novaql.tsdb.parts.tombstones import Intervals

Run = TypeVar("Run", FloatRun, HistogramRun)
Chunk = FloatSamples | NativeSamples
"""Samples of one append: floats or histograms."""


@dataclass(frozen=True, slots=True, eq=False)
class MixedRun:
    """A sorted run of floats and one of histograms, without a common series and time.

    replaced  number of samples that one of the other kind replaced
    """

    floats: FloatRun | None
    native: HistogramRun | None = None
    replaced: int = 0

    @property
    def _parts(self) -> list[FloatRun | HistogramRun]:
        return [part for part in (self.floats, self.native) if part is not None]

    def layers(self) -> list[Layer]:
        return [Layer(part.sorted, part.ids) for part in self._parts]

    @property
    def samples(self) -> int:
        return sum(part.samples for part in self._parts)

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self._parts)

    @property
    def duplicates(self) -> int:
        return self.replaced + sum(part.duplicates for part in self._parts)

    @property
    def conflicts(self) -> int:
        return self.replaced + sum(part.conflicts for part in self._parts)

    def without(self, deleted: Intervals) -> MixedRun:
        """Return the rest after the deleted time of these ids is removed."""
        floats = _without_deleted(self.floats, deleted)
        return MixedRun(floats, _without_deleted(self.native, deleted), self.replaced)


def build_mixed(chunks: list[Chunk]) -> MixedRun:
    """Sort chunks in order of arrival. The list may be emptied, so that their memory is freed;
    after an error it has the same samples again."""
    native = [chunk for chunk in chunks if isinstance(chunk, NativeSamples)]
    floats = [chunk for chunk in chunks if not isinstance(chunk, NativeSamples)]
    if not native:
        chunks.clear()
        try:
            return MixedRun(build_joined(floats))
        except BaseException:
            chunks += floats
            raise
    one = joined_native(native)
    if not floats:
        return MixedRun(None, build_native(one))
    flat = joined(floats)
    replaced = 0
    if len(np.intersect1d(flat.ids, one.ids)):
        stays, native_stays = _latest_kind(chunks, flat.ids, flat.times, one)
        replaced = int(np.count_nonzero(~stays)) + int(np.count_nonzero(~native_stays))
        flat = flat.take(stays)
        one = one.take(np.flatnonzero(native_stays))
    return MixedRun(
        build_run(*flat) if len(flat.ids) else None,
        build_native(one) if len(one) else None,
        replaced,
    )


def _latest_kind(
    chunks: Sequence[Chunk], ids: Ints, times: Ints, native: NativeSamples
) -> tuple[Bools, Bools]:
    """Return which floats and which histograms are of the kind that arrived last for their series
    and time."""
    sizes = np.array([len(c if isinstance(c, NativeSamples) else c[0]) for c in chunks])
    is_native = np.array([isinstance(chunk, NativeSamples) for chunk in chunks])
    arrival = np.arange(int(sizes.sum()))
    kind = np.repeat(is_native, sizes)
    arrival = np.concatenate([arrival[~kind], arrival[kind]])  # floats first, as in `kinds` below
    all_ids = np.concatenate([ids, native.ids])
    all_times = np.concatenate([times, native.times])
    order = np.lexsort((arrival, all_times, all_ids))
    sorted_ids, sorted_times = all_ids[order], all_times[order]
    ends = np.append(
        (sorted_ids[1:] != sorted_ids[:-1]) | (sorted_times[1:] != sorted_times[:-1]), True
    )
    last_kind = (order >= len(ids))[ends]
    group = np.cumsum(np.append(0, ends[:-1]))
    stays = np.empty(len(order), np.bool_)
    stays[order] = (order >= len(ids)) == last_kind[group]
    return stays[: len(ids)], stays[len(ids) :]


def merge_mixed(older: MixedRun, newer: MixedRun) -> MixedRun:
    """Merge two runs; of equal series and time, the sample of the newer run replaces the other."""
    if older.native is None and newer.native is None:
        assert older.floats is not None
        assert newer.floats is not None
        replaced = older.replaced + newer.replaced
        return MixedRun(merge_runs(older.floats, newer.floats), None, replaced)
    floats, native, replaced = older.floats, older.native, older.replaced + newer.replaced
    if floats is not None and newer.native is not None:
        floats, gone = _without_common(floats, newer.native)
        replaced += gone
    if native is not None and newer.floats is not None:
        native, gone = _without_common(native, newer.floats)
        replaced += gone
    if floats is None or newer.floats is None:
        floats = newer.floats if floats is None else floats
    else:
        floats = merge_runs(floats, newer.floats)
    if native is None or newer.native is None:
        native = newer.native if native is None else native
    else:
        native = merge_native(native, newer.native)
    return MixedRun(floats, native, replaced)


def _without_common(run: Run, other: FloatRun | HistogramRun) -> tuple[Run | None, int]:
    """Return a run without the samples that `other` replaces, and how many it has lost."""
    if len(np.intersect1d(run.ids, other.ids)) == 0:
        return run, 0
    flat, by = run.flat(), other.flat()
    gone, _ = equal_places(flat.ids, flat.times, by.ids, by.times)
    if len(gone) == 0:
        return run, 0
    stays = np.ones(len(flat.ids), np.bool_)
    stays[gone] = False
    rest = run.only(flat, stays)
    return rest, len(gone) + (run.duplicates if rest is None else 0)


def _without_deleted(run: Run | None, deleted: Intervals) -> Run | None:
    if run is None or not deleted.touches(run.ids).any():
        return run
    flat = run.flat()
    return run.only(flat, ~deleted.mask(flat.ids, flat.times))
