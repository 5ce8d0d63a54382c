"""Credentials in the URL or the form of a request of InfluxDB's API: `u` and `p`.

They become an Authorization header before any other code reads the request. So no log line, error
message or trace that contains the query string can contain them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
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
    header = _basic(given.get(_USER, b""), given.get(_PASSWORD, b""))
    scope["headers"] = [*scope["headers"], (b"authorization", header)]


def use_form_credentials(scope: Scope, form: Mapping[str, Sequence[str]]) -> None:
    """Authenticate a request by the first `u` and `p` of its form; without `p`, not at all."""
    if password := form.get("p"):
        user = form.get("u", ("",))[0]
        header = _basic(user.encode(), password[0].encode())
        scope["headers"] = [*scope["headers"], (b"authorization", header)]
        scope["state"]["headers"][b"authorization"] = header


def _basic(user: bytes, password: bytes) -> bytes:
    return b"Basic " + base64.b64encode(user.replace(b":", b"") + b":" + password)


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
