"""Data routes as routes of FastAPI, for the OpenAPI document."""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import Body, Path, Query
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from novaql.server.bases import error_format
from novaql.server.http.data_route import DataRoute
from novaql.server.openapi.error_models import ERROR_MODELS


class DocumentedRoute(APIRoute):
    """One method of a data route. Nothing calls its endpoint."""

    has_etag = takes_if_match = takes_idempotency_key = False

    def __init__(self, row: DataRoute, method: str) -> None:
        def endpoint() -> None: ...

        endpoint.__signature__ = Signature(_arguments(row))  # type: ignore[attr-defined]
        self.role, self.action, self.body, self.success = (
            row.role,
            row.action,
            row.body,
            row.success,
        )
        self.method = method
        self.errors = {*row.errors, *((401, 429) if row.role else ())}
        super().__init__(
            row.path,
            endpoint,
            methods=[method],
            tags=[row.tag],
            description=row.description,
            operation_id=_operation_id(row, method),
            status_code=row.success,
            response_model=row.answer,
            response_class=Response if row.answer is None else JSONResponse,
            responses=_responses(row),
            openapi_extra=_untyped(row, method),
        )


def described_by(row: DataRoute) -> list[DocumentedRoute]:
    """Return the operations of a data route; none if the document does not show it."""
    return [DocumentedRoute(row, verb) for verb in row.verbs] if row.documented else []


def _arguments(row: DataRoute) -> list[Parameter]:
    """Return the parameters of an endpoint whose schemas FastAPI derives."""
    found: dict[str, Any] = {
        part[1:-1].partition(":")[0]: Annotated[str, Path(min_length=1)]
        for part in row.path.split("/")
        if part.startswith("{")
    }
    if row.query is not None:
        found["query"] = Annotated[row.query, Query()]
    if row.body is not None:
        found["body"] = Annotated[row.body, Body()]
    return [Parameter(name, Parameter.KEYWORD_ONLY, annotation=a) for name, a in found.items()]


def _responses(row: DataRoute) -> dict[int | str, dict[str, Any]]:
    error = ERROR_MODELS[error_format(row.path)]
    found: dict[int | str, dict[str, Any]] = {500: {"model": error}}
    found[row.success] = {"content": {media: {} for media in row.media}} if row.media else {}
    for status, model in row.answers.items():
        found[status] = {} if model is None else {"model": model}
    return found


def _operation_id(row: DataRoute, method: str) -> str:
    """Return `prometheusQueryRange`; `postPrometheusQueryRange` if GET does the same."""
    words = row.name.split("_")
    if row.tag == "prometheus":
        words.insert(0, "prometheus")
    if len(row.verbs) > 1 and method != row.verbs[0]:
        words.insert(0, method.lower())
    return words[0] + "".join(word.capitalize() for word in words[1:])


def _untyped(row: DataRoute, method: str) -> dict[str, Any]:
    """Return the parts of an operation that have no model."""
    if row.body is not None:
        if row.example is None:
            return {}
        content: dict[str, Any] = {"application/json": {"example": dict(row.example)}}
        return {"requestBody": {"content": content}}
    if row.takes:
        content = {media: {"schema": _schema_of_media(media)} for media in row.takes}
        found: dict[str, Any] = {"requestBody": {"content": content}}
        if row.takes == ("application/json",):  # other bodies may be empty: no samples
            found["requestBody"]["required"] = True
    elif method != "GET" and row.parameters:
        return {"requestBody": _form(row)}
    else:
        found = {}
    parameters = [
        {
            "name": name,
            "in": "query",
            "description": text,
            "required": name in row.required,
            "schema": _of_text(name, row),
        }
        for name, text in row.parameters.items()
    ]
    return found | {"parameters": parameters}


def _form(row: DataRoute) -> dict[str, Any]:
    properties = {
        name: {**_of_text(name, row), "description": text} for name, text in row.parameters.items()
    }
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if row.required:
        schema["required"] = list(row.required)
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    return {"required": bool(row.required), "content": content}


def _schema_of_media(media: str) -> dict[str, Any]:
    if media == "application/json":
        return {"type": "object"}
    return {"type": "string", "format": "binary"}


def _of_text(name: str, row: DataRoute) -> dict[str, Any]:
    """Return the schema of a parameter of the Prometheus base; `match[]` may be repeated."""
    least = {"minLength": 1} if name in row.required else {}
    least |= row.schemas.get(name, {})
    if not name.endswith("[]"):
        return {"type": "string", **least}
    some = {"minItems": 1} if name in row.required else {}
    return {"type": "array", "items": {"type": "string", **least}, **some}
