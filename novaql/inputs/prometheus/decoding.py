"""Which of a pair of decoders answers: NumPy and Python, or their twins compiled by numba.

Compiled ones answer once the process has decoded as much as loading them is worth.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import numpy as np

from novaql.inputs.prometheus.chunk_bytes import BrokenChunk, ChunkBytes
from novaql.inputs.prometheus.histogram_decode import DecodedHistograms, decode_histograms
from novaql.inputs.prometheus.wal_samples import LoggedSamples, read_samples
from novaql.inputs.prometheus.xor_decode import decode_xor
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats

WORTH_LOADING = 10_000_000
"""Samples that NumPy decodes in about the time that loading compiled decoders takes."""

_LOGGED_COST, _HISTOGRAM_COST = 5, 100  # as many plain samples, about, in Python


class _State:
    def __init__(self) -> None:
        self.work = 0
        self.loaded: ModuleType | None = None
        self.lock = threading.Lock()


_state = _State()


def decode_floats(chunks: ChunkBytes) -> tuple[Ints, Floats]:
    """Times and values [N] of XOR chunks, chunk after chunk. Raises `BrokenChunk`."""
    samples = int(chunks.counts.sum())
    compiled = _compiled(samples)
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
    return decode_histograms(chunks, whole=whole, compiled=_compiled(work))


def decode_logged(records: Sequence[bytes]) -> LoggedSamples:
    """Records of samples of a log. Raises `ValueError` for one that is cut off."""
    work = sum(len(record) for record in records) // 10 * _LOGGED_COST
    return read_samples(records, _compiled(work))


def _compiled(work: int) -> ModuleType | None:
    mode = os.environ.get("NOVAQL_COMPILED", "auto")
    if mode == "off":
        return None
    loaded = _state.loaded
    if loaded is not None:
        return loaded
    _state.work += work
    if mode != "on" and _state.work < WORTH_LOADING:
        return None
    with _state.lock:
        return _load()


@cache
def _load() -> ModuleType | None:
    if find_spec("numba") is None:
        return None
    _state.loaded = import_module("novaql.inputs.prometheus.compiled")
    return _state.loaded
