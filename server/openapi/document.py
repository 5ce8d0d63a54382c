"""The OpenAPI 3.1 document: FastAPI's, completed with the parts that all operations share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi

from novaql.server.bases import error_format, is_client
from novaql.server.http.data_route import DataRoute
from novaql.server.http.routing import NovaRoute
from novaql.server.openapi.components import (
    ANY_REQUEST,
    DESCRIPTION,
    HEADERS,
    PARAMETERS,
    TAGS,
    failure,
    finished,
    header,
    shared_responses,
    summary_of,
)
from novaql.server.openapi.data_routes import DocumentedRoute, described_by

_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "nova_<role>_<secret>",
    "description": "An API token. Roles: read_only < operator < admin.",
}
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")


def openapi_document(routes: Sequence[NovaRoute | DataRoute], *, version: str) -> dict[str, Any]:
    """Return the whole document as plain data."""
    described: list[NovaRoute | DocumentedRoute] = []
    for row in routes:
        if isinstance(row, DataRoute):
            described += described_by(row)
        elif row.include_in_schema:
            described.append(row)
    document = get_openapi(
        title="NovaQL",
        version=version,
        description=DESCRIPTION,
        routes=described,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        contact={"name": "NovaQL"},
        servers=[{"url": "/"}],
    )
    for route in described:
        _finish(document["paths"][route.path_format][route.method.lower()], route)
    components = document["components"]
    schemas = sorted(components["schemas"].items())
    components["schemas"] = {name: s for name, s in schemas if name not in _OF_FASTAPI}
    components["securitySchemes"] = {"token": _TOKEN}
    components["headers"] = HEADERS
    components["parameters"] = PARAMETERS
    components["responses"] = shared_responses()
    used = {
        tag for path in document["paths"].values() for op in path.values() for tag in op["tags"]
    }
    document["tags"] = [{"name": tag, "description": TAGS[tag]} for tag in sorted(used)]
    document["x-implied-methods"] = {"head": "get"}
    return document


def _finish(operation: dict[str, Any], route: NovaRoute | DocumentedRoute) -> None:
    operation["summary"] = summary_of(route.description)
    operation["security"] = [{"token": []}] if route.role else []
    if route.role:
        operation["x-role"] = route.role.value
    if route.action:
        operation["x-audit-action"] = route.action
    if route.takes_idempotency_key:
        operation["x-idempotency-key"] = True
    if route.body is not None:  # an empty body counts as an object without fields
        fields = route.body.model_fields.values()
        operation["requestBody"]["required"] = any(field.is_required() for field in fields)
    parameters = [finished(p) for p in operation.pop("parameters", ())]
    parameters += [{"$ref": f"#/components/parameters/{name}"} for name in _headers_taken(route)]
    if parameters:
        operation["parameters"] = parameters
    operation["responses"] = _responses(operation["responses"], route)


def _headers_taken(route: NovaRoute | DocumentedRoute) -> list[str]:
    taken = {
        "ApiVersion": _is_ours(route) and route.role,
        "IfNoneMatch": route.has_etag and route.method == "GET",
        "IfMatch": route.takes_if_match,
        "IdempotencyKey": route.takes_idempotency_key,
    }
    return [name for name, applies in taken.items() if applies]


def _responses(found: dict[str, Any], route: NovaRoute | DocumentedRoute) -> dict[str, Any]:
    headers = {"X-Request-Id": header("RequestId")}
    if _is_ours(route):
        headers["API-Version"] = header("ApiVersion")
        if route.role:
            headers["RateLimit"] = header("RateLimit")
            headers["RateLimit-Policy"] = header("RateLimitPolicy")
    usual = str(route.success)
    done: dict[str, Any] = {}
    for status, response in found.items():
        if int(status) < 300:
            own = dict(headers)
            if status == usual and route.has_etag:
                own["ETag"] = header("ETag")
            if status == usual and route.takes_idempotency_key:
                own["Idempotent-Replayed"] = header("IdempotentReplayed")
            done[status] = {**response, "description": "Done", "headers": own}
    if route.has_etag and route.method == "GET":
        text = "Not modified since the ETag in If-None-Match"
        done["304"] = {"description": text, "headers": done[usual]["headers"]}
    for code in {*ANY_REQUEST, *route.errors}:
        done[str(code)] = failure(code, error_format(route.path))
    return dict(sorted(done.items()))


def _is_ours(route: NovaRoute | DocumentedRoute) -> bool:
    """Return whether a path follows the rules of the Nova API and not those of another base."""
    if isinstance(route, NovaRoute):
        return True
    return route.path.startswith("/v1/") and route.role is not None and not is_client(route.path)
