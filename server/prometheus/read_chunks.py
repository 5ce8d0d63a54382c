"""The streamed answer to a remote read: frames of series, with samples in chunks.

A frame consists of its size, a CRC-32C and a `ChunkedReadResponse`. Chunks of a series are in order
of time and do not overlap. A series that does not fit into a frame continues in the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import google_crc32c
import numpy as np

from novaql.inputs.prometheus import Encoding, chunk_starts, encode_histograms, encode_xor
from novaql.inputs.protobuf import bytes_field, number_field, varint
from novaql.server.prometheus.read_messages import label_fields
from novaql.server.query.answer_memory import Reserve, unlimited
from novaql.tsdb import HistogramBatch, Ints, Selection, SeriesView

FRAME_BYTES = 1 << 20
STREAMED_TYPE = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"


_OF_CHUNK = 192
"""Bytes of the objects that hold a chunk."""
_Chunk = tuple[int, bytes]
"""First time, and the encoded field."""


def frames(
    results: Sequence[Selection], *, labels_only: Sequence[bool], reserve: Reserve = unlimited
) -> Iterator[bytes]:
    """Frames of the answers to several queries, in order. The first frame of a query reads all of
    its samples.

    labels_only  for each query, whether to return series without samples
    reserve      called with the size of chunks, and of each frame
    """
    for number, (selection, bare) in enumerate(zip(results, labels_only, strict=True)):
        labels = label_fields(selection.series)
        if bare:
            chunks: list[list[_Chunk]] = [[] for _ in labels]
        else:
            chunks = series_chunks(selection, reserve)
        index = number_field(2, number) if number else b""
        waiting: list[bytes] = []
        space = FRAME_BYTES
        for row in selection.series.order().tolist():
            if not chunks[row] and not bare:
                continue
            pieces: list[bytes] = []
            for _, chunk in sorted(chunks[row]):
                pieces.append(chunk)
                space -= len(chunk)
                if space <= 0:
                    waiting.append(bytes_field(1, labels[row] + b"".join(pieces)))
                    yield _frame(b"".join(waiting) + index, reserve)
                    waiting, pieces, space = [], [], FRAME_BYTES
            if pieces or bare:
                waiting.append(bytes_field(1, labels[row] + b"".join(pieces)))
                space -= len(labels[row]) + 16
        if waiting:
            yield _frame(b"".join(waiting) + index, reserve)


def _frame(message: bytes, reserve: Reserve) -> bytes:
    reserve(len(message))
    crc = int(google_crc32c.value(message))
    return varint(len(message)) + crc.to_bytes(4, "big") + message


def series_chunks(selection: Selection, reserve: Reserve = unlimited) -> list[list[_Chunk]]:
    """The chunks of each series of the selection, by row, in any order."""
    out: list[list[_Chunk]] = [[] for _ in range(len(selection.series))]
    native = [reference.load() for reference in selection.histograms]
    histogram_times = {row: times for part in native for row, _, times in _times_of(part)}
    float_times: dict[int, Ints] = {}  # of series that have histograms, too
    for view in selection.views():
        flat = view.ragged()
        if histogram_times:
            float_times |= {r: times for r, _, times in _times_of(flat) if r in histogram_times}
        starts = chunk_starts(_cuts(flat, histogram_times))
        pieces = encode_xor(flat.timestamps, flat.values, starts)
        reserve(sum(map(len, pieces)) + len(pieces) * _OF_CHUNK)
        owner = flat.rows[np.searchsorted(flat.bounds, starts[:-1], "right") - 1].tolist()
        first, last = flat.timestamps[starts[:-1]], flat.timestamps[starts[1:] - 1]
        for row, low, high, data in zip(owner, first.tolist(), last.tolist(), pieces, strict=True):
            out[row].append(_chunk(low, high, Encoding.XOR, data))
    for part in native:
        for made in encode_histograms(part.timestamps, part.histograms, _cuts(part, float_times)):
            place = int(np.searchsorted(part.offsets, made.first, "right")) - 1
            reserve(len(made.data) + _OF_CHUNK)
            low, high = int(part.timestamps[made.first]), int(part.timestamps[made.end - 1])
            out[int(part.rows[place])].append(_chunk(low, high, made.encoding, made.data))
    return out


def _times_of(part: SeriesView | HistogramBatch) -> Iterator[tuple[int, int, Ints]]:
    """Row, place of the first sample, and times of each series."""
    assert part.offsets is not None
    for row, (first, end) in zip(part.rows.tolist(), pairwise(part.offsets.tolist()), strict=True):
        yield row, first, part.timestamps[first:end]


def _cuts(part: SeriesView | HistogramBatch, others: Mapping[int, Ints]) -> Ints:
    """Places at which a series ends, or a sample follows one of the other kind, at which a chunk
    ends, too.

    others  times of the samples of the other kind, by row
    """
    assert part.offsets is not None
    cuts: list[Ints] = [part.offsets]
    for row, first, times in _times_of(part) if others else ():
        if row in others:
            before = np.searchsorted(others[row], times)
            cuts.append(first + np.flatnonzero(np.diff(before, prepend=before[:1])))
    return np.unique(np.concatenate(cuts))


def _chunk(first_ms: int, last_ms: int, encoding: Encoding, data: bytes) -> _Chunk:
    times = number_field(1, first_ms) + number_field(2, last_ms)
    return first_ms, bytes_field(2, times + number_field(3, encoding) + bytes_field(4, data))
