"""The answer to an OTLP export: empty, or how many points were rejected and why."""

from __future__ import annotations

import orjson


def otlp_answer(rejected: int, reason: str, *, as_json: bool) -> bytes:
    """An `ExportMetricsServiceResponse`."""
    if not rejected:
        return b"{}" if as_json else b""
    if as_json:
        partial = {"rejectedDataPoints": str(rejected), "errorMessage": reason}
        return orjson.dumps({"partialSuccess": partial})
    words = reason.encode()
    inside = b"\x08" + _varint(rejected) + b"\x12" + _varint(len(words)) + words
    return b"\x0a" + _varint(len(inside)) + inside


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
