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
    ReadRequest,
    query_result,
    read_request,
    read_response,
)
from novaql.server.query.run import run_in_worker
from novaql.tsdb import Selection

_SAMPLES, _STREAMED = 0, 1
_PROTO = "application/x-protobuf"


async def read(request: Request) -> Response:
    """Samples and native histograms of the series of each query."""
    context = context_of(request)
    limit = context.settings.max_body_bytes
    body = await read_body(request, limit=limit, encodings=("snappy",))
    message = unpack_snappy(body, limit=limit)
    try:
        parsed = read_request(message)
    except InputError as problem:
        raise InvalidRequest(str(problem)) from None
    form = next((kind for kind in parsed.accepted if kind in (_SAMPLES, _STREAMED)), None)
    if form is None and parsed.accepted:
        accepted = " ".join(str(kind) for kind in parsed.accepted)
        raise InvalidRequest(f"none of requested response types are supported: [{accepted}]")
    if form == _STREAMED:
        return await _streamed(request, parsed)

    def answer() -> bytes:
        left = context.settings.max_read_samples
        results = []
        for query in parsed.queries:
            selection = _selection(request, query, left)
            results.append(query_result(selection, labels_only=query.labels_only))
            left -= selection.samples
        return bytes(cramjam.snappy.compress_raw(read_response(results)))

    headers = {"Content-Encoding": "snappy", "Content-Type": _PROTO}
    return Response(await run_in_worker(request, answer), headers=headers)


async def _streamed(request: Request, parsed: ReadRequest) -> Response:
    """Encode the chunks of all series, a tenth of the size of their samples, then send them."""
    most = context_of(request).settings.max_query_samples

    def answer() -> Iterator[bytes]:
        left, selections = most, []
        for query in parsed.queries:
            selection = _selection(request, query, left)
            left -= selection.samples
            selections.append(selection)
        return iter(list(frames(selections, labels_only=[q.labels_only for q in parsed.queries])))

    return StreamingResponse(await run_in_worker(request, answer), media_type=STREAMED_TYPE)


def _selection(request: Request, query: ReadQuery, most: int) -> Selection:
    context = context_of(request)
    if query.labels_only:
        found = context.store.series([query.matchers], query.start_ms, query.end_ms)
        return Selection(found, ())
    selection = context.store.select(query.matchers, query.start_ms, query.end_ms)
    if selection.samples > most:
        raise InvalidRequest(f"exceeded sample limit ({context.settings.max_read_samples})")
    context.telemetry.query_samples.inc(selection.samples)
    return selection
