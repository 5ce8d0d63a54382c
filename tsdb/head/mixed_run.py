"""A layer of the head: floats, histograms, and which of the two a series has at one time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novaql.tsdb.head.float_run import Floating, FloatRun, build_run, joined, merge_runs
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

Chunk = Floating | NativeSamples
"""What arrived at one time: floats or histograms."""


@dataclass(frozen=True, slots=True, eq=False)
class MixedRun:
    """A layer of the head. A series has at one time a float or a histogram, never both.

    replaced  samples that gave way to one of the other kind
    """

    floats: FloatRun | None
    native: HistogramRun | None = None
    replaced: int = 0

    def layers(self) -> list[Layer]:
        parts = (self.floats, self.native)
        return [Layer(part.sorted, part.ids) for part in parts if part is not None]

    @property
    def samples(self) -> int:
        return sum(part.samples for part in (self.floats, self.native) if part is not None)

    @property
    def duplicates(self) -> int:
        parts = (self.floats, self.native)
        return self.replaced + sum(part.duplicates for part in parts if part is not None)

    @property
    def conflicts(self) -> int:
        parts = (self.floats, self.native)
        return self.replaced + sum(part.conflicts for part in parts if part is not None)

    def without(self, deleted: Intervals) -> MixedRun:
        """What is left when samples of these ids and times are taken out."""
        floats, native = self.floats, self.native
        if floats is not None and deleted.touches(floats.ids).any():
            flat = floats.flat()
            floats = _kept_floats(floats, flat, ~deleted.mask(flat.ids, flat.times))
        if native is not None and deleted.touches(native.ids).any():
            samples = native.flat()
            native = _kept_native(native, samples, ~deleted.mask(samples.ids, samples.times))
        return MixedRun(floats, native, self.replaced)


def build_layer(chunks: Sequence[Chunk]) -> MixedRun:
    """From chunks in order of arrival."""
    native = [chunk for chunk in chunks if isinstance(chunk, NativeSamples)]
    floats = [chunk for chunk in chunks if not isinstance(chunk, NativeSamples)]
    if not native:
        return MixedRun(build_run(*joined(floats)))
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
    """Which floats and which histograms are of the kind that came last for series and time."""
    sizes = np.array([len(c if isinstance(c, NativeSamples) else c[0]) for c in chunks])
    is_native = np.array([isinstance(chunk, NativeSamples) for chunk in chunks])
    arrival = np.arange(int(sizes.sum()))
    kind = np.repeat(is_native, sizes)
    arrival = np.concatenate([arrival[~kind], arrival[kind]])  # floats first, as below
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


def merge_layers(older: MixedRun, newer: MixedRun) -> MixedRun:
    """Both in one; where both have a series and time, the newer one's sample stays."""
    if older.native is None and newer.native is None:
        assert older.floats is not None
        assert newer.floats is not None
        replaced = older.replaced + newer.replaced
        return MixedRun(merge_runs(older.floats, newer.floats), None, replaced)
    floats, native, replaced = older.floats, older.native, older.replaced + newer.replaced
    if floats is not None and newer.native is not None:
        floats, gone = _floats_without(floats, newer.native)
        replaced += gone
    if native is not None and newer.floats is not None:
        native, gone = _native_without(native, newer.floats)
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


def _floats_without(run: FloatRun, native: HistogramRun) -> tuple[FloatRun | None, int]:
    if len(np.intersect1d(run.ids, native.ids)) == 0:
        return run, 0
    flat, other = run.flat(), native.flat()
    gone, _ = equal_places(flat.ids, flat.times, other.ids, other.times)
    if len(gone) == 0:
        return run, 0
    keep = np.ones(len(flat.ids), np.bool_)
    keep[gone] = False
    rest = _kept_floats(run, flat, keep)
    return rest, len(gone) + (run.duplicates if rest is None else 0)


def _kept_floats(run: FloatRun, flat: Floating, keep: Bools) -> FloatRun | None:
    """The run of those of its samples that are kept; None if none is."""
    if keep.all():
        return run
    if not keep.any():
        return None
    rest = build_run(*flat.take(keep))
    return FloatRun(rest.ids, rest.sorted, run.duplicates, run.conflicts)


def _native_without(run: HistogramRun, floats: FloatRun) -> tuple[HistogramRun | None, int]:
    if len(np.intersect1d(run.ids, floats.ids)) == 0:
        return run, 0
    samples, flat = run.flat(), floats.flat()
    gone, _ = equal_places(samples.ids, samples.times, flat.ids, flat.times)
    if len(gone) == 0:
        return run, 0
    keep = np.ones(len(samples), np.bool_)
    keep[gone] = False
    rest = _kept_native(run, samples, keep)
    return rest, len(gone) + (run.duplicates if rest is None else 0)


def _kept_native(run: HistogramRun, samples: NativeSamples, keep: Bools) -> HistogramRun | None:
    """The run of those of its samples that are kept; None if none is."""
    if keep.all():
        return run
    if not keep.any():
        return None
    rest = build_native(samples.take(np.flatnonzero(keep)))
    return HistogramRun(rest.ids, rest.sorted, rest.held, run.duplicates, run.conflicts)
