"""The syntax of query parameters, as strict as JSON. FastAPI validates the values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request

from novaql.server.errors import Detail, InvalidRequest
from novaql.server.wording import UNKNOWN, worded

Model = TypeVar("Model", bound=BaseModel)
MOST_PARAMETERS = 1_000
"""Limit of the parameters of a URL: to decode tens of thousands delays all other requests."""

_BOOLEANS = ("true", "false")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""Numbers in the syntax of JSON. Pydantic alone would accept `1_0`, ` 5`, `+5`, and `yes` for true.
"""


def parameters_of(request: Request) -> QueryParams:
    """Return the parameters of the URL. Raises `InvalidRequest` if there are too many."""
    if request.scope["query_string"].count(b"&") >= MOST_PARAMETERS:
        raise InvalidRequest(f"the URL has more than {MOST_PARAMETERS} query parameters")
    return request.query_params


def check_query(request: Request, model: type[BaseModel] | None) -> None:
    """Raise `InvalidRequest` for too many parameters; for one that is repeated (unless its field is
    a list), has a NUL character, or writes a number or boolean in another syntax than JSON; and for
    any parameter of an endpoint without a model.

    A model with a `free_prefix` checks parameters with that prefix itself.
    """
    if not request.scope["query_string"]:
        return
    fields = {} if model is None else model.model_fields
    annotations = {field.alias or name: field.annotation for name, field in fields.items()}
    free = getattr(model, "free_prefix", None)
    seen: set[str] = set()
    for name, text in parameters_of(request).multi_items():
        if free is not None and name.startswith(free):
            continue
        if "\0" in text:
            raise _refusal([([name], "contains a NUL character")])
        if model is None:
            raise _refusal([([name], UNKNOWN)])
        kinds = _kinds(annotations.get(name))
        if name in seen and list not in kinds:
            raise _refusal([([name], "is given more than once")])
        seen.add(name)
        if (wrong := _misspelt(kinds, text)) is not None:
            raise _refusal([([name], wrong)])


def read_query(request: Request, model: type[Model]) -> Model:
    """Return the parameters of a route that is not FastAPI's. Raises `InvalidRequest`."""
    check_query(request, model)
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise _refusal([(found["loc"], worded(found)) for found in error.errors()]) from None


def invalid_query(errors: Sequence[Any]) -> InvalidRequest:
    """Translate FastAPI's errors in parameters, with JSON pointers to them."""
    return _refusal([(found["loc"][1:], worded(found)) for found in errors])


def _refusal(found: Sequence[tuple[Sequence[int | str], str]]) -> InvalidRequest:
    details = [Detail("/" + "/".join(map(str, place)), message) for place, message in found]
    first = details[0]
    return InvalidRequest(f"{first.pointer.removeprefix('/')}: {first.message}", details=details)


def _kinds(annotation: Any) -> set[Any]:
    """Return the types of a field: int and NoneType for `int | None`."""
    parts = (annotation, *get_args(annotation))
    return {get_origin(part) or part for part in parts if get_origin(part) or type(part) is type}


def _misspelt(kinds: set[Any], text: str) -> str | None:
    if bool in kinds:
        return None if text in _BOOLEANS else "must be true or false"
    if float in kinds:
        return None if _NUMBER.fullmatch(text) else "must be a decimal number"
    if int in kinds:
        return None if _INTEGER.fullmatch(text) else "must be an integer in decimal digits"
    return None
