"""A request's body as the readers of formats see it: in slices, or as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from novaql.server.http.unpacking import slices, whole


class Body:
    """A body as it was sent.

    encoding  its content encoding: "", `identity`, `gzip` or `zstd`
    limit     bytes when unpacked; beyond them reading raises `BodyTooLarge`
    """

    def __init__(self, sent: bytes, encoding: str = "", *, limit: int) -> None:
        self._sent = sent
        self._encoding = encoding
        self._limit = limit

    def slices(self) -> Iterator[bytes]:
        """Unpacked bytes, about a megabyte at a time; from the beginning at each call.

        Raises `BodyTooLarge`, and `InvalidRequest` for a body that cannot be unpacked.
        """
        return slices(self._sent, self._encoding, limit=self._limit)

    def whole(self) -> bytes:
        """All of it. Raises as `slices` does."""
        return whole(self._sent, self._encoding, limit=self._limit)
