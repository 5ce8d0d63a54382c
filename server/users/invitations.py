"""/v1/invitations/accept: accept an invitation, without a token."""

from __future__ import annotations

from fastapi import Response
from sqlalchemy import select
from starlette.requests import Request

from novaql.server.auth.roles import Principal, Role
from novaql.server.auth.tokens import issue
from novaql.server.crypto.token_secrets import digest_of, is_well_formed
from novaql.server.db.rows import Tenant
from novaql.server.db.tables import User
from novaql.server.errors import Gone, NotFound
from novaql.server.http.request import context_of, origin_of
from novaql.server.http.routing import api_router
from novaql.server.tenants.context import ServerContext
from novaql.server.users import service
from novaql.server.users.schema import AcceptedOut, AcceptInvitation, UserOut

router = api_router("/v1/invitations", "users")


@router.post("/accept", responses={404: {}, 410: {}})
async def accept_invitation(
    request: Request, body: AcceptInvitation, response: Response
) -> AcceptedOut:
    """Accept an invitation: the user becomes active and gets a first token.

    The secret in the body authenticates the request. It is valid once, until it expires.
    """
    context = context_of(request)
    secret = body.token
    user = await context.pools.state.run(lambda: _invited(context, secret))
    if user is None:
        await context.access.unauthenticated_limit.count(request)
        raise NotFound("there is no such invitation", code="invitation_not_found")
    response.headers["Cache-Control"] = "no-store"
    return await context.pools.state.run(lambda: _accept(request, context, user, secret, body))


def _invited(context: ServerContext, secret: str) -> Principal | None:
    if not is_well_formed(secret):
        return None
    with context.database.read(None) as session:
        row = session.execute(
            select(User, Tenant)
            .join(Tenant, Tenant.id == User.tenant_id)
            .where(User.invitation == digest_of(secret))
        ).one_or_none()
    if row is None:
        return None
    user, tenant = row
    return Principal(
        id=user.id,
        name="invitation",
        role=Role(user.role),
        api_version=context.access.default_principal.api_version,
        tenant_id=tenant.id,
        tenant_name=tenant.name,
        user_id=user.id,
        user_name=user.email,
    )


def _accept(
    request: Request,
    context: ServerContext,
    principal: Principal,
    secret: str,
    body: AcceptInvitation,
) -> AcceptedOut:
    scoped = context.scoped(principal)
    with scoped.unit(scoped.actor_of(principal), origin_of(request), writes=True) as unit:
        user = unit.get(User, principal.user_id, "user", lock=True)
        if user.invitation != digest_of(secret):
            raise NotFound("there is no such invitation", code="invitation_not_found")
        expires = user.invitation_expires_at
        if expires is not None and expires <= unit.now():
            raise Gone("the invitation has expired; request a new one", code="invitation_expired")
        service.accept(unit, user, body.name)
        token, token_secret = issue(
            unit.session, user, name="first", role=Role(user.role), now=unit.now()
        )
        unit.audit("token.create", ("token", token.id), after={"name": token.name})
        return AcceptedOut(user=UserOut.model_validate(user), token_id=token.id, token=token_secret)
