"""The OpenAPI 3.1 document, written from the route table."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from server.platform.api_version import CURRENT, SUPPORTED
from server.platform.endpoint import (
    Endpoint,
    ErrorEnvelope,
    PrometheusError,
    operation_id,
    schema_of,
)
from server.platform.problem import is_prometheus

_MEANING = {
    400: "Malformed or invalid input",
    401: "No token, or not a good one",
    403: "The token's role is too low",
    404: "There is no such thing, or it is another tenant's",
    406: "None of the formats asked for exists",
    409: "The state of things does not allow it",
    410: "It is over",
    413: "The body is too large",
    415: "The body has a content type that is not taken",
    422: "Well-formed, but it cannot be carried out",
    429: "Too many requests",
    500: "Our fault",
    503: "Busy, or the storage is not available; try again",
}
_DESCRIPTION = """Metric queries over an embedded column store, and what stands on them.

Every answer carries `X-Request-Id`, and every failure the same envelope. Operations that are marked
`x-idempotency-key` take the header `Idempotency-Key` (1 to 255 printable characters): sent again
within 24 hours with the same request, it gets the same answer, marked `Idempotent-Replayed: true`;
409 while the first is being worked on, 422 with another request. Lists are pages: `next_cursor` of
one is `cursor` of the next, and it is absent at the end. Updates take the `version` of what they
were made from, in the body or as `If-Match`. HEAD is answered wherever GET is, without the body. A
request with a head of more than 64 kB or 100 headers is a 431.
"""
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
_HEADERS: dict[str, dict[str, Any]] = {
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
_PARAMETERS: dict[str, dict[str, Any]] = {
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
    "ApiVersion": {
        "name": "API-Version",
        "in": "header",
        "description": "Version of the API; absent: the one the token was issued for. This "
        f"document describes {CURRENT}; the server also speaks {', '.join(SUPPORTED[:-1])}.",
        "schema": {"type": "string", "enum": [CURRENT]},
    },
}


def openapi_document(endpoints: Sequence[Endpoint], *, version: str) -> dict[str, Any]:
    """The whole document as plain data."""
    documented = [endpoint for endpoint in endpoints if endpoint.documented]
    models = _Models(documented)
    paths: dict[str, Any] = {}
    for endpoint in documented:
        operations = paths.setdefault(endpoint.path, {})
        for method in endpoint.methods:
            operations[method.lower()] = _operation(endpoint, method, models)
    tags = sorted({endpoint.tag for endpoint in documented})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "NovaQL",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "contact": {"name": "NovaQL"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag, "description": TAGS.get(tag, tag)} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": models.schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "nova_<role>_<secret>",
                    "description": "An API token. Roles: read_only < operator < admin.",
                }
            },
            "headers": _HEADERS,
            "parameters": _PARAMETERS,
        },
    }


def _operation(endpoint: Endpoint, method: str, models: _Models) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": operation_id(endpoint, method),
        "summary": endpoint.summary,
        "description": endpoint.description,
        "tags": [endpoint.tag],
        "responses": _responses(endpoint, models),
        "security": [{"token": []}] if endpoint.role else [],
    }
    if endpoint.role:
        operation["x-role"] = endpoint.role.value
    if endpoint.action:
        operation["x-audit-action"] = endpoint.action
    if method == "POST" and _is_ours(endpoint) and not endpoint.samples:
        operation["x-idempotency-key"] = True
        operation["responses"][str(endpoint.success)]["headers"]["Idempotent-Replayed"] = {
            "$ref": "#/components/headers/IdempotentReplayed"
        }
    in_form = method != "GET" and bool(endpoint.parameters) and not endpoint.takes
    parameters = _parameters(endpoint, in_query=not in_form)
    if "x-idempotency-key" in operation:
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        content: dict[str, Any] = {"schema": models.reference(endpoint.body, "validation")}
        if endpoint.example is not None:
            content["example"] = dict(endpoint.example)
        operation["requestBody"] = {
            "required": any(f.is_required() for f in endpoint.body.model_fields.values()),
            "content": {"application/json": content},
        }
    elif endpoint.takes:
        operation["requestBody"] = {
            "content": {media: {"schema": _schema_of_media(media)} for media in endpoint.takes}
        }
    elif in_form:
        properties = {
            name: {**_of_text(name, endpoint), "description": text}
            for name, text in endpoint.parameters.items()
        }
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        if endpoint.required:
            schema["required"] = list(endpoint.required)
        operation["requestBody"] = {
            "required": bool(endpoint.required),
            "content": {"application/x-www-form-urlencoded": {"schema": schema}},
        }
    return operation


def _schema_of_media(media: str) -> dict[str, Any]:
    if media == "application/json":
        return {"type": "object"}
    return {"type": "string", "format": "binary"}


def _of_text(name: str, endpoint: Endpoint) -> dict[str, Any]:
    """The schema of a parameter of the Prometheus base; `match[]` may stand more than once."""
    least = {"minLength": 1} if name in endpoint.required else {}
    if not name.endswith("[]"):
        return {"type": "string", **least}
    some = {"minItems": 1} if name in endpoint.required else {}
    return {"type": "array", "items": {"type": "string", **least}, **some}


def _parameters(endpoint: Endpoint, *, in_query: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": part[1:-1],
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 512},
        }
        for part in endpoint.path.split("/")
        if part.startswith("{")
    ]
    if in_query:
        found += [
            {
                "name": name,
                "in": "query",
                "description": text,
                "required": name in endpoint.required,
                "schema": _of_text(name, endpoint),
            }
            for name, text in endpoint.parameters.items()
        ]
    if endpoint.query is not None:
        found += _query_parameters(endpoint.query)
    if _is_ours(endpoint):
        found.append({"$ref": "#/components/parameters/ApiVersion"})
    if endpoint.has_etag:
        found.append({"$ref": "#/components/parameters/IfNoneMatch"})
    return found


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = schema_of(model)
    required = set(schema.get("required", ()))
    found = []
    for name, described in schema.get("properties", {}).items():
        plain = _without_null(described)
        text = plain.pop("description", plain.pop("title", name))
        plain.pop("title", None)
        found.append(
            {
                "name": name,
                "in": "query",
                "description": text,
                "required": name in required,
                "schema": plain,
            }
        )
    return found


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or not; it is never null."""
    plain = dict(schema)
    if plain.get("default", 0) is None:
        plain.pop("default")
    choices = [choice for choice in plain.pop("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        return {**choices[0], **plain}
    return {**plain, **({"anyOf": choices} if choices else {})}


def _responses(endpoint: Endpoint, models: _Models) -> dict[str, Any]:
    headers = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    if _is_ours(endpoint):
        headers["API-Version"] = {"$ref": "#/components/headers/ApiVersion"}
        if endpoint.role is not None:
            headers["RateLimit"] = {"$ref": "#/components/headers/RateLimit"}
            headers["RateLimit-Policy"] = {"$ref": "#/components/headers/RateLimitPolicy"}
    content: dict[str, Any] = {media: {} for media in endpoint.media}
    if endpoint.answer is not None:
        content = {"application/json": {"schema": models.reference(endpoint.answer)}} | content
    out = {str(endpoint.success): _success(headers, content)}
    if endpoint.has_etag:
        out[str(endpoint.success)]["headers"]["ETag"] = {"$ref": "#/components/headers/ETag"}
        out["304"] = {
            "description": "The client has it already, as its If-None-Match says",
            "headers": dict(out[str(endpoint.success)]["headers"]),
        }
    for status, model in endpoint.answers.items():
        shown = {} if model is None else {"application/json": {"schema": models.reference(model)}}
        out[str(status)] = _success(headers, shown)
    prometheus = is_prometheus(endpoint.path)
    error = models.reference(PrometheusError if prometheus else ErrorEnvelope)
    codes = {*endpoint.errors, 500, *((400, 401, 403, 429) if endpoint.role else ())}
    for code in sorted(codes):
        plain = {"X-Request-Id": headers["X-Request-Id"]}
        if code == 429:
            plain["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
        out[str(code)] = {
            "description": _MEANING.get(code, HTTPStatus(code).phrase),
            "headers": plain,
            "content": {"application/json": {"schema": error}},
        }
    return out


def _success(headers: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done", "headers": headers}
    if content:
        success["content"] = content
    return success


def _is_ours(endpoint: Endpoint) -> bool:
    """Whether the rules of the Nova API hold for a path, and not those of another base."""
    return endpoint.path.startswith("/v1/") and endpoint.role is not None


Mode = Literal["validation", "serialization"]


class _Models:
    """The schemas of all bodies and answers. Two models of one name get names that differ."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        wanted: dict[tuple[type[BaseModel], Mode], None] = {
            (ErrorEnvelope, "serialization"): None,
            (PrometheusError, "serialization"): None,
        }
        for endpoint in endpoints:
            if endpoint.body is not None:
                wanted[endpoint.body, "validation"] = None
            for model in (endpoint.answer, *endpoint.answers.values()):
                if model is not None:
                    wanted[model, "serialization"] = None
        self._references, found = models_json_schema(
            list(wanted), ref_template="#/components/schemas/{model}"
        )
        self.schemas: dict[str, Any] = found.get("$defs", {})

    def reference(self, model: type[BaseModel], mode: Mode = "serialization") -> dict[str, Any]:
        """Where a model's schema is."""
        return dict(self._references[model, mode])
