"""A file at an http or https address, read by ranges of bytes."""

from __future__ import annotations

import io
import os

from novaql.errors import InputError
from novaql.inputs.http.client import answer_to

MOST_BYTES = 1 << 30
"""Limit of a file of a server that only sends files as a whole."""

_TAIL_BYTES = 1 << 16
"""The end is read first: it has the footer of Parquet."""


class RangeFile(io.RawIOBase):
    """An open file, for one thread. Methods raise `InputError`.

    url      http or https
    headers  sent with each request, such as `Authorization`
    timeout  seconds for the connection, and for each read
    """

    def __init__(
        self, url: str, *, headers: dict[str, str] | None = None, timeout: float = 60.0
    ) -> None:
        self._url = url
        self._headers = headers or {}
        self._timeout = timeout
        self._at = 0
        self._tail_at, self._tail, self._size = self._first_answer()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        begin, self._at = self._at, max(self._at, end)
        if begin >= end:
            return b""
        if begin >= self._tail_at:
            return self._tail[begin - self._tail_at : end - self._tail_at]
        span = {"Range": f"bytes={begin}-{end - 1}"}
        with answer_to(
            self._url, timeout=self._timeout, headers={**self._headers, **span}
        ) as answer:
            size_now = _size_of(answer.headers.get("Content-Range", ""))
            body = answer.read(end - begin + 1)
        if size_now != self._size or len(body) != end - begin:
            raise InputError(f"{self._url}: the file changed while it was read")
        return body

    def _first_answer(self) -> tuple[int, bytes, int]:
        """The position of the first part in memory, the part, and the size of the file."""
        span = {"Range": f"bytes=-{_TAIL_BYTES}"}
        with answer_to(
            self._url, timeout=self._timeout, headers={**self._headers, **span}
        ) as answer:
            if answer.status != 206:
                whole = answer.read(MOST_BYTES + 1)
                if len(whole) > MOST_BYTES:
                    raise InputError(
                        f"{self._url}: the server sends the file only as a whole, and it has more "
                        f"than {MOST_BYTES} bytes"
                    )
                return 0, whole, len(whole)
            size = _size_of(answer.headers.get("Content-Range", ""))
            tail = answer.read(_TAIL_BYTES + 1)
        if size is None:
            raise InputError(f"{self._url}: the server does not report the size of the file")
        return size - len(tail), tail, size


def _size_of(content_range: str) -> int | None:
    """The size in `bytes 0-9/100`."""
    size = content_range.rpartition("/")[2]
    return int(size) if size.isdecimal() else None
