"""Formats an error as an answer: the envelope of the API, or that of another system's base."""

from __future__ import annotations

import re
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from novaql import ArgumentError, Located, QueryCancelled, QueryError, QueryTimeout
from novaql.server.bases import error_format
from novaql.server.errors import (
    INTERNAL,
    MOST_DETAILS,
    Detail,
    Impossible,
    InvalidApiVersion,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    ServerError,
    kind_of,
)
from novaql.server.http.json_bytes import json_bytes
from novaql.server.http.request import request_id_of
from novaql.text import excerpt

_PROMETHEUS_SENTENCES: dict[type[Exception], str] = {
    QueryTimeout: "query timed out in expression evaluation",
    QueryCancelled: "query was canceled in expression evaluation",
}
_MOST_OF_A_MESSAGE, _MOST_OF_A_DETAIL = 2_000, 1_000
_NOTHING = re.compile(r"(?:\s++|#.*)*+")
UNEXPECTED = "something went wrong on our side; quote the request id when you report it"


async def answer_failure(request: Request, error: Exception) -> Response:
    """Return the answer to an error of the framework outside of the index of routes."""
    scope = request.scope
    return problem_response(own_error(error, scope), scope["path"], request_id_of(request))


def own_error(error: Exception, scope: Scope) -> Exception:
    """Translate an error of the framework to an error of this server."""
    if not isinstance(error, HTTPException):
        return error
    method, path = scope["method"], scope["path"]
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{method} is not for {path}; it takes {allowed}"
        return MethodNotAllowed(message, headers={"Allow": allowed})
    if error.status_code == 404:
        usual = error.detail == "Not Found"
        return NotFound(f"there is nothing at {path}" if usual else error.detail)
    return InvalidRequest(error.detail)


def problem_response(error: BaseException, path: str, request_id: str) -> Response:
    """Return the answer to a failed request. It has no details of unexpected errors."""
    kind, format_ = kind_of(error), error_format(path)
    prometheus = format_ == "Prometheus"
    media = "application/json"
    message = UNEXPECTED if kind is INTERNAL else _message(error, prometheus=prometheus)
    message = excerpt(message, _MOST_OF_A_MESSAGE)
    if prometheus:
        body: dict[str, Any] = {"status": "error", "errorType": kind.error_type, "error": message}
    elif format_ == "Influx":  # clients of version 1 read `error`, those of version 2 the others
        body = {"code": kind.code, "message": message, "error": message}
    elif format_ == "Scim":
        media = "application/scim+json"
        body = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": str(kind.status),
            "detail": message,
        }
        if kind.status == 400:
            syntax = isinstance(error, ServerError) and error.code == "invalid_syntax"
            body["scimType"] = "invalidSyntax" if syntax else "invalidValue"
    else:
        code = (error.code if isinstance(error, ServerError) else None) or kind.code
        body = {"error": {"code": code, "message": message, "request_id": request_id}}
        if isinstance(error, InvalidApiVersion):
            body["error"]["supported_versions"] = error.supported
        body["error"].update(_place(error))
        if details := _details(error):
            body["error"]["details"] = [
                {"pointer": excerpt(d.pointer), "message": excerpt(d.message, _MOST_OF_A_DETAIL)}
                for d in details[:MOST_DETAILS]
            ]
    return Response(
        json_bytes(body),
        kind.status_for(prometheus=prometheus),
        error.headers if isinstance(error, ServerError) else kind.headers,
        media,
    )


def query_error_text(error: QueryError) -> str:
    """Return the text of a query error in the format of Prometheus: `1:4: parse error: …`."""
    if _NOTHING.fullmatch(error.text):
        return "unknown position: parse error: no expression found in input"
    if error.sentence.startswith("invalid expression type"):  # it has no position
        return error.sentence
    return f"{error.line}:{error.column}: parse error: {error.sentence}"


def _message(error: BaseException, *, prometheus: bool) -> str:
    if isinstance(error, QueryError):
        if prometheus:
            return f'invalid parameter "query": {query_error_text(error)}'
        return error.sentence
    if prometheus:
        for kind, sentence in _PROMETHEUS_SENTENCES.items():
            if isinstance(error, kind):
                return sentence
    return error.message if isinstance(error, ServerError) else str(error)


def _place(error: BaseException) -> dict[str, Any]:
    """Return the position of an error in the query, if it is known. An error that names the field
    of the query has the error of the query as its cause."""
    if isinstance(error, Impossible) and error.__cause__ is not None:
        error = error.__cause__
    if not isinstance(error, QueryError | Located):
        return {}
    span, text = error.span, error.text
    if span is None or (isinstance(error, Located) and not text):
        return {}
    line, column = span.position(text)
    return {
        "line": line,
        "column": column,
        "length": max(1, span.end - span.start),
        "suggestion": error.suggestion if isinstance(error, QueryError) else None,
        "picture": span.picture(text),
    }


def _details(error: BaseException) -> tuple[Detail, ...]:
    if isinstance(error, ServerError):
        return error.details
    if isinstance(error, ArgumentError):
        pointer = "/" + error.argument.replace("~", "~0").replace("/", "~1")
        return (Detail(pointer, str(error).removeprefix(f"{error.argument}: ")),)
    return ()
