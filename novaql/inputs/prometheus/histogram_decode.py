"""Histogram chunks, of integers and of floats → native histograms.

All histograms of a chunk have the buckets of its header; empty ones are dropped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.inputs.prometheus.bit_reader import BitReader, EndOfChunk, XorReader
from novaql.inputs.prometheus.chunk_bytes import BrokenChunk, ChunkBytes
from novaql.tsdb.model.histograms import (
    CUSTOM_SCHEMA,
    MAX_SCHEMA,
    MIN_SCHEMA,
    Buckets,
    Histograms,
    ResetHint,
)
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import STALE_BITS
from novaql.tsdb.runtime.compiled import Functions

_HINTS = {0: ResetHint.UNKNOWN, 1: ResetHint.UNKNOWN, 2: ResetHint.RESET, 3: ResetHint.GAUGE}
"""The reset hint of the first histogram, by the highest two bits of a chunk's flags."""

_MOST_SPANS = 1 << 16
Bits = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class _Layout:
    """The header of a chunk.

    positive, negative  indexes of the buckets of every sample
    bit                 where the first sample begins
    """

    schema: int
    zero_threshold: float
    hint: ResetHint
    positive: tuple[int, ...]
    negative: tuple[int, ...]
    bounds: tuple[float, ...]
    bit: int

    @property
    def width(self) -> int:
        return len(self.positive) + len(self.negative)


@dataclass(frozen=True, slots=True, eq=False)
class DecodedHistograms:
    """N samples, chunk after chunk. stale: [N] where there is a staleness marker instead."""

    times: Ints
    histograms: Histograms
    stale: Bools


def decode_histograms(
    chunks: ChunkBytes, *, whole: bool, compiled: Functions | None = None
) -> DecodedHistograms:
    """Chunks that are all of integers (`whole`) or all of floats.

    compiled  the compiled decoders; None: decode in Python

    Raises `BrokenChunk`.
    """
    layouts = [_layout(chunks, number) for number in range(len(chunks))]
    widths = np.array([layout.width for layout in layouts], np.int64)
    samples, cells = int(chunks.counts.sum()), int((chunks.counts * widths).sum())
    times, sums = np.zeros(samples, np.int64), np.zeros(samples, np.uint64)
    kind = np.int64 if whole else np.uint64
    count, zero = np.zeros(samples, kind), np.zeros(samples, kind)
    buckets: NDArray[Any] = np.zeros(cells, kind)
    out = (times, count, zero, sums, buckets)
    if compiled is None:
        _decode_plainly(chunks, layouts, whole, *out)
    else:
        decode = compiled.decode_whole_histograms if whole else compiled.decode_float_histograms
        first = np.array([layout.bit for layout in layouts], np.int64)
        stale_bits = np.array([STALE_BITS], np.int64)
        broken = decode(chunks.data, first, chunks.end, chunks.counts, widths, stale_bits, *out)
        if broken >= 0:
            raise _ends_early(chunks, int(broken))
    scalars = [
        part.astype(np.float64) if whole else part.view(np.float64) for part in (count, zero)
    ]
    population = (
        _populations(layouts, chunks.counts, buckets) if whole else buckets.view(np.float64)
    )
    histograms = _histograms(layouts, chunks.counts, widths, scalars, sums, population)
    return DecodedHistograms(times, histograms, sums == np.uint64(STALE_BITS))


def _layout(chunks: ChunkBytes, number: int) -> _Layout:
    reader = BitReader(
        chunks.data.data.cast("B"), int(chunks.first[number]) + 2, int(chunks.end[number])
    )
    try:
        hint = _HINTS[reader.bits(8) >> 6]
        zero_threshold = reader.zero_threshold()
        schema = reader.varbit(signed=True)
        positive, negative = _indices(reader), _indices(reader)
        bounds: tuple[float, ...] = ()
        if schema == CUSTOM_SCHEMA:
            size = reader.varbit(signed=False)
            if size > _MOST_SPANS:
                raise BrokenChunk(number, f"it has {size} custom bounds")
            bounds = tuple(reader.custom_bound() for _ in range(size))
    except EndOfChunk:
        if chunks.counts[number] == 0:
            return _Layout(0, 0.0, ResetHint.UNKNOWN, (), (), (), reader.pos)
        raise BrokenChunk(number, "it ends inside its header") from None
    if schema != CUSTOM_SCHEMA and not MIN_SCHEMA <= schema <= MAX_SCHEMA:
        raise BrokenChunk(number, f"there is no schema {schema}")
    return _Layout(schema, zero_threshold, hint, positive, negative, bounds, reader.pos)


def _indices(reader: BitReader) -> tuple[int, ...]:
    found: list[int] = []
    at = 0
    for _ in range(min(reader.varbit(signed=False), _MOST_SPANS)):
        length = reader.varbit(signed=False)
        at += reader.varbit(signed=True)
        if length > _MOST_SPANS or len(found) > _MOST_SPANS:
            raise EndOfChunk  # more buckets than a chunk can have
        found.extend(range(at, at + length))
        at += length
    return tuple(found)


def _ends_early(chunks: ChunkBytes, number: int) -> BrokenChunk:
    return BrokenChunk(number, f"it ends before its {chunks.counts[number]} samples do")


