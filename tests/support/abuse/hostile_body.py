"""A body that a server must withstand, and the path that it is sent to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.support.abuse.hostile_arrow import FULL

WRITE, OTLP, INGEST = "/prometheus/api/v1/write", "/prometheus/api/v1/otlp/v1/metrics", "/v1/ingest"
TEXT, OPENMETRICS = "text/plain", "application/openmetrics-text"
INFLUX, LINES = "application/vnd.influx.line-protocol", "application/x-ndjson"
FAMILIES, ARROW = "application/vnd.google.protobuf", "application/vnd.apache.arrow.stream"
PROTO = "application/x-protobuf"
PROTO_2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"


@dataclass(frozen=True)
class Hostile:
    """A body and the statuses that may answer it.

    unpacked  its size without the content encoding, at most the limit
    """

    path: str
    kind: str
    make: Callable[[], bytes]
    encoding: str = ""
    statuses: tuple[int, ...] = (400, 413)
    unpacked: int = FULL
    headers: Mapping[str, str] = field(default_factory=dict)


def full(piece: bytes, *, before: bytes = b"", behind: bytes = b"") -> bytes:
    """Repeat a piece as often as it fits."""
    return before + piece * ((FULL - len(before) - len(behind)) // len(piece)) + behind
