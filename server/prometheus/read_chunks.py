"""The streamed answer to a remote read: frames of series, with samples in chunks.

A frame consists of its size, a CRC-32C and a `ChunkedReadResponse`. Chunks of a series are in order
of time and do not overlap. A series that does not fit into a frame continues in the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import google_crc32c
import numpy as np

from novaql.inputs.prometheus import Encoding, chunk_starts, encode_histograms, encode_xor
from novaql.inputs.protobuf import varint
from novaql.server.prometheus.read_messages import label_fields
from novaql.tsdb import Bools, HistogramTile, Ints, Selection, Tile

FRAME_BYTES = 1 << 20
STREAMED_TYPE = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
_EVERY = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class _Chunk:
    first_ms: int
    field: bytes


def frames(results: Sequence[Selection], *, labels_only: Sequence[bool]) -> Iterator[bytes]:
    """Frames of the answers to several queries, in order. The first frame of a query reads all of
    its tiles.

    labels_only  for each query, whether to return series without samples
    """
    for number, (selection, bare) in enumerate(zip(results, labels_only, strict=True)):
        labels = label_fields(selection.series)
        if bare:
            chunks: list[list[_Chunk]] = [[] for _ in labels]
        else:
            chunks = series_chunks(selection)
        index = b"\x10" + varint(number) if number else b""
        waiting: list[bytes] = []
        space = FRAME_BYTES
        for row in selection.series.order().tolist():
            if not chunks[row] and not bare:
                continue
            pieces: list[bytes] = []
            for chunk in sorted(chunks[row], key=lambda c: c.first_ms):
                pieces.append(chunk.field)
                space -= len(chunk.field)
                if space <= 0:
                    waiting.append(_series(labels[row], pieces))
                    yield _frame(b"".join(waiting) + index)
                    waiting, pieces, space = [], [], FRAME_BYTES
            if pieces or bare:
                waiting.append(_series(labels[row], pieces))
                space -= len(labels[row]) + 16
        if waiting:
            yield _frame(b"".join(waiting) + index)


def _frame(message: bytes) -> bytes:
    crc = int(google_crc32c.value(message))
    return varint(len(message)) + crc.to_bytes(4, "big") + message


def _series(labels: bytes, chunks: list[bytes]) -> bytes:
    body = labels + b"".join(chunks)
    return b"\x0a" + varint(len(body)) + body


def series_chunks(selection: Selection) -> list[list[_Chunk]]:
    """The chunks of each series of the selection, by row, in any order."""
    out: list[list[_Chunk]] = [[] for _ in range(len(selection.series))]
    native = [reference.load() for reference in selection.histograms]
    times_of = _times_of(native, [row for part in native for row in part.rows.tolist()])
    mixed: dict[int, Ints] = {}
    for reference in selection.tiles:
        tile = reference.load().ragged()
        _float_chunks(tile, times_of, mixed, out)
    for part in native:
        _histogram_chunks(part, mixed, out)
    return out


def _times_of(native: Sequence[HistogramTile], rows: Sequence[int]) -> dict[int, Ints]:
    parts = [
        part.timestamps[first:last]
        for part in native
        for first, last in zip(part.offsets[:-1].tolist(), part.offsets[1:].tolist(), strict=True)
    ]
    return dict(zip(rows, parts, strict=True))


def _float_chunks(
    tile: Tile, histogram_times: dict[int, Ints], mixed: dict[int, Ints], out: list[list[_Chunk]]
) -> None:
    assert tile.offsets is not None
    cuts: list[Ints] = [tile.offsets]
    for place, row in enumerate(tile.rows.tolist()):
        if row in histogram_times:  # a chunk ends before a histogram
            span = slice(int(tile.offsets[place]), int(tile.offsets[place + 1]))
            mixed[row] = tile.timestamps[span]
            cuts.append(span.start + _switches(mixed[row], histogram_times[row]))
    offsets = np.unique(np.concatenate(cuts))
    starts = chunk_starts(offsets)
    pieces = encode_xor(tile.timestamps, tile.values, starts)
    owner = tile.rows[np.searchsorted(tile.offsets, starts[:-1], "right") - 1].tolist()
    first, last = tile.timestamps[starts[:-1]], tile.timestamps[starts[1:] - 1]
    for row, low, high, data in zip(owner, first.tolist(), last.tolist(), pieces, strict=True):
        out[row].append(_chunk(low, high, Encoding.XOR, data))


def _histogram_chunks(
    part: HistogramTile, float_times: dict[int, Ints], out: list[list[_Chunk]]
) -> None:
    cuts: list[Ints] = [part.offsets]
    for place, row in enumerate(part.rows.tolist()):
        if row in float_times:
            span = slice(int(part.offsets[place]), int(part.offsets[place + 1]))
            cuts.append(span.start + _switches(part.timestamps[span], float_times[row]))
    offsets = np.unique(np.concatenate(cuts))
    for made in encode_histograms(part.timestamps, part.histograms, offsets):
        place = int(np.searchsorted(part.offsets, made.first, "right")) - 1
        low, high = int(part.timestamps[made.first]), int(part.timestamps[made.end - 1])
        out[int(part.rows[place])].append(_chunk(low, high, made.encoding, made.data))


def _switches(times: Ints, others: Ints) -> Ints:
    """Indexes of samples that follow a sample of the other kind."""
    before = np.searchsorted(others, times)
    changed: Bools = np.diff(before, prepend=before[:1]) != 0
    return np.flatnonzero(changed)


def _chunk(first_ms: int, last_ms: int, encoding: Encoding, data: bytes) -> _Chunk:
    body = b"".join(
        (
            b"\x08" + varint(first_ms & _EVERY),
            b"\x10" + varint(last_ms & _EVERY),
            b"\x18" + varint(int(encoding)),
            b"\x22" + varint(len(data)) + data,
        )
    )
    return _Chunk(first_ms, b"\x12" + varint(len(body)) + body)
