"""Credentials in the URL of a request of InfluxDB's API: `u` and `p`.

They become an Authorization header before any other code reads the request. So no log line, error
message or trace that contains the query string can contain them.
"""

from __future__ import annotations

import base64
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from novaql.server.bases import is_influx

_USER, _PASSWORD = b"u", b"p"


def move_url_credentials(scope: Scope) -> None:
    """Remove `u` and `p` from the query string of a request to InfluxDB's API. If the request has
    no Authorization header, add one with them."""
    query: bytes = scope["query_string"]
    if not query or not is_influx(scope["path"]):
        return
    others: list[bytes] = []
    given: dict[bytes, bytes] = {}
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        plain = _decoded(name)
        if plain in (_USER, _PASSWORD):
            given.setdefault(plain, _decoded(value))
        else:
            others.append(part)
    if not given:
        return
    scope["query_string"] = b"&".join(others)
    if any(name == b"authorization" for name, _ in scope["headers"]):
        return
    user = given.get(_USER, b"").replace(b":", b"")
    pair = base64.b64encode(user + b":" + given.get(_PASSWORD, b""))
    scope["headers"] = [*scope["headers"], (b"authorization", b"Basic " + pair)]


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
