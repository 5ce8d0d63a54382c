"""What endpoints of domains answer, and how it goes out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from novaql.server.platform.api_version import CURRENT, from_current
from novaql.server.platform.cursors import Page
from novaql.server.platform.errors import InvalidRequest
from novaql.server.platform.idempotency import Kept

if TYPE_CHECKING:
    from novaql.server.platform.calls import Call

AnyRow = TypeVar("AnyRow")
VERSION_TAG = '^((W/)?"[0-9]{1,9}(-[0-9a-f]{12})?"|[0-9]{1,9}(-[0-9a-f]{12})?)$'
"""What If-Match holds."""
_VERSION = re.compile(VERSION_TAG)


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of a list, as models."""

    rows: Sequence[BaseModel]
    next_cursor: str | None

    def plain(self) -> dict[str, Any]:
        """As data."""
        data: dict[str, Any] = {"data": [row.model_dump(mode="json") for row in self.rows]}
        if self.next_cursor is not None:
            data["next_cursor"] = self.next_cursor
        return data

    def json(self) -> bytes:
        """As text, without the data in between."""
        rows = b",".join(_json_of(row) for row in self.rows)
        end = (
            b"" if self.next_cursor is None else b',"next_cursor":' + orjson.dumps(self.next_cursor)
        )
        return b'{"data":[' + rows + b"]" + end + b"}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answers: a model (or plain data, or bytes of `media`), and headers."""

    status: int
    body: BaseModel | Shown | Mapping[str, Any] | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media: str = "application/json"


@dataclass(frozen=True, slots=True)
class Outside:
    """What a use case returns when it has to talk to somebody outside before it can answer.

    act     what is done between two transactions; it must not touch the database
    finish  the answer, in a transaction of its own; gets what `act` returned
    """

    act: Callable[[], Any]
    finish: Callable[[Call, Any], Answer]


def ok(body: BaseModel | Mapping[str, Any]) -> Answer:
    """200 with a body."""
    return Answer(200, body)


def created(body: BaseModel | Mapping[str, Any], location: str | None = None) -> Answer:
    """201 with the new resource, and where it is."""
    return Answer(201, body, {} if location is None else {"Location": location})


def accepted(body: BaseModel | Mapping[str, Any]) -> Answer:
    """202: it will be done."""
    return Answer(202, body)


def no_content() -> Answer:
    """204."""
    return Answer(204)


def listed(page: Page[AnyRow], show: Callable[[AnyRow], BaseModel]) -> Answer:
    """200 with a page of rows, each as `show` makes it."""
    return Answer(200, Shown([show(row) for row in page.rows], page.next_cursor))


def encoded(answer: Answer, version: str, route: str) -> Kept:
    """The answer as it goes out, in the version of the request."""
    body = answer.body
    headers = {"Cache-Control": "no-store", **answer.headers}
    if body is None:
        return Kept(answer.status, headers, b"")
    headers["Content-Type"] = answer.media
    if isinstance(body, bytes):
        return Kept(answer.status, headers, body)
    if version == CURRENT:
        content = _json_of(body)
    else:
        plain: Any = body
        if isinstance(body, Shown):
            plain = body.plain()
        elif isinstance(body, BaseModel):
            plain = body.model_dump(mode="json")
        content = orjson.dumps(from_current(version, route, plain))
    number = getattr(body, "version", None) if isinstance(body, BaseModel) else None
    if type(number) is int:
        headers["ETag"] = _etag(body, number, content)
    return Kept(answer.status, headers, content)


def response_of(request: Request, done: Kept) -> Response:
    """The answer, or a 304 for a client that has it already."""
    if request.method == "GET" and _is_unchanged(done, request.headers.get("if-none-match")):
        shown = {name: value for name, value in done.headers.items() if name != "Content-Type"}
        return Response(status_code=304, headers=shown)
    return Response(done.body, done.status, done.headers)


def _is_unchanged(kept: Kept, if_none_match: str | None) -> bool:
    """Whether a client has the answer already, as `If-None-Match` says (RFC 9110, 13.1.2)."""
    etag = kept.headers.get("ETag")
    if if_none_match is None or etag is None or kept.status != 200:
        return False
    given = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return etag in given or given == ["*"]


def version_in(headers: Mapping[str, str]) -> int | None:
    """The `version` that If-Match holds, in an entity tag or alone: `"3"`, `W/"3"`, `3`,
    `"3-1f2e3d4c5b6a"`. None without the header. Raises `InvalidRequest` for anything else."""
    text = headers.get("if-match")
    if text is None:
        return None
    tag = text.strip()
    if not _VERSION.fullmatch(tag):
        raise InvalidRequest('If-Match holds the `version` of the resource, like "3"')
    return int(tag.removeprefix("W/").strip('"').partition("-")[0])


def _etag(body: object, number: int, content: bytes) -> str:
    """`"3"`: the version; with a digest where fields are shown that change without it."""
    if getattr(body, "settled", False):
        return f'"{number}"'
    return f'"{number}-{hashlib.sha256(content).hexdigest()[:12]}"'


def _json_of(body: BaseModel | Shown | Mapping[str, Any]) -> bytes:
    if isinstance(body, Shown):
        return body.json()
    if isinstance(body, BaseModel):
        return body.__pydantic_serializer__.to_json(body)
    return orjson.dumps(body)
