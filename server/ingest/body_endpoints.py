"""Endpoints for bodies with samples: by content type, and at the paths of VictoriaMetrics."""

from __future__ import annotations

from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response

from novaql.inputs import LineProblems
from novaql.server.errors import UnsupportedMedia
from novaql.server.http.body_reader import media_type
from novaql.server.http.query import read_query
from novaql.server.ingest.body import Body, store_body
from novaql.server.ingest.formats import (
    READERS,
    BodyOptions,
    Reader,
    read_json_lines,
    read_text,
)
from novaql.server.ingest.intake import intake_of
from novaql.server.ingest.schema import IngestAnswer, IngestQuery
from novaql.server.ingest.series_count import SeriesCount
from novaql.server.ingest.spool import spooled
from novaql.server.pools.writers import Steps
from novaql.server.tenants.context import ServerContext


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
    answer = await stored_in(request, reader, body_options(query.precision, query.db))
    return Response(orjson.dumps(answer.model_dump()), media_type="application/json")


async def import_lines(request: Request) -> Response:
    """Store JSON lines in the export format of VictoriaMetrics. The server stores a body as a whole
    or not at all."""
    await stored_in(request, read_json_lines, BodyOptions())
    return Response(status_code=204)


async def import_text(request: Request) -> Response:
    """Store Prometheus text, at the path of VictoriaMetrics. The server stores a body as a whole or
    not at all."""
    await stored_in(request, partial(read_text, openmetrics=False), BodyOptions())
    return Response(status_code=204)


def body_options(
    precision: str, database: str, problems: LineProblems | None = None
) -> BodyOptions:
    """Options of line protocol. The database becomes the label `db` of series without one."""
    return BodyOptions(precision, {"db": database} if database else {}, problems)


async def stored_in(request: Request, read: Reader, options: BodyOptions) -> IngestAnswer:
    """Read the body of a request and store its samples."""
    store = partial(_store, read=read, options=options)
    return await store_body(request, ("gzip", "zstd"), store)


def _store(
    context: ServerContext, body: Body, *, read: Reader, options: BodyOptions
) -> Steps[IngestAnswer]:
    """Read a body in any format and store its samples.

    Raises `InputError` or a `ServerError`, without storing any sample, or a `StoreError`.
    """
    intake = intake_of(context)
    series = SeriesCount(intake.limits)
    stored = yield from spooled(context, partial(read, intake, body, options), series)
    return IngestAnswer(
        samples=stored.samples,
        histograms=stored.histograms,
        series=series.total(),
        overwritten=stored.overwritten,
    )
