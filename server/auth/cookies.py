"""The cookie of a browser that is signed in, and when a request may use it.

Browsers send it with requests of every page of the same site, which includes other ports of this
host. A request that changes something must therefore also prove that it comes from a page of this
server: `http/site.py` has rejected foreign values of `Origin` and `Sec-Fetch-Site`, and here one of
them must be present.
"""

from __future__ import annotations

from starlette.requests import cookie_parser
from starlette.types import Scope

from novaql.server.errors import Forbidden

_NAME = "novaql_session"
SECRET_KIND = "session"  # noqa: S105 - the kind of a secret
_SAFE = frozenset({"GET", "HEAD"})


def is_session_secret(secret: str) -> bool:
    """Whether a secret is that of a session and not of a token."""
    return secret.startswith(f"nova_{SECRET_KIND}_")


def cookie_name(scope: Scope) -> str:
    """Return the name of the cookie: one for each port, because browsers send cookies of a host to
    all its ports, and two servers on a machine must not overwrite each other's."""
    host: bytes = scope["state"]["headers"].get(b"host", b"")
    port = host.rpartition(b":")[2].decode("latin-1")
    return f"{_NAME}_{port}" if port.isdigit() else _NAME


def cookie_of(scope: Scope) -> str:
    """Return the secret in the cookie of a request; "" without one."""
    cookies: bytes = scope["state"]["headers"].get(b"cookie", b"")
    secret = cookie_parser(cookies.decode("latin-1")).get(cookie_name(scope), "")
    return secret if is_session_secret(secret) else ""


def session_secret_of(scope: Scope) -> str:
    """Return the secret of the session that a request may use; "" without one.

    Raises `Forbidden` for a change that no page of this server has sent.
    """
    secret = cookie_of(scope)
    if secret and scope["method"] not in _SAFE and not _is_of_own_page(scope["state"]["headers"]):
        raise Forbidden(
            "a session changes something only from a page of this server; programs use a token",
            code="foreign_origin",
        )
    return secret


def is_secure(scope: Scope) -> bool:
    """Whether the browser uses HTTPS, also through a proxy that does not forward the scheme."""
    origin: bytes = scope["state"]["headers"].get(b"origin", b"")
    return scope["scheme"] == "https" or origin.startswith(b"https:")


def _is_of_own_page(headers: dict[bytes, bytes]) -> bool:
    return b"origin" in headers or headers.get(b"sec-fetch-site") == b"same-origin"
