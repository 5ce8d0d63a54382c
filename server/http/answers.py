"""Answers from models: JSON in the version of the request, entity tags, and 304."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from novaql.server.errors import InvalidRequest
from novaql.server.http.idempotency import RecordedResponse
from novaql.server.http.json_bytes import json_bytes, model_bytes
from novaql.server.versions import CURRENT, from_current

VERSION_TAG = '^((W/)?"[!#-~]{1,255}"|[0-9]{1,9}(-[0-9a-f]{12})?)$'
"""The syntax of If-Match: an entity tag, or a version without quotes."""
_TAG = re.compile(VERSION_TAG)
_VERSION = re.compile(r'(W/)?"?([0-9]{1,9})(-[0-9a-f]{12})?"?')
_NO_VERSION = 0
"""Every resource has a version of at least 1."""


def encoded(
    body: BaseModel | Mapping[str, Any] | None,
    status: int,
    headers: Mapping[str, str],
    version: str,
    route: str,
) -> RecordedResponse:
    """Return an answer in the API version of the request."""
    headers = {"Cache-Control": "no-store", **headers}
    if body is None:
        return RecordedResponse(status, headers, b"")
    headers["Content-Type"] = "application/json"
    if version != CURRENT:
        plain = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        content = json_bytes(from_current(version, route, plain))
    elif isinstance(body, BaseModel):
        content = model_bytes(body)
    else:
        content = json_bytes(body)
    number = getattr(body, "version", None) if isinstance(body, BaseModel) else None
    if type(number) is int:
        headers["ETag"] = _etag(body, number, content)
    return RecordedResponse(status, headers, content)


def or_unchanged(request: Request, response: Response) -> Response:
    """Return the answer to a GET, or a 304 if `If-None-Match` has its entity tag (RFC 9110,
    13.1.2)."""
    if_none_match = request.scope["state"]["headers"].get(b"if-none-match")
    if if_none_match is None or response.status_code != 200:
        return response
    etag = response.headers.get("etag")
    if etag is None:
        return response
    given = [one.strip().removeprefix("W/") for one in if_none_match.decode("latin-1").split(",")]
    if etag not in given and given != ["*"]:
        return response
    unsent = ("content-type", "content-length")
    shown = {name: value for name, value in response.headers.items() if name not in unsent}
    return Response(status_code=304, headers=shown)


def version_in(headers: Mapping[str, str]) -> int | None:
    """Return the `version` in If-Match, an entity tag or a plain number: `"3"`, `W/"3"`, `3`,
    `"3-1f2e3d4c5b6a"`. None without the header. An entity tag that is not one of this server is
    that of no version. Raises `InvalidRequest` for a value that is no entity tag."""
    text = headers.get("if-match")
    if text is None:
        return None
    tag = text.strip()
    if not _TAG.fullmatch(tag):
        raise InvalidRequest('If-Match holds one ETag or `version` of the resource, like "3"')
    own = _VERSION.fullmatch(tag)
    return int(own[2]) if own else _NO_VERSION


def _etag(body: object, number: int, content: bytes) -> str:
    """Return the entity tag: `"3"` for version 3. A digest is added if some fields change without
    the version."""
    if getattr(body, "settled", False):
        return f'"{number}"'
    return f'"{number}-{hashlib.sha256(content).hexdigest()[:12]}"'
