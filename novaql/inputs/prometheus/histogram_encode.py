"""Native histograms → histogram chunks, of integers if all numbers are whole, else of floats.

All histograms of a chunk share one layout: the buckets that any of them populates. A chunk ends
before another schema, zero threshold or set of bounds, between gauges and counters, and at a
counter reset, since readers do not detect resets inside of a chunk.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.inputs.prometheus.bit_writer import BitWriter, XorWriter
from novaql.inputs.prometheus.chunk_bytes import Encoding
from novaql.inputs.prometheus.xor_encode import SAMPLES_A_CHUNK
from novaql.tsdb.model.histograms import CUSTOM_SCHEMA, Buckets, Histograms, ResetHint
from novaql.tsdb.model.labels import Bools, Ints

_LARGEST_WHOLE = 2.0**53
_RESET, _GAUGE = 0x80, 0xC0
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HistogramChunk:
    """One chunk, of the samples first … end - 1."""

    encoding: Encoding
    data: bytes
    first: int
    end: int


def encode_histograms(times: Ints, histograms: Histograms, offsets: Ints) -> list[HistogramChunk]:
    """Chunks of all series, in order.

    times    [N];  offsets  [S + 1] of the series
    """
    begins = _begins(histograms, offsets)
    return [_chunk(times, histograms, first, end) for first, end in pairwise(begins.tolist())]


def whole_histograms(histograms: Histograms) -> Bools:
    """Whether each can be a histogram of integers: its numbers are whole and add up."""
    rows = len(histograms)
    ok: Bools = np.ones(rows, np.bool_)
    total = histograms.zero_count.copy()
    for numbers in (histograms.count, histograms.zero_count):
        ok &= _is_count(numbers)
    for side in (histograms.negative, histograms.positive):
        owner = side.rows()
        ok[owner[~_is_count(side.population)]] = False
        with np.errstate(invalid="ignore"):
            total += np.bincount(owner, side.population, minlength=rows)
    # Observations of NaN are counted, but in no bucket.
    fits: Bools = np.where(
        np.isnan(histograms.sum), total <= histograms.count, total == histograms.count
    )
    return ok & fits


def _is_count(numbers: Floats) -> Bools:
    with np.errstate(invalid="ignore"):  # a signalling NaN is no count
        whole = np.floor(numbers) == numbers
    found: Bools = (numbers >= 0) & (numbers <= _LARGEST_WHOLE) & whole
    return found & ~np.signbit(numbers)


def _begins(h: Histograms, offsets: Ints) -> Ints:
    """Where chunks begin, and the end of the last one."""
    rows = len(h)
    if rows == 0:
        return np.zeros(1, np.int64)
    cut = np.zeros(rows, np.bool_)
    cut[offsets[:-1][np.diff(offsets) > 0]] = True
    gauge = h.hint == ResetHint.GAUGE
    for column in (h.schema, h.zero_threshold, h.bounds, gauge, whole_histograms(h)):
        cut[1:] |= column[1:] != column[:-1]
    cut |= h.hint == ResetHint.RESET
    cut[1:] |= ~gauge[1:] & (h.count[1:] < h.count[:-1])
    cut[1:] |= ~gauge[1:] & (h.zero_count[1:] < h.zero_count[:-1])
    for side in (h.positive, h.negative):
        cut |= ~gauge & _falls(side)
    run = np.flatnonzero(cut)
    length = np.diff(np.append(run, rows))
    pieces = -(-length // SAMPLES_A_CHUNK)
    number = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    return np.append(np.repeat(run, pieces) + number * SAMPLES_A_CHUNK, rows).astype(np.int64)


def _falls(side: Buckets) -> Bools:
    """Whether a bucket of each row has less than in the row before."""
    rows = len(side.offsets) - 1
    out = np.zeros(rows, np.bool_)
    if len(side.index) == 0:
        return out
    low = int(side.index.min())
    width = int(side.index.max()) - low + 2
    owner = side.rows()
    key = owner * width + (side.index - low)
    following = key + width  # the same bucket of the next row
    place = np.minimum(np.searchsorted(key, following), len(key) - 1)
    there = np.where(key[place] == following, side.population[place], 0.0)
    fallen = (owner + 1 < rows) & (there < side.population)
    out[owner[fallen] + 1] = True
    return out


def _chunk(times: Ints, h: Histograms, first: int, end: int) -> HistogramChunk:
    rows = np.arange(first, end)
    some = h.take(rows)
    positive, above = _matrix(some.positive)
    negative, below = _matrix(some.negative)
    writer = BitWriter()
    writer.bits(end - first, 16)
    hint = int(some.hint[0])
    flags = {ResetHint.RESET: _RESET, ResetHint.GAUGE: _GAUGE}
    writer.bits(flags.get(ResetHint(hint), 0), 8)
    writer.zero_threshold(float(some.zero_threshold[0]))
    schema = int(some.schema[0])
    writer.varbit(schema, signed=True)
    for index in (above, below):
        _write_spans(writer, index)
    if schema == CUSTOM_SCHEMA:
        bounds = some.custom_bounds[int(some.bounds[0])]
        writer.varbit(len(bounds), signed=False)
        for bound in bounds:
            writer.custom_bound(bound)
    cells = np.concatenate([positive, negative], axis=1)
    if whole_histograms(some.take(np.zeros(1, np.int64)))[0]:
        differences = [
            np.diff(block.astype(np.int64), axis=1, prepend=0) for block in (positive, negative)
        ]
        _write_whole(writer, times[first:end], some, np.concatenate(differences, axis=1))
        encoding = Encoding.HISTOGRAM
    else:
        _write_floats(writer, times[first:end], some, cells)
        encoding = Encoding.FLOAT_HISTOGRAM
    return HistogramChunk(encoding, writer.done(), first, end)


def _matrix(side: Buckets) -> tuple[Floats, Ints]:
    """Populations [rows, buckets] of the buckets that any row has, and their indexes."""
    index, column = np.unique(side.index, return_inverse=True)
    out = np.zeros((len(side.offsets) - 1, len(index)))
    out[side.rows(), column.ravel()] = side.population
    return out, index.astype(np.int64)


def _write_spans(writer: BitWriter, index: Ints) -> None:
    if len(index) == 0:
        writer.varbit(0, signed=False)
        return
    found = spans(index)
    writer.varbit(len(found), signed=False)
    for gap, length in found:
        writer.varbit(length, signed=False)
        writer.varbit(gap, signed=True)


def spans(index: Ints) -> list[tuple[int, int]]:
    """Runs of consecutive buckets, at least one: the gap before each, and its length."""
    begins = np.flatnonzero(np.diff(index, prepend=index[0] - 2) != 1)
    lengths = np.diff(np.append(begins, len(index)))
    gaps = index[begins] - np.append(0, index[begins[:-1]] + lengths[:-1])
    return list(zip(gaps.tolist(), lengths.tolist(), strict=True))


def _write_whole(writer: BitWriter, times: Ints, h: Histograms, cells: Ints) -> None:
    numbers = np.concatenate(
        [times[:, None], h.count[:, None].astype(np.int64), h.zero_count[:, None].astype(np.int64),
         cells], axis=1,
    )  # fmt: skip
    by = np.diff(numbers, axis=0)
    written = np.concatenate([numbers[:1], by[:1], np.diff(by, axis=0)]).tolist()
    sums = XorWriter()
    for k, (row, bits) in enumerate(zip(written, _bits(h.sum), strict=True)):
        writer.varbit(row[0], signed=k != 1)
        writer.varbit(row[1], signed=k > 0)
        writer.varbit(row[2], signed=k > 0)
        sums.write(writer, bits)
        for number in row[3:]:
            writer.varbit(number, signed=True)


def _write_floats(writer: BitWriter, times: Ints, h: Histograms, cells: Floats) -> None:
    by = np.diff(times)
    written = np.concatenate([times[:1], by[:1], np.diff(by)]).tolist()
    numbers = np.concatenate(
        [h.count[:, None], h.zero_count[:, None], h.sum[:, None], cells], axis=1
    )
    columns = [XorWriter() for _ in range(numbers.shape[1])]
    bits = np.ascontiguousarray(numbers).view(np.uint64).tolist()
    for k, (time, row) in enumerate(zip(written, bits, strict=True)):
        writer.varbit(time, signed=k != 1)
        for column, value in zip(columns, row, strict=True):
            column.write(writer, value)


def _bits(values: Floats) -> list[int]:
    bits: list[int] = np.ascontiguousarray(values).view(np.uint64).tolist()
    return bits
