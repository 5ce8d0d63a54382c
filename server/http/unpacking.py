"""Packed request bodies, unpacked slice by slice: never more than a slice beyond what was read."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from novaql.server.errors import BodyTooLarge, InvalidRequest

SLICE_BYTES = 1 << 20
_INPUT_BYTES = 64 << 10
_MOST_GZIP_MEMBERS = 16


def slices(body: bytes, encoding: str, *, limit: int) -> Iterator[bytes]:
    """A body without its content encoding, in slices of at most `SLICE_BYTES`.

    limit  bytes of the whole body when unpacked

    Raises `BodyTooLarge` as soon as there are more, and `InvalidRequest`.
    """
    size = 0
    for piece in _unpacker(encoding)(body):
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        yield piece


def whole(body: bytes, encoding: str, *, limit: int) -> bytes:
    """The same in one piece."""
    if encoding in ("", "identity"):
        return body
    return b"".join(slices(body, encoding, limit=limit))


def too_large(limit: int) -> BodyTooLarge:
    """The error for a body beyond the limit."""
    return BodyTooLarge(f"the body is larger than {limit} bytes when unpacked")


def _unpacker(encoding: str):  # type: ignore[no-untyped-def]
    if encoding in ("", "identity"):
        return _plain
    if encoding == "gzip":
        return _gzip
    if encoding == "zstd":
        return _zstd
    raise InvalidRequest(f"there is no content encoding {encoding!r}")


def _plain(body: bytes) -> Iterator[bytes]:
    for at in range(0, len(body), SLICE_BYTES):
        yield body[at : at + SLICE_BYTES]


def _gzip(body: bytes) -> Iterator[bytes]:
    """A gzip file may have several members."""
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
    """One frame or several. A frame whose window is larger than 128 MiB is refused."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only such bodies need it

    if not body:
        raise InvalidRequest("zstd: the body is empty")
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
            while piece := stream.read(SLICE_BYTES):
                yield piece
    except (pa.ArrowException, OSError) as problem:
        raise InvalidRequest(f"zstd: {problem}") from None
