"""The answer to an OTLP export: empty, or how many points were rejected and why."""

from __future__ import annotations

import orjson

from novaql.inputs.protobuf import varint


def otlp_answer(rejected: int, reason: str, *, as_json: bool) -> bytes:
    """An `ExportMetricsServiceResponse`."""
    if not rejected:
        return b"{}" if as_json else b""
    if as_json:
        partial = {"rejectedDataPoints": str(rejected), "errorMessage": reason}
        return orjson.dumps({"partialSuccess": partial})
    words = reason.encode()
    inside = b"\x08" + varint(rejected) + b"\x12" + varint(len(words)) + words
    return b"\x0a" + varint(len(inside)) + inside
