"""Decoders of chunks and of samples in a write-ahead log: compiled, or in NumPy and Python."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.inputs.prometheus.chunk_bytes import BrokenChunk, ChunkBytes
from novaql.inputs.prometheus.histogram_decode import DecodedHistograms, decode_histograms
from novaql.inputs.prometheus.wal_samples import LoggedSamples, read_samples
from novaql.inputs.prometheus.xor_decode import decode_xor
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.compiled import Registry

CHUNKS = Registry("chunks", package=__package__, modules=(".compiled",), worth=10_000_000)
"""worth: samples that NumPy decodes in about the time that loading takes."""

_LOGGED_COST, _HISTOGRAM_COST = 5, 100  # in samples of XOR chunks, without numba


def decode_floats(chunks: ChunkBytes) -> tuple[Ints, Floats]:
    """Times and values [N] of XOR chunks, chunk after chunk. Raises `BrokenChunk`."""
    samples = int(chunks.counts.sum())
    compiled = CHUNKS.ready(samples)
    if compiled is None:
        return decode_xor(chunks)
    times, bits = np.empty(samples, np.int64), np.empty(samples, np.uint64)
    broken = compiled.decode_xor(chunks.data, chunks.first, chunks.end, chunks.counts, times, bits)
    if broken >= 0:
        size = chunks.counts[broken]
        raise BrokenChunk(int(broken), f"it ends before its {size} samples do")
    return times, bits.view(np.float64)


def decode_native(chunks: ChunkBytes, *, whole: bool) -> DecodedHistograms:
    """Histograms of chunks of integers (`whole`) or of floats. Raises `BrokenChunk`."""
    work = int(chunks.counts.sum()) * _HISTOGRAM_COST
    return decode_histograms(chunks, whole=whole, compiled=CHUNKS.ready(work))


def decode_logged(records: Sequence[bytes]) -> LoggedSamples:
    """Records of samples of a log. Raises `ValueError` for one that is cut off."""
    work = sum(len(record) for record in records) // 10 * _LOGGED_COST
    return read_samples(records, CHUNKS.ready(work))
