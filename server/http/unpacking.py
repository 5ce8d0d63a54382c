"""Decompression of request bodies in slices, with at most one slice of output in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from novaql.lazy_exports import lazy_module
from novaql.server.errors import BodyTooLarge, InvalidRequest

if TYPE_CHECKING:
    import pyarrow as pa
else:  # heavy, and only such bodies need it
    pa = lazy_module("pyarrow")

SLICE_BYTES = 1 << 20
_INPUT_BYTES = 64 << 10
_MOST_GZIP_MEMBERS = 16


def slices(body: bytes, encoding: str, *, limit: int) -> Iterator[bytes]:
    """Decompress a body into slices of at most `SLICE_BYTES`.

    limit  bytes of the whole decompressed body

    Raises `BodyTooLarge` as soon as the output exceeds the limit, and `InvalidRequest`.
    """
    unpack = _UNPACKERS.get(encoding)
    if unpack is None:
        raise InvalidRequest(f"there is no content encoding {encoding!r}")
    size = 0
    for piece in unpack(body):
        size += len(piece)
        if size > limit:
            raise BodyTooLarge(f"the body is larger than {limit} bytes when unpacked")
        yield piece


def whole(body: bytes, encoding: str, *, limit: int) -> bytes:
    """Like `slices`, but return the whole body."""
    if encoding in ("", "identity"):
        return body
    return b"".join(slices(body, encoding, limit=limit))


def _plain(body: bytes) -> Iterator[bytes]:
    for at in range(0, len(body), SLICE_BYTES):
        yield body[at : at + SLICE_BYTES]


def _gzip(body: bytes) -> Iterator[bytes]:
    """Decompress gzip, which may have several members."""
    members, at, end = 0, 0, len(body)
    while at < end or not members:
        members += 1
        if members > _MOST_GZIP_MEMBERS:
            raise InvalidRequest(f"gzip: the body has more than {_MOST_GZIP_MEMBERS} members")
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        waiting = b""
        while not unpacker.eof:
            if not waiting:
                waiting = body[at : at + _INPUT_BYTES]
                at += len(waiting)
            try:
                piece = unpacker.decompress(waiting, SLICE_BYTES)
            except zlib.error as problem:
                raise InvalidRequest(f"gzip: {problem}") from None
            waiting = unpacker.unconsumed_tail
            if piece:
                yield piece
            elif not waiting and at >= end and not unpacker.eof:
                raise InvalidRequest("gzip: the body is cut off")
        at -= len(unpacker.unused_data)


def _zstd(body: bytes) -> Iterator[bytes]:
    """Decompress one or several frames. Rejects a frame with a window above 128 MiB."""
    if not body:
        raise InvalidRequest("zstd: the body is empty")
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
            while piece := stream.read(SLICE_BYTES):
                yield piece
    except (pa.ArrowException, OSError) as problem:
        raise InvalidRequest(f"zstd: {problem}") from None


_UNPACKERS = {"": _plain, "identity": _plain, "gzip": _gzip, "zstd": _zstd}
