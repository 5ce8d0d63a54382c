"""Components of the OpenAPI document: texts, headers, parameters, and errors of any request."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from novaql.server.http.answers import VERSION_TAG
from novaql.server.openapi.error_models import ERROR_MODELS
from novaql.server.versions import CURRENT, SUPPORTED

MEANING = {
    400: "Malformed or invalid input",
    401: "Missing or invalid token",
    403: "The token's role is too low, or a page of another site sent the request",
    404: "Not found in this tenant",
    406: "None of the requested formats is available",
    409: "Conflict with the current state of the resource",
    410: "No longer available",
    415: "Unsupported content type of the body",
    422: "Well-formed, but impossible to carry out",
    429: "Too many requests",
    500: "Internal error",
    503: "Overloaded, or the storage is unavailable; retry",
}
DESCRIPTION = """Metric queries over an embedded column store, and an observability platform.

Every response has an `X-Request-Id`, and every error the same envelope. Operations marked
`x-idempotency-key` accept the header `Idempotency-Key` (1 to 255 printable characters): a request
that is repeated within 24 hours gets the first response, marked `Idempotent-Replayed: true`. The
status is 409 while the first request runs, and 422 if the key was used for another request. Lists
are paginated: pass `next_cursor` of a page as `cursor` to get the next page; the last page has
none. Updates take the `version` that the client last read, in the body or as `If-Match`. Text must
not contain U+0000.

Every path with `get` also answers HEAD, with the status and headers of GET and without a body
(`x-implied-methods`). The document does not list HEAD, so that generated clients do not contain
every method twice. Any other method is a 405 with `Allow`.

A request head of more than 64 kB or 100 headers is rejected before its path is read: with 414 if
the request line is too long, otherwise with 431. A head that does not arrive within 10 s is a 408,
and so is a body that arrives at less than 16 kB/s after its first 10 s, or pauses for 60 s.
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
    "agents": "Agents, their queued actions, and their tamper-evident ledgers",
    "alerts": "Alert rules, alerts, silences, notification channels and routing",
    "audit": "The log of changes: author, time, and the values before and after",
    "dashboards": "Dashboards and the data of their panels",
    "health": "Health checks and metrics of the server itself",
    "incidents": "Incidents, their assignees and timelines",
    "ingest": "Ingestion of samples",
    "oncall": "On-call schedules, overrides, calendar feeds, escalation policies and pages",
    "integrations": "Connections to other systems, and what is imported from them",
    "prometheus": "Prometheus's HTTP API, for Grafana, promtool and remote readers",
    "query": "NovaQL queries",
    "runbooks": "Runbooks: remediations as steps with guardrails, and their runs",
    "services": "The catalogue of services, their health and their dependencies",
    "sessions": "Sessions of browsers: a cookie in place of a token, for pages of this server",
    "slo": "Service level objectives and their error budgets",
    "synthetics": "Synthetic checks, their results and uptime, and the runners of regions",
    "tokens": "API tokens",
    "users": "Users of a tenant",
    "webhooks": "Signed deliveries of events",
}
HEADERS: dict[str, dict[str, Any]] = {
    "RequestId": {
        "description": "Identifies the request, also in the log of the server",
        "schema": {"type": "string", "pattern": "^req_[0-7][0-9A-HJKMNP-TV-Z]{25}$"},
    },
    "ApiVersion": {
        "description": "The API version of the response",
        "schema": {"type": "string", "enum": list(SUPPORTED)},
    },
    "RateLimit": {
        "description": "The remaining requests of each quota, and the seconds until it is refilled",
        "schema": {"type": "string", "examples": ['"minute";r=87;t=31, "day";r=9120;t=40213']},
    },
    "RateLimitPolicy": {
        "description": "The quotas: requests and seconds",
        "schema": {"type": "string", "examples": ['"minute";q=100;w=60, "day";q=10000;w=86400']},
    },
    "IdempotentReplayed": {
        "description": "`true` for the recorded response to an earlier request; otherwise absent",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "ETag": {
        "description": "For If-None-Match, and for If-Match of a change",
        "schema": {"type": "string", "pattern": '^"([0-9]+(-[0-9a-f]{12})?|[0-9a-f]{24})"$'},
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
        "description": "Chosen by the client for one change: a request that is repeated with it "
        "within 24 hours gets the first response and changes nothing",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of an earlier response: 304 if nothing has changed",
        "schema": {"type": "string"},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The ETag or `version` that the client last read; it has precedence over "
        "`version` in the body. 409 if the resource has changed since",
        "schema": {"type": "string", "pattern": VERSION_TAG, "examples": ['"3"']},
    },
    "ApiVersion": {
        "name": "API-Version",
        "in": "header",
        "description": "Version of the API; absent: the version at the token's creation. This "
        f"document describes {CURRENT}; the server also supports {', '.join(SUPPORTED[:-1])}.",
        "schema": {"type": "string", "enum": [CURRENT]},
    },
}


_SENTENCE = re.compile(r"(?<=[.?!]) (?=[A-Z`0-9])")


def shared_responses() -> dict[str, dict[str, Any]]:
    """Return the components of `SHARED`, for each base."""
    return {
        _shared_name(status, format_): _failure(description, format_)
        for format_ in ERROR_MODELS
        for status, (_, description) in SHARED.items()
    }


def failure(status: int, format_: str = "") -> dict[str, Any]:
    """Return a response that is an error, in one of the formats of `ERROR_MODELS`."""
    if status in SHARED:
        return {"$ref": f"#/components/responses/{_shared_name(status, format_)}"}
    found = _failure(MEANING.get(status, HTTPStatus(status).phrase), format_)
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


def _failure(description: str, format_: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{ERROR_MODELS[format_].__name__}"}
    return {
        "description": description,
        "headers": {"X-Request-Id": header("RequestId")},
        "content": {"application/json": {"schema": schema}},
    }


def _shared_name(status: int, format_: str) -> str:
    return format_ + SHARED[status][0]
