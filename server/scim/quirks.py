"""Requests of identity providers that the RFCs do not have, written as the RFCs do.

Entra sends a manager as a text where the schema has an object, and in a PATCH without a path keys
that are paths with a filter, as `emails[type eq "work"].value`. What else it does (capitals, truth
values as texts, dotted keys, filters that match nothing yet) the library takes, told to by the
policy of server/scim/provider.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from scim2_server.requests import ScimRequest

_MANAGER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager"


def plainly(scim_request: ScimRequest) -> ScimRequest:
    """The same request; a PATCH with operations that the library understands."""
    if scim_request.method != "PATCH":
        return scim_request
    try:
        body = json.loads(scim_request.body)
    except ValueError:
        return scim_request
    operations = body.get("Operations") if isinstance(body, dict) else None
    if not isinstance(operations, list):
        return scim_request
    plain = [one for operation in operations for one in _operations(operation)]
    if plain == operations:
        return scim_request
    return replace(scim_request, body=json.dumps({**body, "Operations": plain}).encode())


def _operations(operation: Any) -> Iterator[Any]:
    """One operation as one, or as several that do the same."""
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
    return {"value": value} if path.lower() == _MANAGER and isinstance(value, str) else value
