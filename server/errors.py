"""What the server refuses, and the one table from errors to status and code.

ServerError
├── InvalidRequest        400  a field, parameter or header is wrong; `details` name each
├── InvalidApiVersion     400  the API-Version header
├── Unauthenticated       401
├── Forbidden             403  the token's role is too low
├── NotFound              404
├── MethodNotAllowed      405
├── NotAcceptable         406
├── Conflict              409  the state of things does not allow it; `code` says which state
│   └── VersionConflict   409  somebody else changed it first
├── Gone                  410  it was here, and its time is over
├── TooSlow               408  a head or a body took too long to arrive
├── BodyTooLarge          413
├── UriTooLong            414
├── UnsupportedMedia      415
├── Impossible            422  well-formed, but it cannot be carried out; `code` says why
├── RateLimited           429
├── HeadTooLarge          431
├── Busy                  503  too many queries at once, or not ready
└── Unavailable           503  this server or its store cannot do that

An error may carry a `code` of its own, which stands in the envelope instead of its class's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from novaql import (
    ArgumentError,
    EvaluationError,
    InputError,
    LimitExceeded,
    QueryCancelled,
    QueryError,
    QueryTimeout,
    StorageUnavailable,
    SyntaxProblem,
    TypeProblem,
    UnknownName,
)
from novaql.tsdb import (
    InvalidBatch,
    PatternTooCostly,
    ReadOnly,
    StorageFull,
    StoreError,
    WriteFailed,
)


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing that is wrong. `pointer` is a JSON pointer into the body ("" is all of it)."""

    pointer: str
    message: str


class ServerError(Exception):
    """Base of all of them. `message` is for the client; `headers` go with the answer."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: Sequence[Detail] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = tuple(details)
        self.headers = dict(headers or {})


class InvalidRequest(ServerError):
    """Malformed or invalid input."""


class InvalidApiVersion(InvalidRequest):
    """The API-Version header names no version this server has."""


class Unauthenticated(ServerError):
    """No token, or not a good one."""


class Forbidden(ServerError):
    """The token is good, its role is not enough."""


class NotFound(ServerError):
    """There is nothing here."""


class MethodNotAllowed(ServerError):
    """The path exists, not for this method."""


class NotAcceptable(ServerError):
    """None of the formats asked for exists."""


class Conflict(ServerError):
    """Well-formed, and at odds with the state of things."""


class VersionConflict(Conflict):
    """An update that was made from an older version."""


class Gone(ServerError):
    """It is over for good."""


class TooSlow(ServerError):
    """A request that did not arrive in time."""


class BodyTooLarge(ServerError):
    """The body is larger than the limit."""


class UriTooLong(ServerError):
    """The request line is longer than the limit."""


class HeadTooLarge(ServerError):
    """The headers are more, or longer, than the limit."""


class UnsupportedMedia(ServerError):
    """A body of this content type or encoding is not taken."""


class Impossible(ServerError):
    """Well-formed input that cannot be carried out."""


class RateLimited(ServerError):
    """More requests than the quota allows."""


class Busy(ServerError):
    """Try again later."""


class Unavailable(ServerError):
    """What this server does not offer, as it runs now."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How an error shows: HTTP status, code of the envelope, errorType of Prometheus's API, and
    when to try again."""

    status: int
    code: str
    error_type: str
    prometheus_status: int = field(default=0)
    retry_after_s: int = 0

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes with an error that brings no headers of its own."""
        return {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}

    def status_for(self, *, prometheus: bool) -> int:
        return (self.prometheus_status or self.status) if prometheus else self.status


INTERNAL = Kind(500, "internal_error", "internal")

KINDS: Mapping[type[Exception], Kind] = {
    InvalidRequest: Kind(400, "validation_error", "bad_data"),
    InvalidApiVersion: Kind(400, "invalid_api_version", "bad_data"),
    Unauthenticated: Kind(401, "unauthorized", "unauthorized"),
    Forbidden: Kind(403, "forbidden", "forbidden"),
    NotFound: Kind(404, "not_found", "not_found"),
    MethodNotAllowed: Kind(405, "method_not_allowed", "bad_data"),
    NotAcceptable: Kind(406, "not_acceptable", "not_acceptable"),
    Conflict: Kind(409, "conflict", "bad_data"),
    VersionConflict: Kind(409, "version_conflict", "bad_data"),
    Gone: Kind(410, "gone", "not_found"),
    TooSlow: Kind(408, "request_timeout", "bad_data"),
    BodyTooLarge: Kind(413, "body_too_large", "bad_data"),
    UriTooLong: Kind(414, "uri_too_long", "bad_data"),
    UnsupportedMedia: Kind(415, "unsupported_media_type", "bad_data"),
    Impossible: Kind(422, "unprocessable", "execution"),
    RateLimited: Kind(429, "rate_limited", "too_many_requests"),
    HeadTooLarge: Kind(431, "head_too_large", "bad_data"),
    Busy: Kind(503, "busy", "unavailable"),
    Unavailable: Kind(503, "unavailable", "unavailable"),
    ArgumentError: Kind(400, "validation_error", "bad_data"),
    SyntaxProblem: Kind(422, "syntax_error", "bad_data", 400),
    TypeProblem: Kind(422, "type_error", "bad_data", 400),
    UnknownName: Kind(422, "unknown_name", "bad_data", 400),
    QueryError: Kind(422, "query_error", "bad_data", 400),
    EvaluationError: Kind(422, "execution_error", "execution"),
    LimitExceeded: Kind(422, "query_limit", "execution"),
    PatternTooCostly: Kind(422, "query_limit", "execution"),
    MemoryError: Kind(503, "busy", "unavailable", retry_after_s=1),
    QueryTimeout: Kind(422, "query_limit", "timeout", 503),
    QueryCancelled: Kind(499, "cancelled", "canceled"),
    InputError: Kind(400, "invalid_input", "bad_data"),
    StorageUnavailable: Kind(503, "storage_unavailable", "internal", 500),
    InvalidBatch: Kind(400, "invalid_input", "bad_data"),
    WriteFailed: Kind(503, "storage_unavailable", "unavailable", retry_after_s=5),
    StorageFull: Kind(503, "storage_full", "unavailable", retry_after_s=5),
    ReadOnly: Kind(503, "storage_read_only", "unavailable", retry_after_s=60),
    StoreError: Kind(503, "storage_unavailable", "internal", 500),
}


def not_found(kind: str, key: str, tenant: str) -> NotFound:
    """The one answer to an id that is not there, whether it never was or is another tenant's."""
    return NotFound(f"No {kind} with id={key} in tenant={tenant}.", code=f"{kind}_not_found")


def invalid(pointer: str, message: str) -> InvalidRequest:
    """One field of the body, or one parameter, that is wrong."""
    return InvalidRequest(f"{pointer or 'the body'}: {message}", details=[Detail(pointer, message)])


@contextmanager
def inside(pointer: str) -> Iterator[None]:
    """What is checked here is part of a body: errors get the pointer to it before their own."""
    try:
        yield
    except ServerError as error:
        if error.details and error.message.startswith(error.details[0].pointer):
            error.message = pointer + error.message
        error.details = tuple(Detail(pointer + d.pointer, d.message) for d in error.details)
        raise


def kind_of(error: BaseException) -> Kind:
    """The most specific entry wins; an unlisted error is our fault."""
    return next((KINDS[c] for c in type(error).__mro__ if c in KINDS), INTERNAL)
