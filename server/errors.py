"""Errors of the server, and the table that maps errors to HTTP statuses and codes.

ServerError
├── InvalidRequest        400  a field, parameter or header is invalid; `details` lists each
├── InvalidApiVersion     400  the API-Version header
├── Unauthenticated       401
├── Forbidden             403  the token's role is too low
├── NotFound              404
├── MethodNotAllowed      405
├── NotAcceptable         406
├── Conflict              409  the state of a resource does not allow it; `code` is the reason
│   └── VersionConflict   409  another request changed the resource first
├── Gone                  410  the resource has expired
├── TooSlow               408  a head or a body took too long to arrive
├── BodyTooLarge          413
├── UriTooLong            414
├── UnsupportedMedia      415
├── Impossible            422  valid, but it cannot be carried out; `code` is the reason
├── RateLimited           429
├── HeadTooLarge          431
├── Busy                  503  too many queries at once, or not ready
└── Unavailable           503  this server or its store does not support the request

The `code` of an error overrides the code of its class in the envelope.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field

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
from novaql.fast_dataclass import dataclass
from novaql.tsdb import (
    InvalidBatch,
    InvalidDeletion,
    PatternTooCostly,
    ReadOnly,
    StorageFull,
    StoreError,
    WriteFailed,
)

MOST_DETAILS = 200
"""The most invalid fields that an answer lists."""


@dataclass(frozen=True, slots=True)
class Detail:
    """One invalid field. `pointer` is a JSON pointer into the body; "": the whole body."""

    pointer: str
    message: str


class ServerError(Exception):
    """Base class. The answer to the client contains `message` and has `headers`."""

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
    """The API-Version header names a version that this server does not support. The answer to the
    client contains those that it supports."""

    def __init__(self, message: str, supported: Sequence[str]) -> None:
        super().__init__(message)
        self.supported = tuple(supported)


class Unauthenticated(ServerError):
    """The request has no token, or an invalid one."""


class Forbidden(ServerError):
    """The role of the token is too low."""


class NotFound(ServerError):
    """No such path or resource."""


class MethodNotAllowed(ServerError):
    """The path does not support the method."""


class NotAcceptable(ServerError):
    """The endpoint supports none of the formats that the request accepts."""


class Conflict(ServerError):
    """A valid request that the current state of a resource does not allow."""


class VersionConflict(Conflict):
    """The update is based on an older version of the resource."""


class Gone(ServerError):
    """The resource or URL has expired."""


class TooSlow(ServerError):
    """The request did not arrive in time."""


class BodyTooLarge(ServerError):
    """The body is larger than the limit."""


class UriTooLong(ServerError):
    """The request line is longer than the limit."""


class HeadTooLarge(ServerError):
    """The number or size of the headers is larger than the limit."""


class UnsupportedMedia(ServerError):
    """The endpoint does not support the content type or encoding of the body."""


class Impossible(ServerError):
    """A valid request that cannot be carried out."""


class RateLimited(ServerError):
    """More requests than the quota allows."""


class Busy(ServerError):
    """The server is overloaded or not ready; clients retry later."""


class Unavailable(ServerError):
    """This server or its store does not support the request, as it runs now."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The answer to an error: HTTP status, code of the envelope, `errorType` of Prometheus's API,
    and the delay before a retry."""

    status: int
    code: str
    error_type: str
    prometheus_status: int = field(default=0)
    retry_after_s: int = 0

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of an answer to an error without headers of its own."""
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
    InvalidDeletion: Kind(400, "validation_error", "bad_data"),
    WriteFailed: Kind(503, "storage_unavailable", "unavailable", retry_after_s=5),
    StorageFull: Kind(503, "storage_full", "unavailable", retry_after_s=5),
    ReadOnly: Kind(503, "storage_read_only", "unavailable", retry_after_s=60),
    StoreError: Kind(503, "storage_unavailable", "internal", 500),
}


def not_found(kind: str, key: str, tenant: str) -> NotFound:
    """The error for an unknown id. It is the same if another tenant has a resource with this id."""
    return NotFound(f"No {kind} with id={key} in tenant={tenant}.", code=f"{kind}_not_found")


def invalid(pointer: str, message: str) -> InvalidRequest:
    """The error for one invalid field of the body, or one invalid parameter."""
    return InvalidRequest(f"{pointer or 'the body'}: {message}", details=[Detail(pointer, message)])


def impossible(pointer: str, message: str, code: str) -> Impossible:
    """The error for a valid field that names or requests something that does not exist."""
    return Impossible(f"{pointer}: {message}", code=code, details=[Detail(pointer, message)])


@contextmanager
def query_at(pointer: str) -> Iterator[None]:
    """Name the field of the body that a `QueryError` is about. The answer still has the code and
    the position of the error."""
    try:
        yield
    except QueryError as problem:
        message = problem.sentence
        raise Impossible(
            message, code=kind_of(problem).code, details=[Detail(pointer, message)]
        ) from problem


@contextmanager
def inside(pointer: str) -> Iterator[None]:
    """Prepend `pointer` to the pointers of errors that checks of a part of a body raise."""
    try:
        yield
    except ServerError as error:
        if error.details and error.message.startswith(error.details[0].pointer):
            error.message = pointer + error.message
        error.details = tuple(Detail(pointer + d.pointer, d.message) for d in error.details)
        raise


def kind_of(error: BaseException) -> Kind:
    """The entry of the most specific class of the error; `INTERNAL` if `KINDS` has none."""
    return next((KINDS[c] for c in type(error).__mro__ if c in KINDS), INTERNAL)
