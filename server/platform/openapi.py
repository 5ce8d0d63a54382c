"""The OpenAPI 3.1 document, written from the route table."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

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
    406: "None of the formats asked for exists",
    413: "The body is too large",
    415: "The body has a content type that is not taken",
    422: "Well-formed, but it cannot be carried out",
    500: "Our fault",
    503: "Busy, or the storage is not available; try again",
}


def openapi_document(endpoints: Sequence[Endpoint], *, version: str) -> dict[str, Any]:
    """The whole document as plain data."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        if endpoint.documented:
            operations = paths.setdefault(endpoint.path, {})
            for method in endpoint.methods:
                operations[method.lower()] = _operation(endpoint, method, schemas)
    tags = sorted({endpoint.tag for endpoint in endpoints if endpoint.documented})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "NovaQL",
            "version": version,
            "description": "Metric queries over an embedded column store.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "nova_<role>_<secret>",
                    "description": "An API token. Roles: read_only < operator < admin.",
                }
            },
            "headers": {
                "RequestId": {
                    "description": "Quote it when you report a problem",
                    "schema": {"type": "string"},
                }
            },
        },
    }


def _operation(endpoint: Endpoint, method: str, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": operation_id(endpoint, method),
        "summary": endpoint.summary,
        "description": endpoint.description,
        "tags": [endpoint.tag],
        "responses": _responses(endpoint, schemas),
        "security": [{"token": []}] if endpoint.role else [],
    }
    if endpoint.role:
        operation["x-role"] = endpoint.role.value
    in_form = method == "POST" and bool(endpoint.parameters)
    if parameters := _parameters(endpoint, in_query=not in_form):
        operation["parameters"] = parameters
    if endpoint.body is not None:
        schema = _reference(endpoint.body, schemas)
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    elif in_form:
        properties = {
            name: {"type": "string", "description": text}
            for name, text in endpoint.parameters.items()
        }
        form = {"schema": {"type": "object", "properties": properties}}
        operation["requestBody"] = {"content": {"application/x-www-form-urlencoded": form}}
    return operation


def _parameters(endpoint: Endpoint, *, in_query: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
        for part in endpoint.path.split("/")
        if part.startswith("{")
    ]
    if in_query:
        found += [
            {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
            for name, text in endpoint.parameters.items()
        ]
    return found


def _responses(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    headers = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    content: dict[str, Any] = {media: {} for media in endpoint.media}
    if endpoint.answer is not None:
        content = {"application/json": {"schema": _reference(endpoint.answer, schemas)}} | content
    success: dict[str, Any] = {"description": "Done", "headers": headers}
    if content:
        success["content"] = content
    out = {str(endpoint.success): success}
    prometheus = is_prometheus(endpoint.path)
    error = _reference(PrometheusError if prometheus else ErrorEnvelope, schemas)
    codes = {*endpoint.errors, 500, *((400, 401, 403) if endpoint.role else ())}
    for code in sorted(codes):
        out[str(code)] = {
            "description": _MEANING.get(code, HTTPStatus(code).phrase),
            "headers": headers,
            "content": {"application/json": {"schema": error}},
        }
    return out


def _reference(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    schema = schema_of(model)
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema
    return {"$ref": f"#/components/schemas/{model.__name__}"}
