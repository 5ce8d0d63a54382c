"""Answers to requests that never reach the application, because the message itself is invalid.

They have the format of the application's errors, by the path as far as it is known.
"""

from __future__ import annotations

import logging
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import unquote

from novaql.server.errors import ServerError, kind_of
from novaql.server.http.problem import problem_response
from novaql.server.ids import new_id
from novaql.server.telemetry import Observation, Telemetry
from novaql.server.versions import CURRENT

access = logging.getLogger("novaql.server.access")


def path_of(target: bytes) -> str:
    """Return the path in the target of a request line, even of a malformed or truncated one."""
    text = target.decode("latin-1")
    scheme, separator, rest = text.partition("://")
    if separator and scheme.isalpha():
        text = "/" + rest.partition("/")[2]
    return unquote(text.partition("?")[0][:1024])


def refusal(error: ServerError, path: str, telemetry: Telemetry) -> bytes:
    """Return a complete answer that announces the close of the connection. Count and log it."""
    request_id, status = new_id("req"), kind_of(error).status
    telemetry.count(Observation("unread", "other", status, 0.0, error.code or kind_of(error).code))
    access.info("request refused", extra={"request_id": request_id, "status": status})
    answer = problem_response(error, path, request_id)
    phrase = HTTPStatus(answer.status_code).phrase
    lines = [f"HTTP/1.1 {answer.status_code} {phrase}".encode()]
    lines += [name + b": " + value for name, value in answer.raw_headers]
    lines += [
        b"x-request-id: " + request_id.encode(),
        b"x-content-type-options: nosniff",
        b"referrer-policy: no-referrer",
        b"date: " + formatdate(usegmt=True).encode(),
        b"connection: close",
    ]
    if path.startswith("/v1"):
        lines.append(b"api-version: " + CURRENT.encode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + bytes(answer.body)
