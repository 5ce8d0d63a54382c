"""Remote read: another Prometheus asks for raw samples, in protobuf packed with snappy."""

from __future__ import annotations

import cramjam
from starlette.requests import Request
from starlette.responses import Response

from novaql.errors import InputError
from server.platform.bodies import read_body, unpack_snappy
from server.platform.context import context_of
from server.platform.errors import InvalidRequest
from server.platform.query_run import run_in_worker
from server.prometheus.read_messages import ReadQuery, query_result, read_request, read_response

_SAMPLES = 0
_PROTO = "application/x-protobuf"


async def read(request: Request) -> Response:
    """Samples and native histograms of each query, all series whole: the response type SAMPLES."""
    context = context_of(request)
    limit = context.settings.max_body_bytes
    body = await read_body(request, limit=limit, encodings=("snappy",))
    message = unpack_snappy(body, limit=limit)
    try:
        asked = read_request(message)
    except InputError as problem:
        raise InvalidRequest(str(problem)) from None
    if asked.accepted and _SAMPLES not in asked.accepted:
        accepted = " ".join(str(kind) for kind in asked.accepted)
        raise InvalidRequest(f"none of requested response types are supported: [{accepted}]")

    def answer() -> bytes:
        left = context.settings.max_read_samples
        results = []
        for query in asked.queries:
            result, samples = _result(request, query, left)
            left -= samples
            results.append(result)
        return bytes(cramjam.snappy.compress_raw(read_response(results)))

    headers = {"Content-Encoding": "snappy", "Content-Type": _PROTO}
    return Response(await run_in_worker(request, answer), headers=headers)


def _result(request: Request, query: ReadQuery, most: int) -> tuple[bytes, int]:
    context = context_of(request)
    selection = context.store.select(query.matchers, query.start_ms, query.end_ms)
    if selection.samples > most:
        raise InvalidRequest(f"exceeded sample limit ({context.settings.max_read_samples})")
    context.telemetry.query_samples.inc(selection.samples)
    return query_result(selection), selection.samples
