"""Prometheus remote write 1.0: a snappy block with one `WriteRequest` → a batch of samples.

Compiled functions (`wire`) read messages of the usual shape. The plain decoder reads all others,
reports what is malformed, and reads everything until those functions are ready and without numba.
"""

from __future__ import annotations

import threading

import cramjam
import numpy as np

from novaql.errors import InputError, LimitExceeded
from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.compiled.text_table import Octets
from novaql.inputs.label_limits import USUAL_LIMITS, LabelLimits
from novaql.inputs.remote_write.compiled_decoder import CompiledDecoder
from novaql.inputs.remote_write.plain_decoder import PlainDecoder
from novaql.inputs.remote_write.write_request import WriteRequest
from novaql.inputs.text.known_series import MOST_SERIES

MOST_BYTES = 64 << 20
_MOST_BYTES_KEPT = 8 << 20


class RemoteWriteDecoder:
    """Decodes messages, on any thread, and remembers the series it has met.

    most_bytes   limit for a message when unpacked
    most_series  how many series are remembered before memory is given back
    limits       of what one message may hold

    Messages whose series are all known share one `SeriesTable` object.
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
        """Read a packed message.

        Raises `InputError` that says what is malformed and where, and `LimitExceeded` for a
        message that would be too large; a bad message is refused as a whole.
        """
        return self._decode(self._unpacked(body))

    def decode_message(self, data: bytes) -> WriteRequest:
        """Read a message that is not packed. Raises `InputError`."""
        return self._decode(np.frombuffer(data, np.uint8))

    def decode_quickly(self, data: bytes) -> WriteRequest | None:
        """The same by compiled code alone; None if that is not ready, or cannot read it.

        Also None for a message with a fault: reading it series by series finds the place.

        It takes little memory beside the message, whatever the message is.
        """
        with self._lock:
            compiled = self._compiled_decoder(len(data))
            if compiled is None:
                return None
            try:
                return compiled.decode(np.frombuffer(data, np.uint8))
            except InputError:
                return None

    def decode_2_quickly(self, data: bytes) -> WriteRequest | None:
        """`decode_quickly` for a message of remote write 2.0."""
        with self._lock:
            compiled = self._compiled_decoder(len(data))
            if compiled is None:
                return None
            try:
                return compiled.decode_2(np.frombuffer(data, np.uint8))
            except InputError:
                return None

    def forget(self) -> None:
        """Forget the series."""
        with self._lock:
            self._compiled = None
            self._plain = PlainDecoder(most_series=self._most_series, limits=self._limits)

    def _compiled_decoder(self, size: int) -> CompiledDecoder | None:
        kernels = WALKS.ready(size)
        if kernels is not None and self._compiled is None:
            self._compiled = CompiledDecoder(
                kernels, most_series=self._most_series, limits=self._limits
            )
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
        """The message, in memory that the thread uses again for its next one."""
        try:
            size = cramjam.snappy.decompress_raw_len(body)
        except Exception as problem:
            raise InputError(f"the body is no snappy block: {problem}") from problem
        if size > self._most_bytes:
            raise LimitExceeded(
                f"the message has {size} bytes unpacked, the limit is {self._most_bytes}"
            )
        room: Octets | None = getattr(self._scratch, "room", None)
        if room is None or len(room) < size:
            room = np.empty(max(size, 1 << 16), np.uint8)
            if size <= _MOST_BYTES_KEPT:
                self._scratch.room = room
        try:
            made = cramjam.snappy.decompress_raw_into(body, room.data)
        except Exception as problem:
            raise InputError(f"the body is no snappy block: {problem}") from problem
        return room[:made]
