"""Every door by which samples come in."""

from __future__ import annotations

from server.ingest.bodies_in import import_lines, import_text, influx, ingest
from server.ingest.otlp_door import otlp
from server.ingest.remote_write_door import write
from server.ingest.schemas import IngestAnswer
from server.platform.endpoint import Endpoint, Handler
from server.platform.scopes import Role


def _row(path: str, handler: Handler, success: int, *, documented: bool) -> Endpoint:
    return Endpoint(
        ("POST",),
        path,
        handler,
        Role.OPERATOR,
        "ingest",
        errors=(400, 413, 415, 503),
        success=success,
        documented=documented,
    )


ENDPOINTS = (
    *(
        _row(f"{base}/api/v1{path}", handler, success, documented=base != "")
        for base in ("/prometheus", "")
        for path, handler, success in (
            ("/write", write, 204),
            ("/otlp/v1/metrics", otlp, 200),
            ("/import", import_lines, 204),
            ("/import/prometheus", import_text, 204),
        )
    ),
    *(
        _row(path, influx, 204, documented=False)
        for path in ("/write", "/api/v2/write", "/influx/write", "/influx/api/v2/write")
    ),
    Endpoint(
        ("POST",),
        "/v1/ingest",
        ingest,
        Role.OPERATOR,
        "ingest",
        errors=(400, 413, 415, 503),
        answer=IngestAnswer,
        parameters={
            "precision": "unit of the times of line protocol: ns (default), us, ms, s, m or h",
            "db": "value of the label db for the series of line protocol that have no such tag",
        },
    ),
)
