"""Request and response models of tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from novaql.server.auth.roles import Role
from novaql.server.db.tables import Token, User
from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import (
    Body,
    Listed,
    Name,
    PathName,
    ResponseModel,
    Timestamp,
    example,
)

RoleName = Literal["read_only", "operator", "admin"]


class IssueToken(Body):
    """A token to issue. The default owner is the user that sends the request."""

    model_config = example({"name": "ci", "role": "read_only"})

    name: Name
    role: RoleName
    owner_id: str | None = Field(
        None, min_length=1, max_length=64, description="id of a user who is active"
    )
    expires_at: Timestamp | None = Field(None, description="absent: when it is revoked")
    purpose: Literal["api", "scim", "probe"] = Field(
        "api",
        description="`scim`: it opens the SCIM base and nothing else; `probe`: a runner of "
        "synthetic checks uses it, and it can only claim runs of its region and report them",
    )
    region: PathName | None = Field(None, description="of a runner: for `probe` only, and needed")


class TokenQuery(PageQuery):
    """Filters of the list."""

    owner: str | None = Field(None, min_length=1, max_length=64, description="a user's id")


class OwnerOut(ResponseModel):
    """The owner of a token."""

    id: str
    name: str
    email: str


class TokenOut(ResponseModel):
    """A token without its secret; `role` is at most the present role of its owner."""

    id: str
    name: str
    role: RoleName
    owner: OwnerOut
    prefix: str = Field(description="the beginning of the secret")
    purpose: Literal["api", "scim", "probe"]
    region: str | None = Field(description="of a token with the purpose `probe`")
    api_version: str
    created_at: Timestamp
    updated_at: Timestamp
    version: int
    last_used_at: Timestamp | None = Field(description="to the minute")
    expires_at: Timestamp | None
    previous_valid_until: Timestamp | None = Field(
        description="until then the secret before the last rotation works, too"
    )

    @classmethod
    def of(cls, token: Token, owner: User) -> TokenOut:
        """Convert a row for clients."""
        columns = {name: getattr(token, name) for name in cls.model_fields if name != "owner"}
        role = Role(token.role).at_most(Role(owner.role)).value
        return cls.model_validate({**columns, "owner": owner, "role": role})


class IssuedOut(TokenOut):
    """A token with its secret, which only this answer contains."""

    token: str


class TokensOut(Listed[TokenOut]):
    """A page of tokens."""
