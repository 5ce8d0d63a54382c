"""One selection of what any of several sets of matchers finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from novaql.tsdb.model.labels import Bools, Ints, concat_tables
from novaql.tsdb.model.matchers import Matcher, select_rows
from novaql.tsdb.model.samples import HistogramTile, Tile
from novaql.tsdb.model.source import NO_HINTS, Hints, HistogramRef, Selection, Source, TileRef


def select_any(
    source: Source,
    sets: Sequence[Sequence[Matcher]],
    start_ms: int,
    end_ms: int,
    hints: Hints = NO_HINTS,
) -> Selection:
    """Samples of series that satisfy any of the sets (none: all), each series' once.

    A series that two sets find has two rows in the table, one of which is in no tile.
    """
    if len(sets) < 2:
        return source.select(sets[0] if sets else [], start_ms, end_ms, hints)
    found = [source.select(one, start_ms, end_ms, hints) for one in sets]
    tiles: list[TileRef] = []
    histograms: list[HistogramRef] = []
    first = 0
    for number, each in enumerate(found):
        fresh = np.ones(each.series.rows, np.bool_)
        for earlier in sets[:number]:
            fresh &= ~select_rows(each.series, earlier)
        tiles += [TileRef(partial(_tile, ref, fresh, first), ref.samples) for ref in each.tiles]
        histograms += [
            HistogramRef(partial(_histograms, ref, fresh, first), ref.samples)
            for ref in each.histograms
        ]
        first += each.series.rows
    starts = any(each.starts for each in found)
    return Selection(
        concat_tables([each.series for each in found]), tiles, histograms, starts=starts
    )


def _tile(ref: TileRef, fresh: Bools, first: int) -> Tile:
    tile = ref.load()
    chosen = fresh[tile.rows]
    if chosen.all():
        return replace(tile, rows=tile.rows + first)
    rows = tile.rows[chosen] + first
    if tile.offsets is None:
        return Tile(rows, tile.timestamps, tile.values[chosen])
    samples, offsets = _some(tile.offsets, chosen)
    starts = None if tile.starts is None else tile.starts[samples]
    return Tile(rows, tile.timestamps[samples], tile.values[samples], offsets, starts)


def _histograms(ref: HistogramRef, fresh: Bools, first: int) -> HistogramTile:
    tile = ref.load()
    chosen = fresh[tile.rows]
    samples, offsets = _some(tile.offsets, chosen)
    starts = None if tile.starts is None else tile.starts[samples]
    return HistogramTile(
        tile.rows[chosen] + first,
        tile.timestamps[samples],
        tile.histograms.take(np.flatnonzero(samples)),
        offsets,
        starts,
    )


def _some(offsets: Ints, chosen: Bools) -> tuple[Bools, Ints]:
    lengths = np.diff(offsets)
    new_offsets = np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64)
    return np.repeat(chosen, lengths), new_offsets
