"""/v1/session."""

from __future__ import annotations

from fastapi import Response
from starlette.requests import Request

from novaql.server.auth.cookies import cookie_name, cookie_of, is_secure
from novaql.server.auth.credentials import secret_of
from novaql.server.errors import Conflict
from novaql.server.http.dependencies import READ_ONLY, Caller, UnitOfWork
from novaql.server.http.request import context_of
from novaql.server.http.routing import api_router, audited, spends
from novaql.server.http.unit_of_work import in_unit
from novaql.server.sessions import service
from novaql.server.sessions.schema import SessionOut

router = api_router("/v1/session", "sessions")


@router.get("", dependencies=[READ_ONLY])
@spends("session")
def get_session(unit: UnitOfWork, caller: Caller) -> SessionOut:
    """The user, the tenant and the role of a request, and its session, if it has one."""
    return SessionOut.of(caller, service.of(unit, caller))


@router.post("", status_code=201, dependencies=[READ_ONLY])
@audited("session.create")
@spends("session")
async def open_session(request: Request, caller: Caller, response: Response) -> SessionOut:
    """Open a session with the token of the request, for pages of this server in a browser.

    The cookie in the answer replaces the token: `HttpOnly`, `SameSite=Strict`, and `Secure` over
    HTTPS. It is valid for `session_s` seconds (7 days) unless the token, its secret or its owner
    ends earlier, or the browser opens another one. Requests with it have the quota
    `session_per_minute`, and change something only if a page of this server sends them. Programs
    use the token itself.
    """
    if context_of(request).access.accounts is None:
        raise Conflict("this server requires no tokens, so it has no sessions", code="no_tokens")
    scope = request.scope
    secret = secret_of(scope)
    row, cookie = await in_unit(
        request, lambda unit: service.begin(unit, caller, secret, cookie_of(scope)), writes=True
    )
    response.headers["Cache-Control"] = "no-store"
    response.set_cookie(
        cookie_name(scope),
        cookie,
        expires=row.expires_at,
        httponly=True,
        samesite="strict",
        secure=is_secure(scope),
    )
    return SessionOut.of(caller, row)


@router.delete("", status_code=204, dependencies=[READ_ONLY])
@audited("session.delete")
@spends("session")
def close_session(request: Request, unit: UnitOfWork, caller: Caller, response: Response) -> None:
    """End the session of the request. With a token, end all sessions that were opened with it."""
    service.end(unit, caller)
    scope = request.scope
    response.delete_cookie(
        cookie_name(scope), httponly=True, samesite="strict", secure=is_secure(scope)
    )
