"""Remote read: another Prometheus reads raw samples, as protobuf compressed with snappy.

There are two response types: SAMPLES, one message with all samples, and STREAMED_XOR_CHUNKS, frames
of chunks. The request lists the types that the client accepts, in order of preference.
"""

from __future__ import annotations

from collections.abc import Iterator

import cramjam
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from novaql import InputError
from novaql.server.errors import InvalidRequest
from novaql.server.http.body_reader import read_body, unpack_snappy
from novaql.server.http.request import context_of
from novaql.server.prometheus.read_chunks import STREAMED_TYPE, frames
from novaql.server.prometheus.read_messages import (
    ReadQuery,
    query_result,
    read_request,
    read_response,
)
from novaql.server.query.run import run_in_worker
from novaql.server.tenants.context import ServerContext
from novaql.tsdb import Selection

_SAMPLES, _STREAMED = 0, 1
_PROTO = "application/x-protobuf"


async def read(request: Request) -> Response:
    """Samples and native histograms of the series of each query."""
    context = context_of(request)
    limit = context.settings.max_body_bytes
    body = await read_body(request, limit=limit, encodings=("snappy",))
    message = bytes(unpack_snappy(body, limit=limit))
    try:
        parsed = read_request(message)
    except InputError as problem:
        raise InvalidRequest(str(problem)) from None
    form = next((kind for kind in parsed.accepted if kind in (_SAMPLES, _STREAMED)), None)
    if form is None and parsed.accepted:
        accepted = " ".join(str(kind) for kind in parsed.accepted)
        raise InvalidRequest(f"none of requested response types are supported: [{accepted}]")
    queries = parsed.queries

    def selections(left: int) -> Iterator[Selection]:
        for query in queries:
            selection = _selection(context, query, left)
            left -= selection.samples
            yield selection

    def encoded() -> bytes:
        found = zip(selections(context.settings.max_read_samples), queries, strict=True)
        results = [query_result(some, labels_only=query.labels_only) for some, query in found]
        return bytes(cramjam.snappy.compress_raw(read_response(results)))

    def streamed() -> list[bytes]:
        """The chunks of all series, a tenth of the size of their samples."""
        found = list(selections(context.settings.max_query_samples))
        return list(frames(found, labels_only=[query.labels_only for query in queries]))

    if form == _STREAMED:
        chunks = await run_in_worker(request, streamed)
        return StreamingResponse(iter(chunks), media_type=STREAMED_TYPE)
    headers = {"Content-Encoding": "snappy", "Content-Type": _PROTO}
    return Response(await run_in_worker(request, encoded), headers=headers)


def _selection(context: ServerContext, query: ReadQuery, most: int) -> Selection:
    if query.labels_only:
        found = context.store.series([query.matchers], query.start_ms, query.end_ms)
        return Selection(found, ())
    selection = context.store.select(query.matchers, query.start_ms, query.end_ms)
    if selection.samples > most:
        raise InvalidRequest(f"exceeded sample limit ({context.settings.max_read_samples})")
    context.telemetry.query_samples.inc(selection.samples)
    return selection
