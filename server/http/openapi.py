"""The OpenAPI 3.1 document: FastAPI's, completed with the parts that all operations share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi

from novaql.server.http.data_route import DataRoute
from novaql.server.http.openapi_components import (
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
from novaql.server.http.openapi_data import paths_and_schemas
from novaql.server.http.routing import NovaRoute

_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "nova_<role>_<secret>",
    "description": "An API token. Roles: read_only < operator < admin.",
}
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")


def openapi_document(routes: Sequence[NovaRoute | DataRoute], *, version: str) -> dict[str, Any]:
    """Return the whole document as plain data."""
    ours = [r for r in routes if isinstance(r, NovaRoute) and r.include_in_schema]
    document = get_openapi(
        title="NovaQL",
        version=version,
        description=DESCRIPTION,
        routes=ours,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        contact={"name": "NovaQL"},
        servers=[{"url": "/"}],
    )
    for route in ours:
        _finish(document["paths"][route.path_format][route.method.lower()], route)
    paths, schemas = paths_and_schemas([route for route in routes if isinstance(route, DataRoute)])
    for path, operations in paths.items():
        document["paths"].setdefault(path, {}).update(operations)
    components = document.setdefault("components", {})
    schemas |= components.get("schemas", {})
    components["schemas"] = {n: s for n, s in sorted(schemas.items()) if n not in _OF_FASTAPI}
    components["securitySchemes"] = {"token": _TOKEN}
    components["headers"] = HEADERS
    components["parameters"] = PARAMETERS
    components["responses"] = {
        **shared_responses(),
        **shared_responses(prometheus=True),
    }
    used = {
        tag for path in document["paths"].values() for op in path.values() for tag in op["tags"]
    }
    document["tags"] = [{"name": tag, "description": TAGS[tag]} for tag in sorted(used)]
    document["x-implied-methods"] = {"head": "get"}
    return document


def _finish(operation: dict[str, Any], route: NovaRoute) -> None:
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
    parameters = [finished(p) for p in operation.get("parameters", ())]
    parameters += [{"$ref": f"#/components/parameters/{name}"} for name in _headers_taken(route)]
    operation["parameters"] = parameters
    operation["responses"] = _responses(operation["responses"], route)


def _headers_taken(route: NovaRoute) -> list[str]:
    names = ["ApiVersion"] if route.role else []
    if route.has_etag and route.method == "GET":
        names.append("IfNoneMatch")
    if route.takes_if_match:
        names.append("IfMatch")
    if route.takes_idempotency_key:
        names.append("IdempotencyKey")
    return names


def _responses(found: dict[str, Any], route: NovaRoute) -> dict[str, Any]:
    headers = {"X-Request-Id": header("RequestId"), "API-Version": header("ApiVersion")}
    if route.role is not None:
        headers |= {"RateLimit": header("RateLimit")}
        headers |= {"RateLimit-Policy": header("RateLimitPolicy")}
    usual = str(route.status_code or 200)
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
        text = "The client has it already, as its If-None-Match says"
        done["304"] = {"description": text, "headers": done[usual]["headers"]}
    codes = {*ANY_REQUEST, *route.errors}
    for code in sorted(codes):
        done[str(code)] = failure(code)
    return dict(sorted(done.items()))
