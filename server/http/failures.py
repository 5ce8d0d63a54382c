"""Translates exceptions to answers."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from novaql.server.errors import InvalidRequest, MethodNotAllowed, NotFound, ServerError
from novaql.server.http.problem import problem_response
from novaql.server.http.query import invalid_query
from novaql.server.http.request import request_id_of


async def answer_failure(request: Request, error: Exception) -> Response:
    """Return the error in the format of the API or of another base, by the path.

    The handler of every exception in `errors.KINDS`, and of the framework's own.
    """
    path = request.scope["path"]
    if isinstance(error, RequestValidationError):
        error = invalid_query(error)
    elif isinstance(error, HTTPException):
        error = _own(request.method, path, error)
    return problem_response(error, path, request_id_of(request))


def _own(method: str, path: str, error: HTTPException) -> ServerError:
    """Translate an error of the framework to an error of this server."""
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{method} is not for {path}; it takes {allowed}"
        return MethodNotAllowed(message, headers={"Allow": allowed})
    if error.status_code == 404:
        usual = error.detail == "Not Found"
        return NotFound(f"there is nothing at {path}" if usual else error.detail)
    return InvalidRequest(error.detail)
