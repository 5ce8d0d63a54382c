"""Remote write, 1.0 and 2.0."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from novaql.server.errors import INTERNAL, InvalidRequest, UnsupportedMedia, kind_of
from novaql.server.http.body_reader import media_type, read_body
from novaql.server.http.problem import problem_response
from novaql.server.http.request import context_of, principal_of, request_id_of
from novaql.server.ingest.service import Store, Written, store_message, store_message_2

_PROTO = "application/x-protobuf"
_VICTORIA = "get_vm_proto_version"
_VERSION_1 = "prometheus.writerequest"
_VERSION_2 = "io.prometheus.write.v2.request"
_DECODERS: dict[str, Store] = {
    "": store_message,
    _VERSION_1: store_message,
    _VERSION_2: store_message_2,
}


async def write(request: Request) -> Response:
    """Store a remote-write message, 1.0 or 2.0: protobuf, compressed with snappy.

    If some series are invalid, the server stores the others and answers with a 400. The headers
    contain the numbers of stored samples, histograms and exemplars. A message compressed with zstd
    uses VictoriaMetrics' protocol, which vmagent detects by `get_vm_proto_version`.
    """
    if _VICTORIA in request.query_params:
        return Response("1", media_type="text/plain")
    store = _decoder(request)
    context = context_of(request)
    limit = context.settings.max_write_bytes
    try:
        with context.pools.ingest.body(principal_of(request).tenant_id) as held:
            body = await read_body(request, limit=limit, encodings=("snappy", "zstd"), held=held)
            zstd = request.headers.get("content-encoding", "").strip().lower() == "zstd"
            written = await context.pools.ingest.store(held, store(context, body, zstd=zstd))
        if written.left_out:
            return _refusal(request, InvalidRequest(written.left_out), written)
    except Exception as problem:
        if kind_of(problem) is INTERNAL:
            raise
        return _refusal(request, problem, Written())
    return Response(status_code=204, headers=written.headers())


def _refusal(request: Request, problem: Exception, written: Written) -> Response:
    answer = problem_response(problem, request.scope["path"], request_id_of(request))
    answer.headers.update(written.headers())
    return answer


def _decoder(request: Request) -> Store:
    kind = media_type(request)
    proto = _parameter(request.headers.get("content-type", ""), "proto").lower()
    if kind not in (_PROTO, "") or proto not in _DECODERS:
        raise UnsupportedMedia(
            f"remote write is taken here: {_PROTO};proto=prometheus.WriteRequest "
            "or proto=io.prometheus.write.v2.Request",
            headers=Written().headers(),
        )
    return _DECODERS[proto]


def _parameter(content_type: str, name: str) -> str:
    for part in content_type.split(";")[1:]:
        key, _, value = part.strip().partition("=")
        if key.lower() == name:
            return value.strip('"')
    return ""
