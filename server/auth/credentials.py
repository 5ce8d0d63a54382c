"""What a request shows of itself, and whether that is enough."""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request

from novaql.server.auth.roles import Principal, Role
from novaql.server.bases import SCIM_BASES, is_prometheus
from novaql.server.errors import Forbidden, Unauthenticated

_TOO_WEAK = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}


def secret_of(request: Request) -> str:
    """The token that came with a request; "" if there is none.

    On Prometheus's base the token may also be the password of basic authentication, which is
    what promtool, Grafana and remote writers can send.
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() == "basic" and is_prometheus(request.scope["path"]):
        return _basic_password(given.strip())
    return ""


def unauthenticated(*, given: bool) -> Unauthenticated:
    """The refusal; `given`: there was a token, and it opens nothing."""
    challenge = 'Bearer error="invalid_token"' if given else "Bearer"
    # Basic is taken on Prometheus's base, and not offered: a browser would ask for a password,
    # keep it, and send it with requests of any page.
    message = (
        "this token is not valid" if given else "a token is needed: Authorization: Bearer nova_…"
    )
    return Unauthenticated(message, headers={"WWW-Authenticate": challenge})


def authorize(principal: Principal, needed: Role, path: str) -> None:
    """Raises `Forbidden` if the role is too low, or the token is for something else."""
    if principal.purpose == "scim" and not path.startswith(SCIM_BASES):
        raise Forbidden("this token is for SCIM only", headers=_TOO_WEAK)
    if not principal.role.covers(needed):
        raise Forbidden(
            f"this needs the role {needed.value}, the token has {principal.role.value}",
            headers=_TOO_WEAK,
        )


def _basic_password(given: str) -> str:
    try:
        text = base64.b64decode(given, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text.partition(":")[2]
