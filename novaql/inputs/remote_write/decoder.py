"""Prometheus remote write 1.0: a snappy block with one `WriteRequest` → a batch of samples.

Compiled functions read messages of the usual shape. The plain decoder reads all others and reports
malformed ones. It reads every message until those functions are ready, and without numba.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import cramjam
import numpy as np

from novaql.errors import InputError, LimitExceeded
from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.compiled.text_table import Octets
from novaql.inputs.known_series import MOST_SERIES
from novaql.inputs.label_limits import USUAL_LIMITS, LabelLimits
from novaql.inputs.remote_write.compiled_decoder import Beginning, CompiledDecoder
from novaql.inputs.remote_write.plain_decoder import PlainDecoder
from novaql.inputs.remote_write.write_request import WriteRequest

MOST_BYTES = 64 << 20
_MOST_SCRATCH_BYTES = 8 << 20
T = TypeVar("T")


class RemoteWriteDecoder:
    """Decodes messages, and caches the series in them. Thread-safe.

    most_bytes   limit of a decompressed message
    most_series  number of cached series above which the cache is cleared
    limits       limits of one message

    Messages whose series are all cached share one `SeriesTable` object.
    """

    def __init__(
        self,
        *,
        most_bytes: int = MOST_BYTES,
        most_series: int = MOST_SERIES,
        limits: LabelLimits = USUAL_LIMITS,
    ) -> None:
        self._most_bytes = most_bytes
        self._most_series = most_series
        self._limits = limits
        self._lock = threading.Lock()
        self._plain = PlainDecoder(most_series=most_series, limits=limits)
        self._compiled: CompiledDecoder | None = None
        self._scratch = threading.local()

    def decode(self, body: bytes) -> WriteRequest:
        """Decode a compressed message; a bad one is rejected as a whole.

        Raises `InputError` with the malformed part and its position, and `LimitExceeded` for a
        message that would be too large.
        """
        return self._decode(self._unpacked(body))

    def decode_message(self, data: bytes) -> WriteRequest:
        """Decode a message that is not compressed. Raises `InputError`."""
        return self._decode(np.frombuffer(data, np.uint8))

    def decode_beginning(self, data: memoryview, most: int) -> Beginning | None:
        """Decode the beginning of a message, about `most` bytes, by compiled code, which takes
        little memory beside it.

        None if compiled code is not ready, or cannot read the message, or for an invalid one: its
        series have to be read one by one to find the error.
        """
        octets: Octets = np.frombuffer(data, np.uint8)
        return self._quickly(
            min(len(data), most), lambda compiled: compiled.decode_beginning(octets, most)
        )

    def decode_2_quickly(self, data: memoryview) -> WriteRequest | None:
        """Decode a message of remote write 2.0 by compiled code, or None as `decode_beginning`."""
        octets: Octets = np.frombuffer(data, np.uint8)
        return self._quickly(len(data), lambda compiled: compiled.decode_2(octets))

    def _quickly(self, size: int, decode: Callable[[CompiledDecoder], T | None]) -> T | None:
        with self._lock:
            compiled = self._compiled_decoder(size)
            if compiled is None:
                return None
            try:
                return decode(compiled)
            except InputError:
                return None

    def forget(self) -> None:
        """Clear the cached series."""
        with self._lock:
            self._compiled = None
            self._plain = PlainDecoder(most_series=self._most_series, limits=self._limits)

    def _compiled_decoder(self, size: int) -> CompiledDecoder | None:
        kernels = WALKS.ready(size)
        if kernels is not None and self._compiled is None:
            self._compiled = CompiledDecoder(
                kernels, most_series=self._most_series, limits=self._limits
            )
            # It reads few messages from now on, and needs none of the series of the others.
            self._plain = PlainDecoder(most_series=self._most_series, limits=self._limits)
        return self._compiled

    def _decode(self, data: Octets) -> WriteRequest:
        with self._lock:
            compiled = self._compiled_decoder(len(data))
            if compiled is not None:
                found = compiled.decode(data)
                if found is not None:
                    return found
            return self._plain.decode(data.tobytes())

    def _unpacked(self, body: bytes) -> Octets:
        """The decompressed message, in memory that the thread reuses for its next one."""
        try:
            size = cramjam.snappy.decompress_raw_len(body)
        except Exception as problem:
            raise InputError(f"the body is no snappy block: {problem}") from problem
        if size > self._most_bytes:
            raise LimitExceeded(
                f"the message has {size} bytes unpacked, the limit is {self._most_bytes}"
            )
        memory: Octets | None = getattr(self._scratch, "memory", None)
        if memory is None or len(memory) < size:
            memory = np.empty(max(size, 1 << 16), np.uint8)
            if size <= _MOST_SCRATCH_BYTES:
                self._scratch.memory = memory
        try:
            made = cramjam.snappy.decompress_raw_into(body, memory.data)
        except Exception as problem:
            raise InputError(f"the body is no snappy block: {problem}") from problem
        return memory[:made]
