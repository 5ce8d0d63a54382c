"""All endpoints that store samples."""

from __future__ import annotations

from collections.abc import Mapping

from novaql.server.auth.roles import Role
from novaql.server.bases import INFLUX_PREFIXES, OTLP_PATHS
from novaql.server.http.data_route import DataRoute, Handler
from novaql.server.ingest.body_endpoints import import_lines, import_text, ingest
from novaql.server.ingest.formats import JSON_LINES, READERS, TEXT
from novaql.server.ingest.influx_endpoints import (
    InfluxHealth,
    InfluxVersion,
    form_credentials,
    influx_health,
    influx_ping,
    influx_query,
    influx_write,
    influx_write_to_bucket,
)
from novaql.server.ingest.otlp_endpoint import otlp, otlp_metrics
from novaql.server.ingest.remote_write_endpoint import write
from novaql.server.ingest.schema import IngestAnswer, IngestQuery

_PROTOBUF = "application/x-protobuf"
_OTLP = (_PROTOBUF, "application/json")
_PRECISION = {"precision": "unit of the times: ns, us, ms, s, m or h"}
_DATABASE = {"db": "value of the label `db` for series without such a tag"}
_CREDENTIALS = {"u": "any user name", "p": "a token; better sent in the header Authorization"}
_STATEMENT = {"q": "`CREATE DATABASE name`"}


def _row(
    path: str,
    handler: Handler,
    success: int,
    takes: tuple[str, ...],
    parameters: Mapping[str, str] | None = None,
    *,
    documented: bool,
    counted: bool = False,
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
        parameters=parameters or {},
        counted=counted,
    )


def _influx(prefix: str) -> tuple[DataRoute, ...]:
    """The endpoints of InfluxDB's API below a prefix."""
    documented = prefix == ""
    options = _PRECISION | _DATABASE | _CREDENTIALS
    return (
        *(
            _row(
                f"{prefix}{path}",
                handler,
                204,
                (TEXT,),
                options,
                documented=documented,
                counted=True,
            )
            for path, handler in (
                ("/write", influx_write),
                ("/api/v2/write", influx_write_to_bucket),
            )
        ),
        DataRoute(
            ("GET",),
            f"{prefix}/ping",
            influx_ping,
            Role.OPERATOR,
            "ingest",
            success=204,
            answers={200: InfluxVersion},
            parameters={"verbose": "`true`: answer with the version", **_CREDENTIALS},
            documented=documented,
            samples=False,
            counted=True,
        ),
        DataRoute(
            ("GET",),
            f"{prefix}/health",
            influx_health,
            None,
            "ingest",
            answer=InfluxHealth,
            documented=documented,
            samples=False,
        ),
        DataRoute(
            ("GET", "POST"),
            f"{prefix}/query",
            influx_query,
            Role.OPERATOR,
            "ingest",
            errors=(400, 413),
            media=("application/json",),
            parameters=_STATEMENT | _CREDENTIALS,
            required=("q",),
            documented=documented,
            samples=False,
            counted=True,
            credentials=form_credentials,
        ),
    )


ROUTES = (
    *(
        _row(f"{base}/api/v1{path}", handler, success, takes, documented=base != "")
        for base in ("/prometheus", "")
        for path, handler, success, takes in (
            ("/write", write, 204, (_PROTOBUF,)),
            ("/otlp/v1/metrics", otlp, 200, _OTLP),
            ("/import", import_lines, 204, (JSON_LINES,)),
            ("/import/prometheus", import_text, 204, (TEXT,)),
        )
    ),
    *(
        _row(path, otlp_metrics, 200, _OTLP, documented=path == OTLP_PATHS[0], counted=True)
        for path in OTLP_PATHS
    ),
    *(row for prefix in INFLUX_PREFIXES for row in _influx(prefix)),
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
