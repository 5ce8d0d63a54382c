"""OTLP metrics over HTTP."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from novaql.server.errors import UnsupportedMedia
from novaql.server.http.body_reader import media_type, read_body
from novaql.server.http.request import context_of, principal_of
from novaql.server.ingest.otlp_answer import otlp_answer
from novaql.server.ingest.service import store_otlp

_PROTO = "application/x-protobuf"
_JSON = "application/json"


async def otlp(request: Request) -> Response:
    """Store OTLP metrics: protobuf or JSON, uncompressed or gzip.

    Gauges, sums, both kinds of histograms and summaries get the names that Prometheus gives them.
    The server adds up points of delta temporality. It omits points that it cannot store; the answer
    contains their number and the reason.
    """
    kind = media_type(request)
    if kind not in (_PROTO, _JSON):
        raise UnsupportedMedia(f"OTLP is taken here as {_PROTO} or {_JSON}")
    context = context_of(request)
    limit = context.settings.max_write_bytes
    encoding = request.headers.get("content-encoding", "").strip().lower()
    with context.pools.ingest.body(principal_of(request).tenant_id) as held:
        body = await read_body(request, limit=limit, encodings=("gzip",), held=held)
        packed = encoding == "gzip"
        steps = store_otlp(context, body, packed=packed, as_json=kind == _JSON)
        rejected, reason = await context.pools.ingest.store(held, steps)
    return Response(otlp_answer(rejected, reason, as_json=kind == _JSON), media_type=kind)
