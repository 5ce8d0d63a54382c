"""OTLP metrics over HTTP."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import orjson
from starlette.requests import Request
from starlette.responses import Response

from novaql.inputs.protobuf import bytes_field, number_field
from novaql.lazy_exports import lazy_module
from novaql.server.errors import UnsupportedMedia
from novaql.server.http.body_reader import media_type
from novaql.server.ingest.body import Body, store_body
from novaql.server.ingest.intake import intake_of
from novaql.server.ingest.spool import spooled
from novaql.server.pools.writers import Steps
from novaql.server.tenants.context import ServerContext

if TYPE_CHECKING:
    from novaql.server.ingest import otlp_slices
else:  # loads Google's protobuf
    otlp_slices = lazy_module("novaql.server.ingest.otlp_slices")

_PROTO = "application/x-protobuf"
_JSON = "application/json"


async def otlp(request: Request) -> Response:
    """Store OTLP metrics: protobuf or JSON, uncompressed or gzip.

    Gauges, sums, both kinds of histograms and summaries get their names in Prometheus.
    The server adds up points of delta temporality. It omits points that it cannot store; the answer
    contains their number and the reason.
    """
    kind = media_type(request)
    if kind not in (_PROTO, _JSON):
        raise UnsupportedMedia(f"OTLP is taken here as {_PROTO} or {_JSON}")
    as_json = kind == _JSON
    rejected, reason = await store_body(request, ("gzip",), partial(_store, as_json=as_json))
    return Response(_answer(rejected, reason, as_json=as_json), media_type=kind)


async def otlp_metrics(request: Request) -> Response:
    """Store OTLP metrics, at the path that exporters use if their endpoint is this server."""
    return await otlp(request)


def _store(context: ServerContext, body: Body, *, as_json: bool) -> Steps[tuple[int, str]]:
    """Decode and store an export; return the number of omitted points, and the reason."""
    intake = intake_of(context)
    reading = otlp_slices.OtlpReading(
        body.whole(), intake.otlp, intake.deltas, intake.limits, as_json=as_json
    )
    try:
        stored = yield from spooled(context, reading.slices)
        reading.commit()
    finally:
        reading.leave()
    if stored.late and not reading.rejected:
        return stored.late, "older than this store accepts"
    return reading.rejected + stored.late, reading.reason


def _answer(rejected: int, reason: str, *, as_json: bool) -> bytes:
    """Encode an `ExportMetricsServiceResponse`: empty, or the rejected points and the reason."""
    if not rejected:
        return b"{}" if as_json else b""
    if as_json:
        partial_success = {"rejectedDataPoints": str(rejected), "errorMessage": reason}
        return orjson.dumps({"partialSuccess": partial_success})
    return bytes_field(1, number_field(1, rejected) + bytes_field(2, reason.encode()))
