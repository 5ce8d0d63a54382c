"""Parameters of runs: their values, and the places of steps in which they are inserted.

A value is inserted percent-encoded into URLs, without line breaks into headers, into texts of a
JSON body, into queries by `dashboards/interpolation.py`, and as a whole argument into scripts. So
no value changes the structure of a request, a query or a command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import re2

from novaql.server.dashboards.interpolation import BadValue, interpolated, references
from novaql.server.dashboards.interpolation import Value as QueryValue
from novaql.server.errors import impossible, invalid

REFERENCE = re.compile(r"\$\{([^}]*)\}")
SHORTEST_SECRET = 8
_FORMS = {
    "number": re.compile(
        r"-?(?:\d{1,30}(?:\.\d{1,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?", re.ASCII
    ),
    "duration": re.compile(r"(?:\d{1,9}(?:ms|[smhdwy]))+", re.ASCII),
    "boolean": re.compile("true|false"),
}
_SAMPLES = {"number": "1", "duration": "1m", "boolean": "true"}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def check_value(parameter: Mapping[str, Any], text: str, pointer: str) -> None:
    """Raise `InvalidRequest` unless a text is a value of a parameter."""
    form = _FORMS.get(parameter["type"])
    if form is not None and not form.fullmatch(text):
        raise invalid(pointer, f"must be a {parameter['type']}")
    if parameter["pattern"] is not None and not re2.fullmatch(parameter["pattern"], text):
        raise invalid(pointer, f"must match {parameter['pattern']}")
    if parameter["secret"] and len(text) < SHORTEST_SECRET:
        raise invalid(pointer, f"a secret has {SHORTEST_SECRET} characters or more")


def check_pattern(pattern: str, pointer: str) -> None:
    """Raise `InvalidRequest` for a regex that RE2 does not accept."""
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as problem:
        raise invalid(pointer, f"is no regex: {problem}") from None


def values_of(
    parameters: Sequence[Mapping[str, Any]],
    given: Mapping[str, str],
    stored: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the values of plain and of secret parameters of a run. Raises `InvalidRequest`.

    stored  the default values of secret parameters
    """
    known = {one["name"] for one in parameters}
    for name in given:
        if name not in known:
            raise invalid(f"/parameters/{name}", "the runbook has no such parameter")
    plain: dict[str, str] = {}
    secret: dict[str, str] = {}
    for one in parameters:
        name, default = one["name"], one["default"]
        if one["secret"]:
            default = stored.get(name)
        value = given.get(name, default)
        if value is None:
            raise invalid(f"/parameters/{name}", "needs a value")
        if name in given:
            check_value(one, value, f"/parameters/{name}")
        (secret if one["secret"] else plain)[name] = value
    return plain, secret


def samples_of(parameters: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return a value of each parameter, as long as its reference, to check queries with."""
    found = {}
    for one in parameters:
        size = len(one["name"]) + len("${}")
        kind = one["type"]
        if one["default"] is not None and not one["secret"]:
            found[one["name"]] = one["default"]
        elif kind == "number":
            found[one["name"]] = "1" * min(size, 15)
        else:
            found[one["name"]] = _SAMPLES.get(kind, "x" * size)
    return found


def references_in(step: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the pointer within a step and the name of each reference to a parameter."""
    match step["type"]:
        case "http":
            places = [("/url", step["url"])]
            places += [(f"/headers/{name}", text) for name, text in step["headers"].items()]
            places += list(_texts(step["json"], "/json"))
        case "query":
            yield from (("/expr", one.name) for one in references(step["expr"]))
            return
        case "notify" | "approval":
            places = [("/message", step["message"])]
        case "script":
            places = [(f"/parameters/{name}", text) for name, text in step["parameters"].items()]
        case _:
            return
    for pointer, text in places:
        # Up to the last brace, so that each `${` has one and is found in one step.
        found_ones = REFERENCE.finditer(text, 0, text.rfind("}") + 1)
        yield from ((pointer, found[1]) for found in found_ones)


def inserted(step: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return a step with values in place of its references. Raises `Impossible` for a value that
    cannot be at its place."""
    match step["type"]:
        case "http":
            return {
                **step,
                "url": _replaced(step["url"], values, _in_url),
                "headers": {
                    name: _replaced(text, values, _in_header)
                    for name, text in step["headers"].items()
                },
                "json": _in_json(step["json"], values),
            }
        case "query":
            chosen = {name: QueryValue((text,)) for name, text in values.items()}
            try:
                return {**step, "expr": interpolated(step["expr"], chosen)}
            except BadValue as problem:
                place = f"/parameters/{problem.variable}"
                raise impossible(place, str(problem), "invalid_parameter") from None
        case "notify" | "approval":
            return {**step, "message": _replaced(step["message"], values, _plain)}
        case "script":
            own = {
                name: _replaced(text, values, _plain) for name, text in step["parameters"].items()
            }
            return {**step, "parameters": own}
    return dict(step)


def _replaced(text: str, values: Mapping[str, str], spell: Callable[[str, str], str]) -> str:
    end = text.rfind("}") + 1
    return REFERENCE.sub(lambda found: spell(found[1], values[found[1]]), text[:end]) + text[end:]


def _in_url(name: str, value: str) -> str:
    if value in (".", ".."):  # would be a step in the path
        raise impossible(f"/parameters/{name}", "cannot be in a path", "invalid_parameter")
    return quote(value, safe="", errors="replace")


def _in_header(name: str, value: str) -> str:
    if _UNPRINTABLE.search(value) or not value.isascii():
        message = "has characters that cannot be in a header"
        raise impossible(f"/parameters/{name}", message, "invalid_parameter")
    return value


def _plain(_name: str, value: str) -> str:
    return value


def _in_json(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _replaced(value, values, _plain)
    if isinstance(value, Mapping):
        return {name: _in_json(inside, values) for name, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_in_json(inside, values) for inside in value]
    return value


def _texts(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, Mapping):
        for name, inside in value.items():
            yield from _texts(inside, f"{pointer}/{name}")
    elif isinstance(value, list | tuple):
        for number, inside in enumerate(value):
            yield from _texts(inside, f"{pointer}/{number}")
