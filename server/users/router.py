"""/v1/users."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from novaql.server.db.tables import User
from novaql.server.http.dependencies import (
    ADMIN,
    BaseUrl,
    IfMatch,
    Pages,
    ResourceId,
    UnitOfWork,
)
from novaql.server.http.routing import api_router, audited, cached
from novaql.server.users import service
from novaql.server.users.schema import (
    ChangeUser,
    InvitedOut,
    InviteUser,
    UserOut,
    UserQuery,
    UsersOut,
)

router = api_router("/v1/users", "users")


@router.get("", dependencies=[ADMIN])
@cached(by="rows")
def list_users(unit: UnitOfWork, pages: Pages, query: Annotated[UserQuery, Query()]) -> UsersOut:
    """The users of the tenant, oldest first."""
    return UsersOut.of(service.find(unit, pages, query), UserOut.model_validate)


@router.post("", status_code=201, dependencies=[ADMIN])
@audited("user.create")
def invite_user(
    unit: UnitOfWork, body: InviteUser, base_url: BaseUrl, response: Response
) -> InvitedOut:
    """Invite a user.

    Only this answer contains the secret of the invitation, with which the user accepts it. It is
    valid for seven days.
    """
    user, secret = service.invite(unit, body)
    response.headers["Location"] = f"/v1/users/{user.id}"
    return _invited(user, secret, base_url)


@router.get("/{id}", dependencies=[ADMIN])
@cached(by="rows")
def get_user(unit: UnitOfWork, id: ResourceId) -> UserOut:
    """A user. Only the list contains deactivated users, with `status=deactivated`."""
    return UserOut.model_validate(service.get(unit, id))


@router.post("/{id}", dependencies=[ADMIN])
@audited("user.update")
def change_user(unit: UnitOfWork, id: ResourceId, body: ChangeUser, seen: IfMatch) -> UserOut:
    """Change a user's name or role, or reactivate a deactivated user.

    A user that the identity provider has deleted cannot be reactivated.
    """
    expected = body.version if seen is None else seen
    return UserOut.model_validate(service.change(unit, id, body, expected))


@router.post("/{id}/invitation", dependencies=[ADMIN])
@audited("user.invite")
def invite_again(unit: UnitOfWork, id: ResourceId, base_url: BaseUrl) -> InvitedOut:
    """Create a new invitation for an invited user. It invalidates the old one."""
    user, secret = service.invite_again(unit, id)
    return _invited(user, secret, base_url)


@router.delete("/{id}", status_code=204, responses={409: {}}, dependencies=[ADMIN])
@audited("user.deactivate")
def deactivate_user(unit: UnitOfWork, id: ResourceId) -> None:
    """Deactivate a user and revoke all their tokens."""
    service.deactivate(unit, id)


def _invited(user: User, secret: str, base_url: str) -> InvitedOut:
    assert user.invitation_expires_at is not None
    return InvitedOut(
        **UserOut.model_validate(user).model_dump(),
        invitation_url=f"{base_url}/#invitation={secret}",
        invitation_token=secret,
        invitation_expires_at=user.invitation_expires_at,
    )
