"""Readers of request bodies: samples of each supported format → batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from functools import partial

from novaql.fast_dataclass import dataclass
from novaql.inputs import (
    LineProblems,
    TextState,
    joined_texts,
    line_blocks,
    precision_of,
    short_lines,
)
from novaql.inputs.protobuf import ProtobufParser
from novaql.server.ingest.arrow_stream import read_arrow_stream
from novaql.server.ingest.body import Body
from novaql.server.ingest.intake import Intake
from novaql.server.ingest.spool import Incoming, Slices


@dataclass(frozen=True, slots=True)
class BodyOptions:
    """Options of a request for its body.

    precision  unit of times in line protocol
    extra      labels for series without labels of these names (line protocol)
    problems   receives invalid lines of line protocol; None: an invalid line rejects the body
    now_ms     time of samples without a time
    """

    precision: str = "ns"
    extra: Mapping[str, str] = field(default_factory=dict)
    problems: LineProblems | None = None
    now_ms: int = field(default_factory=lambda: round(time.time() * 1000))


Reader = Callable[[Intake, Body, BodyOptions], Slices]
"""Reads a body in a writer thread. Raises `InputError`, `LimitExceeded`, and errors of `Body`."""


def read_influx(intake: Intake, body: Body, options: BodyOptions) -> Slices:
    """Read Influx line protocol."""
    precision = precision_of(options.precision)
    if options.problems is not None:
        options.problems.clear()

    def feed(block: bytes, lines: int) -> Incoming:
        batch = intake.influx.feed(
            block,
            default_time_ms=options.now_ms,
            precision=precision,
            extra=options.extra,
            problems=options.problems,
            lines_before=lines,
        )
        return Incoming(batch, octets=len(block))

    return _in_blocks(intake, body, feed, intake.influx.forget, join=joined_texts)


def read_json_lines(intake: Intake, body: Body, options: BodyOptions) -> Slices:
    """Read JSON lines, including exports of VictoriaMetrics."""

    def feed(block: bytes, lines: int) -> Incoming:
        parser = intake.json_lines
        batch = parser.feed(block, default_time_ms=options.now_ms, lines_before=lines)
        return Incoming(batch, octets=len(block))

    return _in_blocks(intake, body, feed, intake.json_lines.forget, cut=short_lines)


def read_text(intake: Intake, body: Body, options: BodyOptions, *, openmetrics: bool) -> Slices:
    """Read Prometheus text or OpenMetrics."""
    parser = intake.text
    state = TextState(options.now_ms, openmetrics=openmetrics)

    def feed(block: bytes, _: int) -> Incoming:
        nonlocal state
        parser.resume(state)
        batch = parser.feed(block)
        state = parser.pause()
        return Incoming(batch, state.metadata, len(block))

    def finish() -> None:
        parser.resume(state)
        parser.finish()

    return _in_blocks(intake, body, feed, parser.forget, finish)


def _in_blocks(
    intake: Intake,
    body: Body,
    feed: Callable[[bytes, int], Incoming],
    forget: Callable[[], None],
    finish: Callable[[], None] = lambda: None,
    cut: Callable[[bytes], Iterable[bytes]] = lambda block: (block,),
    join: Callable[[Iterable[bytes]], Iterable[bytes]] = iter,
) -> Slices:
    """Read a body in blocks. Bodies of a store that are read concurrently take turns after each
    block.

    feed    reads a block; the second argument is the number of lines before it
    join    changes the blocks before they are read, but not the number of their lines
    cut     splits a block into parts that need less memory
    forget  removes the series of the parser, if a body is rejected after some of its blocks
    """
    lines, some = 0, False
    try:
        for block in join(line_blocks(body.slices())):
            for part in cut(block):
                with intake.turn:
                    found = feed(part, lines)
                some = True
                yield found
            lines += block.count(b"\n")
        with intake.turn:
            finish()
    except BaseException:
        if some:
            with intake.turn:
                forget()
        raise


def read_protobuf(intake: Intake, body: Body, options: BodyOptions) -> Slices:
    """Read consecutive metric families in protobuf, as Prometheus's client libraries write them."""
    parser = ProtobufParser(
        default_time_ms=options.now_ms, what="body", always_classic=True, limits=intake.limits
    )
    for piece in body.slices():
        octets = len(piece)
        for batch in parser.slices(piece):
            if batch is None:
                yield None
                continue
            yield Incoming(batch, parser.metadata, octets)
            octets = 0
    parser.finish()


def read_arrow(intake: Intake, body: Body, _: BodyOptions) -> Slices:
    """Read an Arrow IPC stream: a table with a row for each sample, or a column for each metric."""
    data = body.whole()
    for batch in read_arrow_stream(data, intake.limits, most_bytes=intake.most_bytes):
        yield None if batch is None else Incoming(batch, octets=8 * len(batch))


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
"""Content type → reader."""
