"""Samples of several layers → batches of one selection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.batch_stream import joined_native
from novaql.inputs.prometheus.chunk_bytes import Encoding
from novaql.inputs.prometheus.chunk_samples import ChunkSamples
from novaql.inputs.sample_batches import batch_of_samples, histogram_batch_of
from novaql.tsdb.model.labels import Bools, Ints, SeriesTable
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.samples import HistogramBatch, HistogramSamples
from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.runtime.lru_cache import ByteCache

BATCH_SAMPLES = 1 << 17
SMALL_GROUP = 2048
"""Series of one grid that have fewer samples together share a batch with others."""
_GRIDS = 1 << 40  # the most values of the number that distinguishes grids
_CACHE_BYTES = 256 << 20
Window = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class RowCounts:
    """The data of a layer for some rows in a range, as known before they are read.

    floats, histograms  about how many samples each row has
    grid                numbers that are equal for rows whose samples may have equal times
    """

    floats: Ints
    histograms: Ints
    grid: Ints


def row_counts(
    rows: int, owner: Ints, kinds: Ints, counts: Ints, spans: tuple[Ints, Ints], window: Window
) -> RowCounts:
    """Counts by chunks; a chunk at the edge of the window counts with its share in the window.

    owner, kinds, counts, spans  [C] of the chunks: the row, the encoding, the number of samples,
                                 and the times of the first and the last one
    """
    first, last = spans
    inside = np.minimum(last, window[1]) - np.maximum(first, window[0])
    share = np.ceil(counts * ((inside + 1) / (last - first + 1)))
    native = kinds != Encoding.XOR
    floats, histograms = (
        np.bincount(owner[some], share[some], minlength=rows).astype(np.int64)
        for some in (~native, native)
    )
    grid = np.zeros(rows, np.int64)
    ends = np.flatnonzero(np.diff(owner, append=-1))  # the last chunk of each row
    grid[owner[ends]] = first[ends] % _GRIDS
    return RowCounts(floats, histograms, grid)


class Layer(Protocol):
    """A block or the head. first_ms, last_ms: no sample lies outside."""

    @property
    def first_ms(self) -> int: ...

    @property
    def last_ms(self) -> int: ...

    @property
    def series(self) -> SeriesTable: ...

    def sample_counts(self, rows: Ints, start_ms: int, end_ms: int) -> RowCounts: ...

    def samples(
        self, rows: Ints, start_ms: int, end_ms: int, read_errors: ReadErrors | None
    ) -> ChunkSamples: ...


@dataclass(frozen=True, slots=True, eq=False)
class MemberRows:
    """Rows of one layer, and the row of the selection that each is a part of."""

    layer: Layer
    rows: Ints
    selected: Ints

    def among(self, place: Ints) -> MemberRows:
        """Return the members whose selected rows have a place (not -1); the place replaces the
        selected row."""
        some = place[self.selected] >= 0
        return MemberRows(self.layer, self.rows[some], place[self.selected[some]])


@dataclass(frozen=True, slots=True, eq=False)
class PieceSamples:
    """The samples that were read of some rows; `rows` of the batches are positions among them."""

    floats: SeriesBatch
    native: HistogramBatch | None

    @property
    def nbytes(self) -> int:
        native = self.native
        histograms = 0 if native is None else native.histograms.nbytes + 16 * len(native.timestamps)
        return self.floats.nbytes + histograms + 200


class Pieces:
    """Reads the samples of a selection piece by piece, and caches them."""

    def __init__(self) -> None:
        self._cache: ByteCache[PieceSamples] = ByteCache(_CACHE_BYTES, lambda piece: piece.nbytes)

    def read(
        self, members: Sequence[MemberRows], window: Window, read_errors: ReadErrors | None
    ) -> PieceSamples:
        """Samples in a window; `selected` of the members are the rows.

        Samples from a damaged part are not cached, so that a later reader also notes the damage.
        """
        key = (window, *((id(m.layer), m.rows.tobytes(), m.selected.tobytes()) for m in members))
        found = self._cache.get(key)
        if found is None:
            own = ReadErrors()
            joined = _joined(members, window, own if read_errors is not None else None)
            native = joined.native
            found = PieceSamples(
                batch_of_samples(joined.rows, joined.times, joined.values),
                None if native is None else histogram_batch_of(native),
            )
            if not own:
                self._cache.put(key, found)
            for problem in own.problems():
                assert read_errors is not None
                read_errors.note(problem)
        return found


def _joined(
    members: Sequence[MemberRows], window: Window, read_errors: ReadErrors | None
) -> ChunkSamples:
    start_ms, end_ms = window
    rows, times, values, native = [], [], [], []
    for member in members:
        found = member.layer.samples(member.rows, start_ms, end_ms, read_errors)
        inside = _inside(found.times, window)
        rows.append(member.selected[found.rows[inside]])
        times.append(found.times[inside])
        values.append(found.values[inside])
        if found.native is not None:
            some = np.flatnonzero(_inside(found.native.timestamps, window))
            selected = member.selected[found.native.series_index[some]]
            native.append(found.native.take(some, selected))
    row, time, value = np.concatenate(rows), np.concatenate(times), np.concatenate(values)
    order = _order(row, time)
    if order is not None:
        row, time, value = row[order], time[order], value[order]
    histograms = _sorted_histograms(joined_native([(part, 0) for part in native]))
    if histograms is not None and len(row):
        # If there is a histogram, a float of another layer does not count.
        doubled = np.isin(_keys(row, time), _keys(histograms.series_index, histograms.timestamps))
        row, time, value = row[~doubled], time[~doubled], value[~doubled]
    return ChunkSamples(row, time, value, histograms)


def _inside(times: Ints, window: Window) -> Bools:
    found: Bools = (times >= window[0]) & (times <= window[1])
    return found


def _keys(rows: Ints, times: Ints) -> Ints:
    return rows << 44 ^ times  # times have 42 bits until 2109, and equal pairs equal keys


def _order(rows: Ints, times: Ints) -> Ints | None:
    """Places in order of (row, time), only the last of equal ones; None if that is their order
    already."""
    same_row = rows[1:] == rows[:-1]
    if ((rows[1:] > rows[:-1]) | (same_row & (times[1:] > times[:-1]))).all():
        return None
    order = np.lexsort((times, rows))
    rows, times = rows[order], times[order]
    again = (rows[1:] == rows[:-1]) & (times[1:] == times[:-1])
    last: Ints = order[np.append(~again, True)]
    return last


def _sorted_histograms(native: HistogramSamples | None) -> HistogramSamples | None:
    if native is None or len(native.timestamps) == 0:
        return None
    order = _order(native.series_index, native.timestamps)
    return native if order is None else native.take(order)


def pieces_of(samples: Ints, grid: Ints) -> Iterator[Ints]:
    """Rows [S] cut into pieces of about `BATCH_SAMPLES`, those of one grid together.

    samples  [S] how many each row has;  grid  [S] as in `RowCounts`
    """
    if len(samples) == 0:
        return
    order = np.lexsort((grid, samples))
    differs = (np.diff(samples[order]) != 0) | (np.diff(grid[order]) != 0)
    group = np.append(0, np.cumsum(differs))
    size = np.bincount(group, samples[order]).astype(np.int64)
    inside = np.cumsum(samples[order]) - samples[order]
    begin = inside[np.append(0, np.flatnonzero(differs) + 1)]
    large = (size >= SMALL_GROUP)[group]
    for some, local in (
        (large, (inside - begin[group]) // BATCH_SAMPLES + group * (1 << 32)),
        (~large, None),
    ):
        rows = order[some]
        if len(rows) == 0:
            continue
        number = np.cumsum(samples[rows]) // BATCH_SAMPLES if local is None else local[some]
        yield from np.split(rows, np.flatnonzero(np.diff(number)) + 1)
