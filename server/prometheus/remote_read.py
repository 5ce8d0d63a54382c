"""Remote read: another Prometheus reads raw samples, as protobuf compressed with snappy.

There are two response types: SAMPLES, one message with all samples, and STREAMED_XOR_CHUNKS, frames
of chunks. The request lists the types that the client accepts, in order of preference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cramjam
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from novaql import Cancellation, InputError
from novaql.server.errors import InvalidRequest
from novaql.server.http.body_reader import read_body, unpack_snappy
from novaql.server.http.request import context_of
from novaql.server.prometheus.read_chunks import STREAMED_TYPE, frames
from novaql.server.prometheus.read_messages import (
    ReadQuery,
    ReadRequest,
    label_octets,
    query_result,
    read_request,
    read_response,
)
from novaql.server.query.answer_memory import Reserve, reserving
from novaql.server.tenants.context import ServerContext
from novaql.tsdb import Selection

_SAMPLES, _STREAMED = 0, 1
_PROTO = "application/x-protobuf"
_OF_SERIES, _OF_SAMPLE, _COPIES = 256, 36, 3
"""Bytes of the objects of a series, bytes in which a sample is encoded, and how many copies an
answer of the first type has while its parts are joined and compressed."""


async def read(request: Request) -> Response:
    """Samples and native histograms of the series of each query."""
    context = context_of(request)
    limit = context.settings.max_body_bytes
    body = await read_body(request, limit=limit, encodings=("snappy",))
    message = bytes(unpack_snappy(body, limit=limit))

    def reading(cancellation: Cancellation) -> Response:
        with reserving(context, cancellation, "the answer to a remote read") as reserve:
            return _answer(context, _parsed(message), reserve)

    timeout_s = context.settings.query_timeout_s
    return await context.pools.queries.run(request, reading, timeout_s=timeout_s)


def _parsed(message: bytes) -> ReadRequest:
    """Decode a request. Raises `InvalidRequest`. It compiles the regular expressions, a tenth of a
    second each, so it does not run on the event loop."""
    try:
        return read_request(message)
    except InputError as problem:
        raise InvalidRequest(str(problem)) from None


def _answer(context: ServerContext, parsed: ReadRequest, reserve: Reserve) -> Response:
    form = next((kind for kind in parsed.accepted if kind in (_SAMPLES, _STREAMED)), None)
    if form is None and parsed.accepted:
        accepted = " ".join(str(kind) for kind in parsed.accepted)
        raise InvalidRequest(f"none of requested response types are supported: [{accepted}]")
    if form == _STREAMED:
        chunks = _streamed(context, parsed.queries, reserve)
        return StreamingResponse(iter(chunks), media_type=STREAMED_TYPE)
    headers = {"Content-Encoding": "snappy", "Content-Type": _PROTO}
    return Response(_encoded(context, parsed.queries, reserve), headers=headers)


def _encoded(context: ServerContext, queries: Sequence[ReadQuery], reserve: Reserve) -> bytes:
    """One message with all samples."""
    results = []
    for query, found in _selections(context, queries, context.settings.max_read_samples, reserve):
        reserve(found.samples * _OF_SAMPLE)
        results.append(query_result(found, labels_only=query.labels_only))
        reserve(len(results[-1]) * _COPIES)
    return bytes(cramjam.snappy.compress_raw(read_response(results)))


def _streamed(
    context: ServerContext, queries: Sequence[ReadQuery], reserve: Reserve
) -> list[bytes]:
    """The chunks of all series, a tenth of the size of their samples."""
    some = list(_selections(context, queries, context.settings.max_query_samples, reserve))
    bare = [query.labels_only for query, _ in some]
    return list(frames([found for _, found in some], labels_only=bare, reserve=reserve))


def _selections(
    context: ServerContext, queries: Sequence[ReadQuery], limit: int, reserve: Reserve
) -> Iterator[tuple[ReadQuery, Selection]]:
    """Yield each query with its selection, which have at most `limit` samples together."""
    samples = 0
    for query in queries:
        found = _selection(context, query)
        samples += found.samples
        if samples > limit:
            raise InvalidRequest(f"exceeded sample limit ({limit})")
        context.telemetry.query_samples.inc(found.samples)
        reserve(len(found.series) * _OF_SERIES + label_octets(found.series))
        yield query, found


def _selection(context: ServerContext, query: ReadQuery) -> Selection:
    if query.labels_only:
        found = context.store.series([query.matchers], query.start_ms, query.end_ms)
        return Selection(found, ())
    return context.store.select(query.matchers, query.start_ms, query.end_ms)
