"""Reads request bodies up to a limit."""

from __future__ import annotations

import cramjam
from starlette.requests import Request

from novaql.server.errors import BodyTooLarge, InvalidRequest, UnsupportedMedia
from novaql.server.pools.body_budget import HeldBody


async def read_body(
    request: Request,
    *,
    limit: int,
    encodings: tuple[str, ...] = (),
    held: HeldBody | None = None,
) -> bytes:
    """Return the body as sent. At most `limit` bytes are in memory.

    encodings  content encodings that the caller decodes; all others are rejected
    held       reserves the bytes as they arrive
    """
    encoding = content_encoding(request)
    if encoding != "identity" and encoding not in encodings:
        raise UnsupportedMedia(f"content encoding {encoding!r} is not taken here")
    # `int` takes 4 300 digits at most, and a header may have more zeros.
    announced = _header(request, b"content-length").lstrip("0")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        if held is not None:
            await held.grow(len(part))
        parts.append(part)
    return b"".join(parts)


def unpack_snappy(body: bytes, *, limit: int) -> memoryview:
    """Decompress a snappy block. Raises `BodyTooLarge` before the output exceeds `limit` bytes.

    The result is not copied to `bytes`: fresh memory for a megabyte costs more than its content.
    """
    try:
        if cramjam.snappy.decompress_raw_len(body) > limit:
            raise BodyTooLarge(f"the body is larger than {limit} bytes when unpacked")
        return memoryview(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as problem:
        raise InvalidRequest(f"snappy: corrupt input: {problem}") from None


def has_body(request: Request) -> bool:
    """Return whether the headers announce a body or a content encoding."""
    headers = request.scope["state"]["headers"]
    return (
        headers.get(b"content-length", b"0") != b"0"
        or b"transfer-encoding" in headers
        or b"content-encoding" in headers
    )


def content_encoding(request: Request) -> str:
    """Return the content encoding in lower case; `identity` if there is none."""
    return _header(request, b"content-encoding", "identity")


def media_type(request: Request) -> str:
    """Return the content type without parameters, in lower case; "" if it is missing."""
    return _header(request, b"content-type").partition(";")[0].strip()


def _header(request: Request, name: bytes, default: str = "") -> str:
    """Return the first header of a name without spaces around it, in lower case."""
    value: bytes | None = request.scope["state"]["headers"].get(name)
    return default if value is None else value.decode("latin-1").strip().lower()


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {limit} bytes", headers={"Connection": "close"})
