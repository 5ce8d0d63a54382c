"""Convert requests of identity providers that deviate from the RFCs.

Entra sends a manager as a text instead of an object. It sends members of groups with
`"$ref": null`, which the library would compare when it removes them. In a PATCH without a path, it
sends keys that are paths with a filter, such as `emails[type eq "work"].value`. The library accepts
its other deviations (capitals, truth values as texts, dotted keys, filters without a match), by the
policy in server/scim/provider.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_MANAGER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager"


def plainly(method: str, body: Any) -> Any:
    """Convert the operations in the body of a PATCH to ones that the library supports. Other bodies
    are returned as they are."""
    operations = body.get("Operations") if isinstance(body, dict) else None
    if method != "PATCH" or not isinstance(operations, list):
        return body
    plain = [one for operation in operations for one in _operations(operation)]
    return body if plain == operations else {**body, "Operations": plain}


def _operations(operation: Any) -> Iterator[Any]:
    """Convert an operation to one or more equivalent ones."""
    if not isinstance(operation, dict):
        yield operation
        return
    path, value = operation.get("path"), operation.get("value")
    if isinstance(path, str):
        yield {**operation, "value": _value(path, value)} if "value" in operation else operation
        return
    if not isinstance(value, dict):
        yield operation
        return
    filtered = {key: inside for key, inside in value.items() if "[" in key}
    rest = {key: _value(key, inside) for key, inside in value.items() if key not in filtered}
    if rest or not filtered:
        yield {**operation, "value": rest}
    for key, inside in filtered.items():
        yield {**operation, "path": key, "value": inside}


def _value(path: str, value: Any) -> Any:
    if path.lower() == _MANAGER and isinstance(value, str):
        return {"value": value}
    if isinstance(value, list):  # null is the same as no value (RFC 7643 2.5)
        return [_without_nulls(one) for one in value]
    return value


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: inside for name, inside in value.items() if inside is not None}
