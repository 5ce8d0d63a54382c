"""Separates staleness markers from the samples of a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats, is_stale
from novaql.tsdb.model.series_batch import Derived, Markers, SeriesBatch
from novaql.tsdb.runtime.parallel import ordered_parallel

if TYPE_CHECKING:
    from novaql.tsdb.codec.numba.decoder import CompiledHoles

WORTH_A_THREAD = 1 << 17
"""One thread copies this many timestamps in a fraction of a millisecond."""


class PlainHoles:
    """Finds and removes markers with NumPy. Does not change its arguments."""

    def find(self, values: Floats) -> Ints:
        """Positions of staleness markers, increasing."""
        # The sum is NaN if any value is, so one cheap pass settles the usual case.
        with np.errstate(invalid="ignore", over="ignore"):  # the marker is a signalling NaN
            total = np.add.reduce(values)
        return is_stale(values).nonzero()[0] if np.isnan(total) else np.empty(0, np.int64)

    def drop(self, values: Floats, at: Ints) -> Floats:
        """The values without those at these positions."""
        return np.delete(values, at)

    def drop_of_pieces(
        self, numbers: Ints, begins: Ints, lengths: Ints, holes: Ints, counts: Ints
    ) -> Ints:
        """Concatenate pieces of `numbers`, without counts[p] positions of each. `holes` has these
        positions, piece after piece."""
        firsts = np.cumsum(lengths) - lengths
        gone = np.repeat(firsts, counts) + holes
        return np.delete(numbers[flat_positions(begins, lengths)], gone)


def split_markers(
    batch: SeriesBatch,
    tools: PlainHoles | CompiledHoles | None = None,
    *,
    at: Ints | None = None,
) -> SeriesBatch:
    """Return the batch with its staleness markers apart from the samples.

    tools  how to find and remove markers; None: with NumPy. Compiled tools overwrite the values of
           the given batch
    at     positions of the markers, increasing; None: search for them
    """
    tools = tools or PlainHoles()
    at = tools.find(batch.values) if at is None else at
    if len(at) == 0:
        return batch
    series = len(batch.rows)
    owner = batch.offsets.searchsorted(at, side="right") - 1
    place = at - batch.offsets[owner]
    counts = np.bincount(owner, minlength=series)
    marker_offsets = np.append(0, np.cumsum(counts))
    times = batch.times[batch.grid_offsets[batch.grid[owner]] + place]
    # Series of one grid still share times if they have no marker, or one at the same position.
    kind = np.full(series, -1)
    kind[owner] = place
    several = np.flatnonzero(counts > 1)
    kind[several] = int(place.max()) + 1 + several
    code = batch.grid * (int(kind.max()) + 2) + kind + 1
    _, member, grid = np.unique(code, return_index=True, return_inverse=True)
    lengths, holes = np.diff(batch.offsets)[member], counts[member]
    begins = batch.grid_offsets[batch.grid[member]]
    gone = place[flat_positions(marker_offsets[member], holes)]
    work = (
        lambda: tools.drop(batch.values, at),
        lambda: tools.drop_of_pieces(batch.times, begins, lengths, gone, holes),
    )
    starts = batch.starts
    left: list[Any] = []
    alone = len(batch.times) < WORTH_A_THREAD
    ordered_parallel(2, lambda number: work[number](), left.append, alone=alone)
    return replace(
        batch,
        values=left[0],
        offsets=batch.offsets - marker_offsets,
        grid=grid.astype(np.int64),
        times=left[1],
        grid_offsets=np.append(0, np.cumsum(lengths - holes)),
        markers=Markers(marker_offsets, times, None if starts is None else starts[at]),
        starts=None if starts is None else np.delete(starts, at),
        derived=Derived(),
    )
