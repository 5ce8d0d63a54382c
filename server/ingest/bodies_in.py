"""Endpoints for bodies with samples: by content type, and at the paths of other systems."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response

from novaql.inputs import LineProblems
from novaql.server.errors import UnsupportedMedia
from novaql.server.http.body_reader import media_type, read_body
from novaql.server.http.query import read_query
from novaql.server.http.request import context_of, principal_of
from novaql.server.ingest.formats import (
    READERS,
    BodyOptions,
    Reader,
    read_influx,
    read_json_lines,
    read_text,
)
from novaql.server.ingest.schemas import IngestQuery
from novaql.server.ingest.service import StoredCounts, store_body

_ENCODINGS = ("gzip", "zstd")


async def ingest(request: Request) -> Response:
    """Store samples in the format that the content type names.

    Prometheus text (`text/plain`), OpenMetrics (`application/openmetrics-text`), metric families
    (`application/vnd.google.protobuf`), JSON lines (`application/x-ndjson`), Influx line protocol
    (`application/vnd.influx.line-protocol`) or an Arrow IPC stream
    (`application/vnd.apache.arrow.stream`); uncompressed, gzip or zstd. The server stores a body as
    a whole or not at all. Samples without a time get the time of the request.
    """
    kind = media_type(request)
    reader = READERS.get(kind)
    if reader is None:
        raise UnsupportedMedia(
            f"the content type {kind!r} is not taken here; {', '.join(READERS)} are"
        )
    query = read_query(request, IngestQuery)
    taken = await _store(request, reader, _body_options(query.precision, query.db))
    return Response(orjson.dumps(asdict(taken)), media_type="application/json")


async def influx(request: Request) -> Response:
    """Store Influx line protocol, at the paths of InfluxDB 1 and 2; `precision` and `db` apply.

    Each field of a line becomes the series measurement_field. If some lines are invalid, the server
    stores the others and answers with a 400 that names the invalid lines.
    """
    problems = LineProblems()
    query = request.query_params  # unchecked: clients of InfluxDB send other parameters, too
    options = _body_options(query.get("precision", ""), query.get("db", ""), problems)
    await _store(request, read_influx, options)
    if not problems.count:
        return Response(status_code=204)
    left_out = "1 line is" if problems.count == 1 else f"{problems.count} lines are"
    message = f"partial write: {left_out} left out: {'; '.join(problems.first)}"
    return Response(
        orjson.dumps({"code": "invalid", "message": message, "error": message}),
        400,
        media_type="application/json",
    )


async def import_lines(request: Request) -> Response:
    """Store JSON lines in the export format of VictoriaMetrics. The server stores a body as a whole
    or not at all."""
    await _store(request, read_json_lines, BodyOptions())
    return Response(status_code=204)


async def import_text(request: Request) -> Response:
    """Store Prometheus text, at the path of VictoriaMetrics. The server stores a body as a whole or
    not at all."""
    await _store(request, partial(read_text, openmetrics=False), BodyOptions())
    return Response(status_code=204)


def _body_options(
    precision: str, database: str, problems: LineProblems | None = None
) -> BodyOptions:
    return BodyOptions(precision, {"db": database} if database else {}, problems)


async def _store(request: Request, read: Reader, options: BodyOptions) -> StoredCounts:
    context = context_of(request)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    with context.pools.ingest.body(principal_of(request).tenant_id) as held:
        limit = context.settings.max_write_bytes
        body = await read_body(request, limit=limit, encodings=_ENCODINGS, held=held)
        steps = store_body(context, body, encoding=encoding, read=read, options=options)
        return await context.pools.ingest.store(held, steps)
