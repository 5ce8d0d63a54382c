"""Credentials of a request, and the check of its role."""

from __future__ import annotations

import base64

from starlette.types import Scope

from novaql.server.auth.cookies import is_session_secret, session_secret_of
from novaql.server.auth.roles import Principal, Role
from novaql.server.bases import PROBE_BASE, SCIM_BASES, is_client, is_influx
from novaql.server.errors import Forbidden, Unauthenticated

_TOO_WEAK = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}


def secret_of(scope: Scope) -> str:
    """Return the token of a request; "" if it has none.

    On the bases of other systems, the token may also be the password of basic authentication,
    because promtool, Grafana, remote writers and clients of InfluxDB 1 can send that. Clients of
    InfluxDB 2 send `Token TOKEN`, or `Token USER:TOKEN` to a server of version 1.8.
    """
    header: bytes = scope["state"]["headers"].get(b"authorization", b"")
    scheme, _, given = header.decode("latin-1").partition(" ")
    match scheme.lower():
        case "bearer":
            return given.strip()
        case "basic" if is_client(scope["path"]):
            return _basic_password(given.strip())
        case "token" if is_influx(scope["path"]):
            return given.strip().rpartition(":")[2]
    return ""


def credential_of(scope: Scope) -> str:
    """Return the token of a request, or without one the secret of its session; "" without both.

    Raises `Forbidden` for a change by a session that no page of this server has sent.
    """
    secret = secret_of(scope)
    if is_session_secret(secret):
        return ""  # it is valid in the cookie only
    return secret or session_secret_of(scope)


def unauthenticated(*, given: bool) -> Unauthenticated:
    """Return the error for a missing (`given` is False) or an invalid token."""
    challenge = 'Bearer error="invalid_token"' if given else "Bearer"
    # Bases of other systems accept Basic but do not offer it: a browser would prompt for
    # a password, store it, and send it with requests of any page.
    message = (
        "this token is not valid" if given else "a token is needed: Authorization: Bearer nova_…"
    )
    return Unauthenticated(message, headers={"WWW-Authenticate": challenge})


def authorize(principal: Principal, needed: Role, path: str) -> None:
    """Raise `Forbidden` if the role is too low, or if the token has another purpose."""
    if principal.purpose == "scim" and not path.startswith(SCIM_BASES):
        raise Forbidden("this token is for SCIM only", headers=_TOO_WEAK)
    if principal.purpose == "probe" and not path.startswith(PROBE_BASE):
        raise Forbidden("this token is for runners of checks only", headers=_TOO_WEAK)
    if not principal.role.covers(needed):
        raise Forbidden(
            f"this needs the role {needed.value}, the token has {principal.role.value}",
            headers=_TOO_WEAK,
        )


def _basic_password(given: str) -> str:
    try:
        text = base64.b64decode(given, validate=True).decode("utf-8")
    except ValueError:  # no base64, no ASCII, or no UTF-8 in it
        return ""
    return text.partition(":")[2]
