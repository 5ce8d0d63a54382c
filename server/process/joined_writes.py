"""A transport that sends the head of an answer together with the first piece of its body.

uvicorn writes them one after the other, and each write of a small answer is a system call that
takes longer than the rest of both: the first one wakes the client, which then waits for the second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

Piece = bytes | bytearray | memoryview


class JoinedWrites(asyncio.Transport):
    """Holds the next write after `expect_head` until the write that follows, or until the event
    loop has run everything that is ready; all other calls are those of the transport inside."""

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._inner = inner
        self._loop = loop
        self._expected = False
        self._held: Piece | None = None

    def expect_head(self) -> None:
        """Hold the next write, the head of an answer."""
        self._expected = True

    def write(self, data: Piece) -> None:
        held = self._held
        if held is not None:
            self._held = None
            self._inner.writelines((held, data) if data else (held,))
        elif self._expected:
            self._expected = False
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            self._inner.write(data)

    def writelines(self, list_of_data: Iterable[Piece]) -> None:
        self._flush()
        self._inner.writelines(list_of_data)

    def _flush(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._inner.write(held)

    def close(self) -> None:
        self._flush()
        self._inner.close()

    def abort(self) -> None:
        self._held = None
        self._inner.abort()

    def write_eof(self) -> None:
        self._flush()
        self._inner.write_eof()

    def can_write_eof(self) -> bool:
        return self._inner.can_write_eof()

    def is_closing(self) -> bool:
        return self._inner.is_closing()

    def pause_reading(self) -> None:
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        self._inner.resume_reading()

    def get_write_buffer_size(self) -> int:
        held = 0 if self._held is None else len(self._held)
        return self._inner.get_write_buffer_size() + held

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._inner.get_extra_info(name, default)
