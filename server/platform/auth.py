"""Who makes a request, and whether that is enough."""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request

from server.platform.api_version import CURRENT
from server.platform.errors import Forbidden, Unauthenticated
from server.platform.problem import is_prometheus
from server.platform.scopes import Principal, Role
from server.platform.tokens import TokenStore

ANYONE = Principal("anyone", "authentication is off", Role.ADMIN, CURRENT)


def authenticate(request: Request, tokens: TokenStore | None) -> Principal:
    """The owner of the request's token; `ANYONE` when authentication is off (no store).

    On Prometheus's base the token may also be the password of basic authentication, which is
    what promtool, Grafana and remote writers can send.
    """
    if tokens is None:
        return ANYONE
    prometheus = is_prometheus(request.url.path)
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    secret = ""
    if scheme.lower() == "bearer":
        secret = given.strip()
    elif scheme.lower() == "basic" and prometheus:
        secret = _basic_password(given.strip())
    challenge = "Bearer"
    if secret:
        token = tokens.find(secret)
        if token is not None:
            return token.principal()
        challenge = 'Bearer error="invalid_token"'
    if prometheus:
        challenge += ', Basic realm="NovaQL"'
    message = (
        "this token is not valid" if secret else "a token is needed: Authorization: Bearer nova_…"
    )
    raise Unauthenticated(message, headers={"WWW-Authenticate": challenge})


def authorize(principal: Principal, needed: Role) -> None:
    """Raises `Forbidden` if the role is too low."""
    if not principal.role.covers(needed):
        raise Forbidden(
            f"this needs the role {needed.value}, the token has {principal.role.value}",
            headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
        )


def _basic_password(given: str) -> str:
    try:
        text = base64.b64decode(given, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text.partition(":")[2]
