"""Paths of the OpenAPI document that are plain Starlette routes, generated from their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from novaql.server.bases import is_prometheus
from novaql.server.http.data_route import DataRoute
from novaql.server.http.error_models import ErrorEnvelope, PrometheusError
from novaql.server.http.openapi_components import (
    ANY_REQUEST,
    failure,
    finished,
    header,
    summary_of,
)


def paths_and_schemas(endpoints: Sequence[DataRoute]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the paths of routes, and the schemas that they refer to."""
    documented = [endpoint for endpoint in endpoints if endpoint.documented]
    models = _Models(documented)
    paths: dict[str, Any] = {}
    for endpoint in documented:
        operations = paths.setdefault(endpoint.path, {})
        for method in endpoint.verbs:
            operations[method.lower()] = _operation(endpoint, method, models)
    return paths, models.schemas


def _operation(endpoint: DataRoute, method: str, models: _Models) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint, method),
        "summary": summary_of(endpoint.description),
        "description": endpoint.description,
        "tags": [endpoint.tag],
        "responses": _responses(endpoint, models),
        "security": [{"token": []}] if endpoint.role else [],
    }
    if endpoint.role:
        operation["x-role"] = endpoint.role.value
    if endpoint.action:
        operation["x-audit-action"] = endpoint.action
    in_form = method != "GET" and bool(endpoint.parameters) and not endpoint.takes
    parameters = _parameters(endpoint, in_query=not in_form)
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


def _operation_id(endpoint: DataRoute, method: str) -> str:
    """Return `prometheusQueryRange`; `postPrometheusQueryRange` if GET does the same."""
    words = endpoint.name.split("_")
    if endpoint.tag == "prometheus":
        words.insert(0, "prometheus")
    if len(endpoint.verbs) > 1 and method != endpoint.verbs[0]:
        words.insert(0, method.lower())
    return words[0] + "".join(word.capitalize() for word in words[1:])


def _schema_of_media(media: str) -> dict[str, Any]:
    if media == "application/json":
        return {"type": "object"}
    return {"type": "string", "format": "binary"}


def _of_text(name: str, endpoint: DataRoute) -> dict[str, Any]:
    """Return the schema of a parameter of the Prometheus base; `match[]` may be repeated."""
    least = {"minLength": 1} if name in endpoint.required else {}
    least |= endpoint.schemas.get(name, {})
    if not name.endswith("[]"):
        return {"type": "string", **least}
    some = {"minItems": 1} if name in endpoint.required else {}
    return {"type": "array", "items": {"type": "string", **least}, **some}


def _parameters(endpoint: DataRoute, *, in_query: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": part[1:-1],
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
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
    return found


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    required = set(schema.get("required", ()))
    return [
        finished({"name": name, "in": "query", "required": name in required, "schema": described})
        for name, described in schema.get("properties", {}).items()
    ]


def _responses(endpoint: DataRoute, models: _Models) -> dict[str, Any]:
    headers = {"X-Request-Id": header("RequestId")}
    if _is_ours(endpoint):
        headers["API-Version"] = header("ApiVersion")
        headers["RateLimit"] = header("RateLimit")
        headers["RateLimit-Policy"] = header("RateLimitPolicy")
    content: dict[str, Any] = {media: {} for media in endpoint.media}
    if endpoint.answer is not None:
        content = {"application/json": {"schema": models.reference(endpoint.answer)}} | content
    out = {str(endpoint.success): _success(headers, content)}
    for status, model in endpoint.answers.items():
        shown = {} if model is None else {"application/json": {"schema": models.reference(model)}}
        out[str(status)] = _success(headers, shown)
    prometheus = is_prometheus(endpoint.path)
    codes = {*endpoint.errors, *ANY_REQUEST, *((401, 429) if endpoint.role else ())}
    return out | {str(code): failure(code, prometheus=prometheus) for code in sorted(codes)}


def _success(headers: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done", "headers": dict(headers)}
    if content:
        success["content"] = content
    return success


def _is_ours(endpoint: DataRoute) -> bool:
    """Return whether a path follows the rules of the Nova API and not those of another base."""
    return endpoint.path.startswith("/v1/") and endpoint.role is not None


Mode = Literal["validation", "serialization"]


class _Models:
    """The schemas of all bodies and answers. Models with equal names get distinct schema names."""

    def __init__(self, endpoints: Sequence[DataRoute]) -> None:
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
        """Return the reference to a model's schema."""
        return dict(self._references[model, mode])
