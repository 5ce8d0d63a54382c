"""The answer to an OTLP export: empty, or the number of rejected points and the reason."""

from __future__ import annotations

import orjson

from novaql.inputs.protobuf import varint


def otlp_answer(rejected: int, reason: str, *, as_json: bool) -> bytes:
    """Encode an `ExportMetricsServiceResponse`."""
    if not rejected:
        return b"{}" if as_json else b""
    if as_json:
        partial = {"rejectedDataPoints": str(rejected), "errorMessage": reason}
        return orjson.dumps({"partialSuccess": partial})
    words = reason.encode()
    inside = b"\x08" + varint(rejected) + b"\x12" + varint(len(words)) + words
    return b"\x0a" + varint(len(inside)) + inside
