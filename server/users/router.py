"""/v1/users."""

from __future__ import annotations

from novaql.server.platform.calls import Answer, Call, created, listed, no_content, ok, operation
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.scopes import Role
from novaql.server.platform.tables import User
from novaql.server.users import service
from novaql.server.users.invitations import ENDPOINTS as INVITATIONS
from novaql.server.users.schema import (
    ChangeUser,
    InvitedOut,
    InviteUser,
    UserOut,
    UserQuery,
    UsersOut,
)


def list_users(call: Call) -> Answer:
    """The users of the tenant, oldest first."""
    return listed(service.find(call, call.query(UserQuery)), UserOut.of)


def invite_user(call: Call) -> Answer:
    """Invite somebody.

    The answer has the secret that they accept by, which is shown this once and good for seven days.
    """
    user, secret = service.invite(call, call.body(InviteUser))
    return created(_invited(call, user, secret), f"/v1/users/{user.id}")


def get_user(call: Call) -> Answer:
    """One user. A deactivated one is found in the list only, by `status=deactivated`."""
    return ok(UserOut.of(service.get(call, call.name("id"))))


def change_user(call: Call) -> Answer:
    """Change a user's name or role, or let a deactivated one in again."""
    body = call.body(ChangeUser)
    expected = call.expected_version(body.version)
    return ok(UserOut.of(service.change(call, call.name("id"), body, expected)))


def invite_again(call: Call) -> Answer:
    """Make a new invitation for a user who has not accepted; the old one ends."""
    user, secret = service.invite_again(call, call.name("id"))
    return ok(_invited(call, user, secret))


def deactivate_user(call: Call) -> Answer:
    """Deactivate a user and revoke all their tokens."""
    service.deactivate(call, call.name("id"))
    return no_content()


def _invited(call: Call, user: User, secret: str) -> InvitedOut:
    assert user.invitation_expires_at is not None
    return InvitedOut(
        **UserOut.of(user).model_dump(),
        invitation_url=call.url_of(f"/#invitation={secret}"),
        invitation_token=secret,
        invitation_expires_at=user.invitation_expires_at,
    )


_EXAMPLE = {"email": "grace@example.com", "name": "Grace", "role": "operator"}

ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "GET",
        "/v1/users",
        list_users,
        role=Role.ADMIN,
        tag="users",
        query=UserQuery,
        answer=UsersOut,
        steady=True,
    ),
    operation(
        "POST",
        "/v1/users",
        invite_user,
        role=Role.ADMIN,
        tag="users",
        action="user.create",
        body=InviteUser,
        answer=InvitedOut,
        success=201,
        example=_EXAMPLE,
    ),
    operation(
        "GET",
        "/v1/users/{id}",
        get_user,
        role=Role.ADMIN,
        tag="users",
        answer=UserOut,
        steady=True,
    ),
    operation(
        "POST",
        "/v1/users/{id}",
        change_user,
        role=Role.ADMIN,
        tag="users",
        action="user.update",
        body=ChangeUser,
        answer=UserOut,
        example={"version": 1, "name": "Grace"},
    ),
    operation(
        "POST",
        "/v1/users/{id}/invitation",
        invite_again,
        role=Role.ADMIN,
        tag="users",
        action="user.invite",
        answer=InvitedOut,
    ),
    operation(
        "DELETE",
        "/v1/users/{id}",
        deactivate_user,
        role=Role.ADMIN,
        tag="users",
        action="user.deactivate",
        success=204,
        errors=(409,),
    ),
    *INVITATIONS,
)
