"""Credentials in the URL or the form of a request of InfluxDB's API: `u` and `p`.

They become an Authorization header before any other code reads the request. So no log line, error
message or trace that contains the query string can contain them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from novaql.server.bases import is_influx

_CREDENTIAL = re.compile(rb"(?<![^&])(?:(u|%75)|p|%70)(?:=([^&]*))?(?:&|\Z)")
"""A parameter `u` (group 1) or `p`, its value (group 2), and the separator after it."""


def move_url_credentials(scope: Scope) -> None:
    """Remove `u` and `p` from the query string of a request to InfluxDB's API. If the request has
    no Authorization header, add one with the first of each.

    It runs before the sender is known, so one pass of the pattern has to suffice, whatever the
    number of parameters.
    """
    query: bytes = scope["query_string"]
    if not query or not is_influx(scope["path"]):
        return
    others, count = _CREDENTIAL.subn(b"", query)
    if not count:
        return
    scope["query_string"] = others.removesuffix(b"&")
    if any(name == b"authorization" for name, _ in scope["headers"]):
        return
    user = password = None
    for found in _CREDENTIAL.finditer(query):
        if found[1] is None:
            password = found if password is None else password
        else:
            user = found if user is None else user
        if user is not None and password is not None:
            break
    header = _basic(_value(user), _value(password))
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


def _value(found: re.Match[bytes] | None) -> bytes:
    return b"" if found is None else unquote_to_bytes((found[2] or b"").replace(b"+", b" "))
