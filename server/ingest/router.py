"""All endpoints that store samples."""

from __future__ import annotations

from novaql.server.auth.roles import Role
from novaql.server.http.data_route import DataRoute, Handler
from novaql.server.ingest.bodies_in import import_lines, import_text, influx, ingest
from novaql.server.ingest.formats import JSON_LINES, READERS, TEXT
from novaql.server.ingest.otlp_endpoint import otlp
from novaql.server.ingest.remote_write_endpoint import write
from novaql.server.ingest.schemas import IngestAnswer, IngestQuery

_PROTOBUF = "application/x-protobuf"


def _row(
    path: str, handler: Handler, success: int, takes: tuple[str, ...], *, documented: bool
) -> DataRoute:
    return DataRoute(
        ("POST",),
        path,
        handler,
        Role.OPERATOR,
        "ingest",
        errors=(400, 413, 415, 503),
        success=success,
        media=takes if success == 200 else (),  # the answer to OTLP has the format of its request
        documented=documented,
        takes=takes,
    )


ROUTES = (
    *(
        _row(f"{base}/api/v1{path}", handler, success, takes, documented=base != "")
        for base in ("/prometheus", "")
        for path, handler, success, takes in (
            ("/write", write, 204, (_PROTOBUF,)),
            ("/otlp/v1/metrics", otlp, 200, (_PROTOBUF, "application/json")),
            ("/import", import_lines, 204, (JSON_LINES,)),
            ("/import/prometheus", import_text, 204, (TEXT,)),
        )
    ),
    *(
        _row(path, influx, 204, (TEXT,), documented=False)
        for path in ("/write", "/api/v2/write", "/influx/write", "/influx/api/v2/write")
    ),
    DataRoute(
        ("POST",),
        "/v1/ingest",
        ingest,
        Role.OPERATOR,
        "ingest",
        errors=(400, 413, 415, 503),
        answer=IngestAnswer,
        takes=tuple(READERS),
        query=IngestQuery,
    ),
)
