"""Query parameters, read as strictly as bodies: unknown, repeated and malformed ones are a 400."""

from __future__ import annotations

from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from server.platform.errors import Detail, InvalidRequest

Model = TypeVar("Model", bound=BaseModel)


def read_query(request: Request, model: type[Model]) -> Model:
    """The parameters as a model. A field that is a list may stand more than once."""
    values: dict[str, Any] = {}
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for name in request.query_params:
        given = request.query_params.getlist(name)
        field = fields.get(name)
        if any("\0" in text for text in given):
            raise _invalid(name, "a NUL character stands in it")
        if field is not None and _is_list(field.annotation):
            values[name] = given
        elif len(given) > 1:
            raise _invalid(name, "stands more than once")
        else:
            values[name] = given[0]
    try:
        return model.model_validate(values)
    except ValidationError as problem:
        details = [
            Detail("/" + "/".join(str(part) for part in found["loc"]), found["msg"])
            for found in problem.errors()
        ]
        first = details[0]
        raise InvalidRequest(
            f"{first.pointer.removeprefix('/')}: {first.message}", details=details
        ) from None


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) is list:
        return True
    return any(get_origin(part) is list for part in getattr(annotation, "__args__", ()))


def _invalid(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{name}: {message}", details=[Detail(f"/{name}", message)])
