"""Request and response models of users."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import Body, Listed, Name, ResponseModel, Timestamp, example

RoleName = Literal["read_only", "operator", "admin"]
StatusName = Literal["invited", "active", "deactivated"]
Email = Annotated[
    str,
    Field(
        min_length=3,
        max_length=254,
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$",
        examples=["grace@example.com"],
    ),
]


class InviteUser(Body):
    """The user to invite, and the role of the user."""

    model_config = example({"email": "grace@example.com", "name": "Grace", "role": "operator"})

    email: Email
    name: Name | None = None
    role: RoleName


class ChangeUser(Body):
    """Changes of a user. `version` is the row version that they are based on."""

    model_config = example({"version": 1, "name": "Grace"})

    version: int | None = Field(None, ge=1)
    name: Name | None = None
    role: RoleName | None = None
    status: Literal["active"] | None = Field(None, description="`active` reactivates the user")


class AcceptInvitation(Body):
    """The secret of an invitation, and the name of the user."""

    model_config = example(
        {"token": "nova_invitation_0000000000000000000000000000000000000000000000000"}
    )

    token: str = Field(min_length=1, max_length=128, description="the invitation's secret")
    name: Name | None = None


class UserQuery(PageQuery):
    """Filters of the list."""

    status: StatusName | None = None
    role: RoleName | None = None
    email: str | None = Field(None, min_length=1, max_length=254)


class UserOut(ResponseModel):
    """A user. Only the answer that creates an invitation contains `invitation_url`."""

    id: str
    email: str
    name: str
    role: RoleName
    status: StatusName
    last_active_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class InvitedOut(UserOut):
    """An invited user, with the invitation."""

    invitation_url: str = Field(
        description="a page; the secret is behind `#invitation=`, which browsers send to no server"
    )
    invitation_token: str = Field(description="for `POST /v1/invitations/accept`")
    invitation_expires_at: Timestamp


class UsersOut(Listed[UserOut]):
    """A page of users."""


class AcceptedOut(ResponseModel):
    """The active user and a first token. Only this answer contains its secret."""

    user: UserOut
    token_id: str
    token: str
