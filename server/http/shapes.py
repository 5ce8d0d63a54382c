"""Models and field types that every domain uses."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Set
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from novaql.server.clock import parse_time, rfc3339
from novaql.server.http.pagination import Page

Item = TypeVar("Item")
AnyRow = TypeVar("AnyRow")
_DAY = 86_400_000
_UNITS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": _DAY,
    "w": 7 * _DAY,
    "y": 365 * _DAY,
}
_DURATION = re.compile(r"(?:\d{1,12}(?:ms|[smhdwy]))++", re.ASCII)
_PART = re.compile(r"(\d+)(ms|[smhdwy])")


def _is_absent(value: object) -> bool:
    return value is None


class Body(BaseModel):
    """Base of request bodies: no unknown field, no conversion of types, no NaN."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, serialize_by_alias=True)


class Patch(Body):
    """Base of bodies with changes: omitted fields do not change.

    removable  the fields whose value null removes; the others have no null
    """

    removable: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _no_null(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.field_name not in cls._with_null():
            raise ValueError("null is no value of this field; omit it to leave it as it is")
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core))
        for name, field in cls.model_fields.items():
            if name not in cls._with_null():
                shown = schema["properties"][field.alias or name]
                del shown["default"]
                [other] = (one for one in shown.pop("anyOf") if one != {"type": "null"})
                shown.update({**other, **shown})
        return schema

    @classmethod
    def _with_null(cls) -> Set[str]:
        return cls.removable | {"version"}


def example(body: dict[str, Any]) -> ConfigDict:
    """Return the `model_config` of a model of bodies with an example."""
    return ConfigDict(json_schema_extra={"examples": [body]})


class ResponseModel(BaseModel):
    """The base of answers. Later versions may add fields: clients must ignore unknown ones.

    It validates rows and other objects, too: `UserOut.model_validate(user)`.

    settled  all fields change only together with the resource's `version`
    """

    model_config = ConfigDict(from_attributes=True, serialize_by_alias=True)
    settled: ClassVar[bool] = False

    @classmethod
    def of_row(cls, row: object, **computed: Any) -> Self:
        """Return the answer for a row of which some fields are computed; others are its attributes.

        Without computed fields, `model_validate` does the same.
        """
        same = {name: getattr(row, name) for name in cls.model_fields if name not in computed}
        return cls.model_validate({**same, **computed}, by_name=True)


class Listed(ResponseModel, Generic[Item]):
    """A page of a list."""

    data: list[Item]
    next_cursor: str | None = Field(
        None, exclude_if=_is_absent, description="cursor of the next page; absent at the end"
    )

    @classmethod
    def of(cls, page: Page[AnyRow], show: Callable[[AnyRow], Item]) -> Self:
        """Return a page of rows, each as `show` returns it."""
        return cls(data=[show(row) for row in page.rows], next_cursor=page.next_cursor)


def _read_time(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 time with a zone")  # noqa: TRY004 - Pydantic's way
    return parse_time(value)


def _read_duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or len(value) > 64 or not _DURATION.fullmatch(value):
        raise ValueError("must be a duration like 30s, 5m or 1h30m")
    ms = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    if ms > 100 * _UNITS["y"]:
        raise ValueError("must be a duration of at most 100 years")
    return timedelta(milliseconds=ms)


def duration_text(value: timedelta) -> str:
    """Return a duration in the syntax of the API and of PromQL: `1h30m`."""
    ms = math.floor(value / timedelta(milliseconds=1))
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        number, ms = divmod(ms, _UNITS[unit])
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


Timestamp = Annotated[
    datetime,
    PlainValidator(_read_time),
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-04-01T12:00:00Z"]}),
]
"""An RFC 3339 time: input in any zone, output with `Z`."""

Duration = Annotated[
    timedelta,
    PlainValidator(_read_duration),
    PlainSerializer(duration_text, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^([0-9]{1,12}(ms|[smhdwy]))+$",
            "maxLength": 64,
            "examples": ["5m"],
        }
    ),
]
"""A duration as text: `30s`, `5m`, `1h30m`."""


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
"""A line of text for people; not blank."""

PathName = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
]
"""A name that is part of a path, for example of a service or an objective."""

URL_PATTERN = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]\S*$"
"""The syntax of targets, for documentation. The dialer decides whether they are allowed: another
scheme is a 422, like another network."""

URL_LIKE = r"^[A-Za-z][A-Za-z0-9+.-]*:\S*$"
"""The syntax of any URL."""

Target = Annotated[
    str, Field(max_length=2048, pattern=URL_LIKE, json_schema_extra={"pattern": URL_PATTERN})
]
"""A URL to which the server sends requests. The route passes it to the dialer."""

PolicyId = Annotated[str, Field(max_length=64, pattern=r"^esc_[0-9A-Za-z]+$")]
"""The id of an escalation policy."""
