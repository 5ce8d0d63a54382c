"""Components of the OpenAPI document: texts, headers, parameters, and errors of any request."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from novaql.server.http.answers import VERSION_TAG
from novaql.server.versions import CURRENT, SUPPORTED

MEANING = {
    400: "Malformed or invalid input",
    401: "No token, or not a good one",
    403: "The token's role is too low, or a page of another site made the request",
    404: "There is no such thing, or it is another tenant's",
    406: "None of the formats asked for exists",
    409: "The state of things does not allow it",
    410: "It is over",
    415: "The body has a content type that is not taken",
    422: "Well-formed, but it cannot be carried out",
    429: "Too many requests",
    500: "Our fault",
    503: "Busy, or the storage is not available; try again",
}
DESCRIPTION = """Metric queries over an embedded column store, and what stands on them.

Every answer carries `X-Request-Id`, and every failure the same envelope. Operations that are marked
`x-idempotency-key` take the header `Idempotency-Key` (1 to 255 printable characters): sent again
within 24 hours with the same request, it gets the same answer, marked `Idempotent-Replayed: true`;
409 while the first is being worked on, 422 with another request. Lists are pages: `next_cursor` of
one is `cursor` of the next, and it is absent at the end. Updates take the `version` of what they
were made from, in the body or as `If-Match`. No text that is sent holds U+0000.

Every path that has `get` also answers HEAD, with the status and the headers of GET and no body
(`x-implied-methods`). HEAD has no operations of its own here: each would repeat its GET, and
generated clients would have every method twice. Any other method is a 405 with `Allow`.

A request whose head is larger than 64 kB or has more than 100 headers is refused before its path
counts: 414 where the request line is too long, 431 where the headers are. A head that is not there
after 10 s is a 408, and so is a body that arrives at less than 16 kB/s after its first 10 s, or
pauses for 60 s.
"""
ANY_REQUEST = (400, 403, 408, 414, 431, 500, 503)
"""Errors that any request can get, whatever its path: 400 for a malformed one, 403 for one of
another site, 503 if there are too many connections."""
SHARED = {
    408: ("RequestTimeout", "The request's head or body arrived too slowly"),
    413: ("BodyTooLarge", "The body is too large"),
    414: ("UriTooLong", "The request line is too long"),
    431: ("HeadTooLarge", "The headers are too many or too long"),
}
"""Errors that are components of the document, by status: name and description."""
TAGS = {
    "alerts": "Alerts, their silences, and the rules that raise them",
    "audit": "Who did what, when, and what it changed",
    "dashboards": "Dashboards and the data of their panels",
    "health": "Whether the server works, and its own metrics",
    "incidents": "What went wrong, who has taken it on, and its timeline",
    "ingest": "Samples sent to the server",
    "prometheus": "Prometheus's HTTP API, for Grafana, promtool and remote readers",
    "query": "NovaQL queries",
    "services": "The catalogue of services, their health and their dependencies",
    "slo": "Service level objectives and their error budgets",
    "tokens": "API tokens",
    "users": "People of a tenant",
    "webhooks": "Signed deliveries of events",
}
HEADERS: dict[str, dict[str, Any]] = {
    "RequestId": {
        "description": "Quote it when you report a problem",
        "schema": {"type": "string", "pattern": "^req_[0-7][0-9A-HJKMNP-TV-Z]{25}$"},
    },
    "ApiVersion": {
        "description": "The version that the answer is written in",
        "schema": {"type": "string", "enum": list(SUPPORTED)},
    },
    "RateLimit": {
        "description": "What is left of each quota, and seconds until there is more",
        "schema": {"type": "string", "examples": ['"minute";r=87;t=31, "day";r=9120;t=40213']},
    },
    "RateLimitPolicy": {
        "description": "The quotas: requests and seconds",
        "schema": {"type": "string", "examples": ['"minute";q=100;w=60, "day";q=10000;w=86400']},
    },
    "IdempotentReplayed": {
        "description": "There, and `true`, if this is the answer to an earlier request",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "ETag": {
        "description": "For If-None-Match, and for If-Match of a change",
        "schema": {"type": "string", "pattern": '^"[0-9]+(-[0-9a-f]{12})?"$'},
    },
    "RetryAfter": {
        "description": "Seconds to wait",
        "schema": {"type": "integer", "minimum": 1},
    },
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Chosen by the client for one change: a request that is sent again with it "
        "within 24 hours gets the first answer, and changes nothing",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of an earlier answer: 304 if nothing has changed",
        "schema": {"type": "string"},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The ETag of what the change was made from, or its `version`; it counts "
        "before `version` in the body. 409 if the resource has changed since",
        "schema": {"type": "string", "pattern": VERSION_TAG, "examples": ['"3"']},
    },
    "ApiVersion": {
        "name": "API-Version",
        "in": "header",
        "description": "Version of the API; absent: the one the token was issued for. This "
        f"document describes {CURRENT}; the server also speaks {', '.join(SUPPORTED[:-1])}.",
        "schema": {"type": "string", "enum": [CURRENT]},
    },
}


_SENTENCE = re.compile(r"(?<=[.?!]) (?=[A-Z`0-9])")


def shared_responses() -> dict[str, dict[str, Any]]:
    """Return the components of `SHARED`, for each base."""
    return {
        _shared_name(status, prometheus): _failure(description, prometheus)
        for prometheus in (False, True)
        for status, (_, description) in SHARED.items()
    }


def failure(status: int, *, prometheus: bool = False) -> dict[str, Any]:
    """Return a response that is an error, in the format of a base."""
    if status in SHARED:
        return {"$ref": f"#/components/responses/{_shared_name(status, prometheus)}"}
    found = _failure(MEANING.get(status, HTTPStatus(status).phrase), prometheus)
    if status == 429:
        found["headers"]["Retry-After"] = header("RetryAfter")
    return found


def header(name: str) -> dict[str, str]:
    """Return a reference to one of `HEADERS`."""
    return {"$ref": f"#/components/headers/{name}"}


def summary_of(description: str) -> str:
    """Return the first sentence of a description, without its full stop."""
    return _SENTENCE.split(" ".join(description.split()), 1)[0].rstrip(".")


def finished(parameter: dict[str, Any]) -> dict[str, Any]:
    """Complete a parameter: it is never null, and has a description but no title."""
    schema = dict(parameter["schema"])
    title = schema.pop("title", None)
    text = schema.pop("description", parameter.get("description"))
    if text is None and parameter["in"] == "query":
        text = title
    choices = [choice for choice in schema.pop("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        schema = {**choices[0], **schema}
    elif choices:
        schema["anyOf"] = choices
    if schema.get("default", 0) is None:
        del schema["default"]
    described = {} if text is None else {"description": text}
    return {**parameter, "schema": schema, **described}


def _failure(description: str, prometheus: bool) -> dict[str, Any]:
    model = "PrometheusError" if prometheus else "ErrorEnvelope"
    schema = {"$ref": f"#/components/schemas/{model}"}
    return {
        "description": description,
        "headers": {"X-Request-Id": header("RequestId")},
        "content": {"application/json": {"schema": schema}},
    }


def _shared_name(status: int, prometheus: bool) -> str:
    return ("Prometheus" if prometheus else "") + SHARED[status][0]
