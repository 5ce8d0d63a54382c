"""JSON of answers, also of text that is not valid Unicode."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter

from novaql.text import valid_text

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


def json_bytes(value: Any, option: int | None = None) -> bytes:
    """Encode a value. A lone surrogate in a text, a byte that is no UTF-8, becomes U+FFFD, as in
    JSON that Go writes; the encoders refuse it.

    Raises `TypeError` for a value that is not JSON.
    """
    try:
        return orjson.dumps(value, option=option)
    except TypeError:
        return orjson.dumps(_valid(value), option=option)


def model_bytes(model: BaseModel) -> bytes:
    """Encode a model, by the same rule."""
    try:
        return model.__pydantic_serializer__.to_json(model)
    except ValueError:
        return _ANYTHING.dump_json(_valid(model.model_dump(mode="json")))


def _valid(value: Any) -> Any:
    match value:
        case str():
            return valid_text(value)
        case dict():
            return {_valid(name): _valid(member) for name, member in value.items()}
        case list() | tuple():
            return [_valid(member) for member in value]
    return value
