"""Strict parsing of JSON bodies. Errors have a JSON pointer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from novaql.server.errors import MOST_DETAILS, Detail, InvalidRequest, invalid
from novaql.server.wording import worded

Model = TypeVar("Model", bound=BaseModel)
_Place: TypeAlias = "tuple[_Place, str | int] | None"
"""Where a value is: the place of the object or array around it, and its key or number. A pointer
as text for each value would repeat a long key for each value below it."""
_EXACT = 2**53
_LEAST, _MOST = -(2**63), 2**64 - 1
_MOST_DIGITS = 310
"""A whole number of more characters is beyond all floats, and `int` takes 4300 of them."""
MOST_NESTED = 100
"""The largest nesting of objects and arrays in a body: more than any field needs."""
MOST_VALUES = 50_000
"""The most values in a body. Each could have an error, which takes a kilobyte."""
MOST_KEY = 1000
"""The most characters of a key. Pydantic copies the keys around a value into the error of each."""


def parse_json(body: bytes, *, any_case: bool = False) -> Any:
    """Parse a JSON text. Repeated keys are rejected. `check_values` rejects NaN and Infinity, which
    are not JSON, and numbers that are too large for a float, which are infinite.

    any_case  keys that differ in case only are the same
    """
    repeated: dict[int, tuple[dict[str, Any], str]] = {}  # by the id of the object

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len({name.casefold() for name in out} if any_case else out) < len(pairs):
            name = _repeated([name for name, _ in pairs], any_case=any_case)
            repeated[id(out)] = out, name
        return out

    try:
        value = json.loads(
            body.decode("utf-8", "strict"),
            object_pairs_hook=object_of,
            parse_float=_float,
            parse_int=_whole,
        )
    except UnicodeDecodeError as problem:
        raise invalid("", f"not UTF-8 at byte {problem.start}") from None
    except json.JSONDecodeError as problem:
        position = f"line {problem.lineno} column {problem.colno}"
        raise invalid("", f"not JSON: {problem.msg} at {position}") from None
    except RecursionError:
        raise invalid("", "nested too deeply") from None
    if repeated:  # a repeated key may have replaced an object that has one too
        place, name = next(
            (place, repeated[id(item)][1])
            for place, item, _ in _values_in(value)
            if id(item) in repeated
        )
        raise invalid(_pointer_to((place, name)), "the key is repeated in its object")
    return value


def validate(model: type[Model], value: Any) -> Model:
    """Return the value as a model, without any conversion of types."""
    check_values(value, most=MOST_VALUES)
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as problem:
        messages: dict[str, str] = {}
        texts: dict[int, set[str]] = {}
        for found in problem.errors(include_url=False, include_context=False, include_input=False):
            if len(messages) == MOST_DETAILS:
                break
            pointer = _pointer(found["loc"], value, texts, missing=found["type"] == "missing")
            messages.setdefault(pointer, worded(found))  # for a union, of its first member
        details = [Detail(pointer, message) for pointer, message in messages.items()]
        where = details[0].pointer or "the body"
        raise InvalidRequest(f"{where}: {details[0].message}", details=details) from None


def check_values(value: Any, *, most: int | None = None) -> None:
    """Raise `InvalidRequest` for texts and numbers that no field accepts, for long keys, for too
    deep nesting, and for more than `most` values.

    A whole number has 64 bits: the database stores, and answers show, no longer one exactly.
    """
    for number, (place, item, depth) in enumerate(_values_in(value)):
        if number == most:
            raise invalid("", f"has more than {most} values")
        if depth > MOST_NESTED:
            raise invalid("", "nested too deeply")
        if isinstance(item, float) and not math.isfinite(item):
            raise invalid(_pointer_to(place), "is not a finite number")
        if isinstance(item, int) and not _LEAST <= item <= _MOST:
            raise invalid(
                _pointer_to(place), "has more than 64 bits; as a float it is written like 1e30"
            )
        texts = (item,) if isinstance(item, str) else item if isinstance(item, dict) else ()
        for text in texts:
            if (wrong := _wrong_text(text)) is not None:
                raise invalid(_pointer_to(place), wrong)
            if texts is item and len(text) > MOST_KEY:
                raise invalid(
                    _pointer_to(place), f"contains a key of more than {MOST_KEY} characters"
                )


def _values_in(value: Any) -> Iterator[tuple[_Place, Any, int]]:
    """Yield a value and all values inside of it, in order: place, value, depth."""
    yield None, value, 0
    waiting = [_inside(None, value, 1)]
    while waiting:
        found = next(waiting[-1], None)
        if found is None:
            waiting.pop()
            continue
        yield found
        place, item, depth = found
        if isinstance(item, dict | list):
            waiting.append(_inside(place, item, depth + 1))


def _inside(place: _Place, item: Any, depth: int) -> Iterator[tuple[_Place, Any, int]]:
    if isinstance(item, dict):
        for name, one in item.items():
            yield (place, name), one, depth
    elif isinstance(item, list):
        for number, one in enumerate(item):
            yield (place, number), one, depth


def _pointer_to(place: _Place) -> str:
    parts: list[str] = []
    while place is not None:
        place, part = place
        parts.append(f"/{_escaped(str(part))}")
    return "".join(reversed(parts))


def _repeated(names: list[str], *, any_case: bool) -> str:
    """Return the first repeated name."""
    seen: set[str] = set()
    for name in names:
        key = name.casefold() if any_case else name
        if key in seen:
            return name
        seen.add(key)
    raise AssertionError("no name is repeated")


def _float(text: str) -> float:
    """Parse a number with a point or an exponent. JSON has one number type: `7.0` is an integer."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


def _whole(text: str) -> int | float:
    return int(text) if len(text) <= _MOST_DIGITS else float(text)


_SURROGATE = re.compile("[\ud800-\udfff]")


def _wrong_text(text: str) -> str | None:
    if "\0" in text:
        return "contains a NUL character"
    if not text.isascii() and _SURROGATE.search(text):
        return "not valid Unicode: contains a lone surrogate"
    return None


def _pointer(
    place: tuple[int | str, ...], value: Any, texts: dict[int, set[str]], *, missing: bool
) -> str:
    """Return Pydantic's location without the names of union members, which are not part of the
    body.

    texts    the id of each object seen before → its texts
    missing  the last part names a missing field
    """
    pointer = ""
    here = value
    for number, part in enumerate(place, 1):
        if isinstance(here, dict):
            if number < len(place) and _is_tag(part, here, texts):
                continue
            if part in here or (missing and number == len(place)):
                pointer += f"/{_escaped(str(part))}"
                here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int):
            pointer += f"/{part}"
            here = here[part] if part < len(here) else None
    return pointer


def _is_tag(part: int | str, here: dict[str, Any], texts: dict[int, set[str]]) -> bool:
    """Return whether a part is the value that selected the union's member although a field has the
    same name: `{"type": "threshold", "threshold": 0.5}`."""
    if isinstance(here.get(str(part)), dict | list):
        return False
    if id(here) not in texts:  # a search in each error would take the square of the fields
        texts[id(here)] = {one for one in here.values() if isinstance(one, str)}
    return part in texts[id(here)]


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
