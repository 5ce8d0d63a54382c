"""Remote write 1.0."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from server.ingest.service import store_message
from server.platform.bodies import media_type, read_body
from server.platform.context import context_of
from server.platform.endpoint import Endpoint
from server.platform.errors import UnsupportedMedia
from server.platform.scopes import Role

_PROTO = "application/x-protobuf"
_VERSION_1 = "prometheus.writerequest"


async def write(request: Request) -> Response:
    """Store a remote-write 1.0 message: protobuf, packed with snappy.

    All of a message is stored or nothing. Native histograms and exemplars in it are counted and
    not kept.
    """
    kind = media_type(request)
    proto = _parameter(request.headers.get("content-type", ""), "proto")
    if kind not in (_PROTO, "") or proto.lower() not in (_VERSION_1, ""):
        raise UnsupportedMedia(
            f"remote write 1.0 is taken here: {_PROTO};proto=prometheus.WriteRequest",
        )
    context = context_of(request)
    limit = context.settings.max_write_bytes
    with context.writers.place():
        body = await read_body(request, limit=limit, encodings=("snappy",))
        written = await context.writers.run(partial(store_message, context, body))
    headers = {"X-Prometheus-Remote-Write-Samples-Written": str(written)}
    return Response(status_code=204, headers=headers)


def _parameter(content_type: str, name: str) -> str:
    for part in content_type.split(";")[1:]:
        key, _, value = part.strip().partition("=")
        if key.lower() == name:
            return value.strip('"')
    return ""


ENDPOINTS = tuple(
    Endpoint(
        ("POST",),
        f"{base}/api/v1/write",
        write,
        Role.OPERATOR,
        "ingest",
        errors=(413, 415, 422, 503),
        success=204,
        documented=base != "",
    )
    for base in ("/prometheus", "")
)
