"""Request bodies up to a limit."""

from __future__ import annotations

import zlib

import cramjam
import numpy as np
from starlette.requests import Request

from server.platform.errors import BodyTooLarge, InvalidRequest, UnsupportedMedia

_MOST_GZIP_MEMBERS = 16


async def read_body(request: Request, *, limit: int, encodings: tuple[str, ...] = ()) -> bytes:
    """The body as sent; never more than `limit` bytes are held.

    encodings  content encodings that the caller undoes itself; any other is refused
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity" and encoding not in encodings:
        raise UnsupportedMedia(f"content encoding {encoding!r} is not taken here")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def unpack_snappy(body: bytes, *, limit: int) -> bytes:
    """A snappy block unpacked; raises `BodyTooLarge` before more than `limit` bytes are made."""
    try:
        if cramjam.snappy.decompress_raw_len(body) > limit:
            raise BodyTooLarge(f"the body is larger than {limit} bytes when unpacked")
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as problem:
        raise InvalidRequest(f"snappy: corrupt input: {problem}") from None


def unpack_gzip(body: bytes, *, limit: int) -> bytes:
    """A gzip file unpacked; raises `BodyTooLarge` before more than `limit` bytes are made."""
    parts: list[bytes] = []
    size, rest = 0, body
    while rest or not parts:  # a file may have several members
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            data = unpacker.decompress(rest, limit - size + 1)
        except zlib.error as problem:
            raise InvalidRequest(f"gzip: {problem}") from None
        size += len(data)
        if size > limit:
            raise BodyTooLarge(f"the body is larger than {limit} bytes when unpacked")
        if not unpacker.eof:
            raise InvalidRequest("gzip: the body is cut off")
        parts.append(data)
        rest = unpacker.unused_data
        if len(parts) >= _MOST_GZIP_MEMBERS:
            raise InvalidRequest(f"gzip: the body has more than {_MOST_GZIP_MEMBERS} members")
    return b"".join(parts)


def unpack_zstd(body: bytes, *, limit: int) -> bytes:
    """A zstandard frame unpacked; raises `BodyTooLarge` if it has more than `limit` bytes."""
    room = np.empty(limit + 1, np.uint8)  # memory is taken as it is written to
    try:
        size = cramjam.zstd.decompress_into(body, room.data)
    except cramjam.DecompressionError as problem:
        if "too small" in str(problem) or "whole buffer" in str(problem):
            raise BodyTooLarge(f"the body is larger than {limit} bytes when unpacked") from None
        raise InvalidRequest(f"zstd: {problem}") from None
    if size > limit:
        raise BodyTooLarge(f"the body is larger than {limit} bytes when unpacked")
    return room[:size].tobytes()


def media_type(request: Request) -> str:
    """Content type without parameters, in lower case; "" if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {limit} bytes", headers={"Connection": "close"})
