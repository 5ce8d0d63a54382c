"""The endpoints of InfluxDB's API, versions 1 and 2, that its clients need to write."""

from __future__ import annotations

import re
from functools import partial
from urllib.parse import parse_qs

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from novaql.inputs import LineProblems
from novaql.server.errors import InvalidRequest
from novaql.server.http.bodies import off_the_loop
from novaql.server.http.body_reader import media_type, read_body
from novaql.server.http.query import parameters_of
from novaql.server.http.request import context_of
from novaql.server.http.url_credentials import use_form_credentials
from novaql.server.ingest.body_endpoints import body_options, stored_in
from novaql.server.ingest.formats import read_influx
from novaql.text import excerpt

_VERSION = "1.8.10"
"""The last version with both write APIs: clients that need version 2 accept it."""
_HEADERS = {"X-Influxdb-Version": _VERSION, "X-Influxdb-Build": "OSS"}
_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 100
_LONGEST_FORM = 65_536
"""Bytes of a form that is read before its sender is known."""
_CREATE_DATABASE = re.compile(  # without backtracking: a body may be large
    r"""\s*+CREATE\s++DATABASE\s++("(?:[^"\\]|\\.)++"|[A-Za-z_]\w*+)(\s++WITH\s[^;]*+)?+\s*+;?+\s*+""",
    re.IGNORECASE,
)


class InfluxVersion(BaseModel):
    """The version of InfluxDB whose API the server implements."""

    version: str


class InfluxHealth(BaseModel):
    """The state of the server, in InfluxDB's format."""

    name: str
    message: str
    status: str
    version: str


async def influx_write(request: Request) -> Response:
    """Store Influx line protocol, at the path of InfluxDB 1; `precision` and `db` apply.

    Each field of a line becomes the series measurement_field. If some lines are invalid, the server
    stores the others and answers with a 400 that names the invalid lines.
    """
    problems = LineProblems()
    query = parameters_of(request)  # unchecked: clients of InfluxDB send other parameters, too
    options = body_options(query.get("precision", ""), query.get("db", ""), problems)
    await stored_in(request, read_influx, options)
    if not problems.count:
        return Response(status_code=204, headers=_HEADERS)
    left_out = "1 line is" if problems.count == 1 else f"{problems.count} lines are"
    message = f"partial write: {left_out} left out: {'; '.join(problems.first)}"
    return _json({"code": "invalid", "message": message, "error": message}, 400)


async def influx_write_to_bucket(request: Request) -> Response:
    """Store Influx line protocol, at the path of InfluxDB 2, as at that of InfluxDB 1."""
    return await influx_write(request)


async def influx_ping(request: Request) -> Response:
    """Check the connection and the token. The headers name a version of InfluxDB, by which clients
    choose its API; with `verbose=true`, so does the answer."""
    if parameters_of(request).get("verbose", "").lower() in ("true", "1"):
        return _json(InfluxVersion(version=_VERSION).model_dump())
    return Response(status_code=204, headers=_HEADERS)


async def influx_health(request: Request) -> Response:  # noqa: ARG001 - the shape of an endpoint
    """Whether the process runs, in InfluxDB's format: `pass`. Needs no token."""
    found = InfluxHealth(
        name="influxdb", message="ready for queries and writes", status="pass", version=_VERSION
    )
    return _json(found.model_dump())


async def form_credentials(request: Request) -> None:
    """Take the token from `p` of a form, as InfluxDB 1 does, if no header has one."""
    if _has_form(request) and b"authorization" not in request.scope["state"]["headers"]:
        request.state.form = await _form_of(request, _LONGEST_FORM)
        use_form_credentials(request.scope, request.state.form)


async def influx_query(request: Request) -> Response:
    """Accept `CREATE DATABASE`, which clients of InfluxDB 1 send before they write.

    It changes nothing: `db` of a write becomes a label. Any other statement is a 400.
    """
    statement = parameters_of(request).get("q", "")
    if _has_form(request):
        form = getattr(request.state, "form", None)
        if form is None:
            form = await _form_of(request, context_of(request).settings.max_body_bytes)
        statement = form.get("q", [statement])[0]
    if not statement.strip():
        raise InvalidRequest('missing required parameter "q"')
    if not _CREATE_DATABASE.fullmatch(statement):
        raise InvalidRequest(
            f"this server takes only CREATE DATABASE here, not {excerpt(statement)}; "
            "queries are PromQL at /api/v1/query"
        )
    return _json({"results": [{"statement_id": 0}]})


def _has_form(request: Request) -> bool:
    return request.method == "POST" and media_type(request) == _FORM


async def _form_of(request: Request, limit: int) -> dict[str, list[str]]:
    sent = await read_body(request, limit=limit)
    read = partial(parse_qs, sent.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
    try:
        return await off_the_loop(request, read, len(sent))
    except ValueError:
        raise InvalidRequest(f"the form has more than {_MOST_FIELDS} fields") from None


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, _HEADERS, "application/json")
