"""Query parameters, read as strictly as bodies: unknown, repeated and malformed ones are a 400."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from novaql.server.platform.errors import Detail, InvalidRequest
from novaql.server.platform.wording import worded

Model = TypeVar("Model", bound=BaseModel)
_TRUTHS = ("true", "false")
"""The document says boolean. Pydantic alone would take `yes`, `1` and `T`, too."""
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""Numbers as JSON writes them. Pydantic alone would take `1_0`, ` 5`, `+5` and other digits."""


class NoParameters(BaseModel):
    """Those of an endpoint that has none: any is refused."""

    model_config = ConfigDict(extra="forbid")


def read_query(request: Request, model: type[Model]) -> Model:
    """The parameters as a model. A field that is a list may stand more than once."""
    return validated(model, request.query_params.multi_items())


def validated(model: type[Model], given: Sequence[tuple[str, str]]) -> Model:
    """Parameters, by name and value, as a model."""
    values: dict[str, Any] = {}
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    texts: dict[str, list[str]] = {}
    for name, text in given:
        texts.setdefault(name, []).append(text)
    for name, several in texts.items():
        field = fields.get(name)
        if any("\0" in text for text in several):
            raise _invalid(name, "a NUL character stands in it")
        if field is not None and _is_list(field.annotation):
            values[name] = several
        elif len(several) > 1:
            raise _invalid(name, "stands more than once")
        elif field is not None and _is_truth(field.annotation) and several[0] not in _TRUTHS:
            raise _invalid(name, "true or false is wanted")
        elif field is not None and (wrong := _wrong_number(field.annotation, several[0])):
            raise _invalid(name, wrong)
        else:
            values[name] = several[0]
    try:
        return model.model_validate(values)
    except ValidationError as problem:
        details = [
            Detail("/" + "/".join(str(part) for part in found["loc"]), worded(found))
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


def _is_truth(annotation: Any) -> bool:
    return annotation is bool or bool in getattr(annotation, "__args__", ())


def _wrong_number(annotation: Any, text: str) -> str | None:
    """What is wrong with the text of a number; None where nothing is, or no number is wanted."""
    kinds = getattr(annotation, "__args__", (annotation,))
    if float in kinds:
        return None if _NUMBER.fullmatch(text) else "a decimal number is wanted"
    if int in kinds:
        return None if _INTEGER.fullmatch(text) else "an integer in decimal digits is wanted"
    return None


def _invalid(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{name}: {message}", details=[Detail(f"/{name}", message)])
