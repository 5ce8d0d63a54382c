"""Chunks of many series → samples; all chunks of a kind are decoded together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.batch_stream import joined_native
from novaql.inputs.prometheus.chunk_bytes import BrokenChunk, ChunkBytes, Encoding
from novaql.inputs.prometheus.decoding import decode_floats, decode_native
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import STALE, Floats, HistogramSamples


@dataclass(frozen=True, slots=True, eq=False)
class ChunkSamples:
    """Samples in the order of their chunks, floats before the ends of histograms.

    rows, times, values  [N] of floats; the end of a series of histograms is a staleness marker
    native               the histograms, if there are any
    """

    rows: Ints
    times: Ints
    values: Floats
    native: HistogramSamples | None = None

    def without(self, row: int, start_ms: int, end_ms: int) -> ChunkSamples:
        """The samples without those of one row in a range of time, both ends included."""
        stay = ~((self.rows == row) & (self.times >= start_ms) & (self.times <= end_ms))
        native = self.native
        if native is not None:
            times = native.timestamps
            stays = np.flatnonzero(
                ~((native.series_index == row) & (times >= start_ms) & (times <= end_ms))
            )
            native = native.take(stays)
        return ChunkSamples(self.rows[stay], self.times[stay], self.values[stay], native)


def samples_of(pieces: Sequence[bytes | memoryview], encodings: Ints, rows: Ints) -> ChunkSamples:
    """Decode chunks.

    encodings, rows  [C] of each chunk: its kind, and the row of its series

    Raises `BrokenChunk` with the index of the chunk in `pieces`.
    """
    plain = np.flatnonzero(encodings == Encoding.XOR)
    if len(plain) == len(pieces):
        chunks = ChunkBytes.of(pieces)
        times, values = decode_floats(chunks)
        return ChunkSamples(np.repeat(rows, chunks.counts), times, values)
    unknown = ~np.isin(encodings, [int(kind) for kind in Encoding])
    if unknown.any():
        number = int(np.argmax(unknown))
        raise BrokenChunk(number, f"there is no chunk encoding {encodings[number]}")
    floats = [_floats(pieces, plain, rows)]
    native: list[tuple[HistogramSamples, int]] = []
    for kind in (Encoding.HISTOGRAM, Encoding.FLOAT_HISTOGRAM):
        some = np.flatnonzero(encodings == kind)
        if len(some) == 0:
            continue
        try:
            chunks = ChunkBytes.of([pieces[number] for number in some.tolist()])
            found = decode_native(chunks, whole=kind is Encoding.HISTOGRAM)
        except BrokenChunk as problem:
            raise BrokenChunk(int(some[problem.number]), str(problem)) from None
        owner = np.repeat(rows[some], chunks.counts)
        there = np.flatnonzero(~found.stale)
        histograms = found.histograms.take(there)
        native.append((HistogramSamples(owner[there], found.times[there], histograms), 0))
        ended = found.stale
        floats.append((owner[ended], found.times[ended], np.full(int(ended.sum()), STALE)))
    owner, times, values = (np.concatenate(column) for column in zip(*floats, strict=True))
    return ChunkSamples(owner, times, values, joined_native(native))


def _floats(
    pieces: Sequence[bytes | memoryview], some: Ints, rows: Ints
) -> tuple[Ints, Ints, Floats]:
    try:
        chunks = ChunkBytes.of([pieces[number] for number in some.tolist()])
        times, values = decode_floats(chunks)
    except BrokenChunk as problem:
        raise BrokenChunk(int(some[problem.number]), str(problem)) from None
    return np.repeat(rows[some], chunks.counts), times, values