def _decode_plainly(
    chunks: ChunkBytes, layouts: list[_Layout], whole: bool, times: Ints, *columns: NDArray[Any]
) -> None:
    decode = _whole_samples if whole else _float_samples
    data = chunks.data.tobytes()
    at = cell = 0
    for number, layout in enumerate(layouts):
        size = int(chunks.counts[number])
        reader = BitReader(data, 0, int(chunks.end[number]))
        reader.pos = layout.bit
        try:
            rows = decode(reader, size, layout.width)
        except EndOfChunk:
            raise _ends_early(chunks, number) from None
        for k, (time, *scalars, buckets) in enumerate(rows):
            times[at + k] = time
            for column, value in zip(columns[:3], scalars, strict=True):
                column[at + k] = value
            columns[3][cell + k * layout.width :][: len(buckets)] = buckets
        at += size
        cell += size * layout.width


def _whole_samples(reader: BitReader, size: int, width: int) -> list[tuple[Any, ...]]:
    """(time, count, zero count, bits of the sum, buckets) of each sample."""
    rows: list[tuple[Any, ...]] = []
    scalars, scalars_by = [0, 0, 0], [0, 0, 0]
    buckets, buckets_by = [0] * width, [0] * width
    sums = XorReader(0)
    for k in range(size):
        for which in range(3):
            number = reader.varbit(
                signed=k > 1 or (k == 0 and which == 0) or (k == 1 and which > 0)
            )
            if k == 0:
                scalars[which] = number
            else:
                scalars_by[which] = scalars_by[which] + number if k > 1 else number
                scalars[which] += scalars_by[which]
        total = sums.next(reader) if k else reader.bits(64)
        sums.value = total
        if total == STALE_BITS:
            rows.append((*scalars, total, []))
            continue
        for b in range(width):
            number = reader.varbit(signed=True)
            if k == 0:
                buckets[b] = number
            else:
                buckets_by[b] = buckets_by[b] + number if k > 1 else number
                buckets[b] += buckets_by[b]
        rows.append((*scalars, total, list(buckets)))
    return rows


def _float_samples(reader: BitReader, size: int, width: int) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    time = time_by = 0
    columns: list[XorReader] = []
    for k in range(size):
        number = reader.varbit(signed=k != 1)
        if k == 0:
            time = number
            columns = [XorReader(reader.bits(64)) for _ in range(3)]
        else:
            time_by = time_by + number if k > 1 else number
            time += time_by
            for column in columns[:3]:
                column.next(reader)
        count, zero, total = (column.value for column in columns[:3])
        if total == STALE_BITS:
            rows.append((time, count, zero, total, []))
            continue
        if k == 0:
            columns += [XorReader(reader.bits(64)) for _ in range(width)]
        else:
            for column in columns[3:]:
                column.next(reader)
        rows.append((time, count, zero, total, [column.value for column in columns[3:]]))
    return rows


def _populations(layouts: list[_Layout], counts: Ints, buckets: Ints) -> NDArray[np.float64]:
    """Populations from differences between neighbouring buckets of a side."""
    out = np.empty(len(buckets))
    at = 0
    for layout, size in zip(layouts, counts.tolist(), strict=True):
        above = len(layout.positive)
        cells = slice(at, at + size * layout.width)
        block, target = (part[cells].reshape(size, layout.width) for part in (buckets, out))
        target[:, :above] = np.cumsum(block[:, :above], axis=1)
        target[:, above:] = np.cumsum(block[:, above:], axis=1)
        at += size * layout.width
    return out


def _histograms(
    layouts: list[_Layout],
    counts: Ints,
    widths: Ints,
    scalars: list[NDArray[np.float64]],
    sums: Bits,
    population: NDArray[np.float64],
) -> Histograms:
    samples = len(sums)
    chunk_of = np.repeat(np.arange(len(layouts)), counts)
    first = np.cumsum(counts) - counts

    def each(values: list[int], kind: type[np.signedinteger[Any]]) -> NDArray[Any]:
        return np.array(values, kind)[chunk_of]

    hint = each([int(layout.hint) for layout in layouts], np.int8)
    is_later = np.ones(samples, np.bool_)
    is_later[first[counts > 0]] = False
    hint[is_later & (hint != ResetHint.GAUGE)] = ResetHint.NOT_RESET
    sets: dict[tuple[float, ...], int] = {}
    bounds = [
        sets.setdefault(lay.bounds, len(sets)) if lay.schema == CUSTOM_SCHEMA else -1
        for lay in layouts
    ]
    row = np.repeat(np.arange(samples), widths[chunk_of])
    above, index = _cells(layouts, counts)
    return Histograms(
        each([layout.schema for layout in layouts], np.int8),
        hint,
        scalars[0],
        sums.view(np.float64),
        scalars[1],
        np.array([layout.zero_threshold for layout in layouts])[chunk_of],
        _side(above, row, index, population, samples),
        _side(~above, row, index, population, samples),
        each(bounds, np.int32),
        tuple(sets),
    )


def _cells(layouts: list[_Layout], counts: Ints) -> tuple[Bools, Ints]:
    """For each bucket of each sample: whether it is a positive one, and its index."""
    above: list[Bools] = [np.zeros(0, np.bool_)]
    index: list[Ints] = [np.zeros(0, np.int64)]
    for layout, size in zip(layouts, counts.tolist(), strict=True):
        index.append(np.tile(np.array(layout.positive + layout.negative, np.int64), size))
        above.append(np.tile(np.arange(layout.width) < len(layout.positive), size))
    return np.concatenate(above), np.concatenate(index)


def _side(
    some: Bools, row: Ints, index: Ints, population: NDArray[np.float64], rows: int
) -> Buckets:
    """Buckets of one side. Cells are in order of rows, then of indexes."""
    some = some & (population != 0)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row[some], minlength=rows))])
    return Buckets(offsets.astype(np.int64), index[some].astype(np.int32), population[some])
