"""A request body for the readers of formats, which decompress it in slices or as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from novaql.server.http.unpacking import slices, whole


class Body:
    """A received body.

    encoding  content encoding: "", `identity`, `gzip` or `zstd`
    limit     largest decompressed size in bytes; above it, reading raises `BodyTooLarge`
    """

    def __init__(self, sent: bytes, encoding: str = "", *, limit: int) -> None:
        self._sent = sent
        self._encoding = encoding
        self._limit = limit

    def slices(self) -> Iterator[bytes]:
        """Decompressed slices of about a megabyte. Each call starts at the beginning of the body.

        Raises `BodyTooLarge`, and `InvalidRequest` for a body that cannot be decompressed.
        """
        return slices(self._sent, self._encoding, limit=self._limit)

    def whole(self) -> bytes:
        """The whole decompressed body. Raises the errors of `slices`."""
        return whole(self._sent, self._encoding, limit=self._limit)
