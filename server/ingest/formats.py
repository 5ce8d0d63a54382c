"""Samples in any format that is understood, as a request's body has them → one batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from novaql.inputs.batch_stream import concat_batches
from novaql.inputs.influx import LineProblems, precision_of
from novaql.inputs.protobuf_exposition import ProtobufParser
from server.ingest.arrow_stream import read_arrow_stream
from server.ingest.intake import Intake
from tsdb.selection import Metadata
from tsdb.tile import Batch


@dataclass(frozen=True, slots=True)
class Told:
    """What a request says about its body beside its content type.

    precision  unit of the times of line protocol
    extra      labels for series that have none of that name (line protocol)
    problems   takes lines of line protocol that are at fault; None: they are refused with the rest
    now_ms     time of samples that have none
    """

    precision: str = "ns"
    extra: Mapping[str, str] = field(default_factory=dict)
    problems: LineProblems | None = None
    now_ms: int = field(default_factory=lambda: round(time.time() * 1000))


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a body brings."""

    batch: Batch
    metadata: Mapping[str, Metadata] = field(default_factory=dict)


Reader = Callable[[Intake, bytes, Told], Incoming]
"""Reads an unpacked body in a writer thread. Raises `InputError`, `LimitExceeded`."""


def read_influx(intake: Intake, body: bytes, told: Told) -> Incoming:
    """Influx line protocol."""
    with intake.turn, intake.influx.all_or_nothing():
        return Incoming(
            intake.influx.feed(
                _whole_lines(body),
                default_time_ms=told.now_ms,
                precision=precision_of(told.precision),
                extra=told.extra,
                problems=told.problems,
            )
        )


def read_json_lines(intake: Intake, body: bytes, told: Told) -> Incoming:
    """JSON lines, those that VictoriaMetrics exports among them."""
    with intake.turn, intake.json_lines.all_or_nothing():
        found = intake.json_lines.feed(_whole_lines(body), default_time_ms=told.now_ms)
        return Incoming(found)


def read_text(intake: Intake, body: bytes, told: Told, *, openmetrics: bool) -> Incoming:
    """Prometheus text, or OpenMetrics."""
    with intake.turn:
        parser = intake.text
        parser.start(told.now_ms, openmetrics=openmetrics)
        with parser.all_or_nothing():
            batch = parser.feed(_whole_lines(body))
            parser.finish()
            return Incoming(batch, dict(parser.metadata))


def read_protobuf(intake: Intake, body: bytes, told: Told) -> Incoming:
    """Metric families as Prometheus's client libraries write them, one after the other."""
    parser = ProtobufParser(
        default_time_ms=told.now_ms, what="body", always_classic=True, limits=intake.limits
    )
    batch = parser.feed(body)
    parser.finish()
    return Incoming(batch, parser.metadata)


def read_arrow(intake: Intake, body: bytes, _: Told) -> Incoming:
    """An Arrow IPC stream: a table with a row a sample, or a column a metric."""
    return Incoming(
        concat_batches(read_arrow_stream(body, intake.limits, most_bytes=intake.most_bytes))
    )


def _whole_lines(body: bytes) -> bytes:
    return body if not body or body.endswith(b"\n") else body + b"\n"


INFLUX, JSON_LINES, TEXT, OPENMETRICS, PROTOBUF, ARROW = (
    "application/vnd.influx.line-protocol",
    "application/x-ndjson",
    "text/plain",
    "application/openmetrics-text",
    "application/vnd.google.protobuf",
    "application/vnd.apache.arrow.stream",
)

READERS: Mapping[str, Reader] = {
    TEXT: partial(read_text, openmetrics=False),
    OPENMETRICS: partial(read_text, openmetrics=True),
    INFLUX: read_influx,
    "text/x-influx-line-protocol": read_influx,
    JSON_LINES: read_json_lines,
    "application/jsonl": read_json_lines,
    "application/json-lines": read_json_lines,
    PROTOBUF: read_protobuf,
    ARROW: read_arrow,
}
"""Content type → what reads it."""
