"""Response models of sessions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from novaql.server.auth.roles import Principal
from novaql.server.db.tables import BrowserSession
from novaql.server.http.shapes import ResponseModel, Timestamp


class OpenSessionOut(ResponseModel):
    """A session that has not ended."""

    id: str
    created_at: Timestamp
    expires_at: Timestamp


class SessionOut(ResponseModel):
    """The sender of a request."""

    tenant: str
    tenant_id: str = Field(description="the `tenant` of which ids of alerts are hashes")
    user_id: str
    user: str = Field(description="the email address of the owner of the token")
    role: Literal["read_only", "operator", "admin"]
    session: OpenSessionOut | None = Field(description="null: the request has a token")

    @classmethod
    def of(cls, caller: Principal, row: BrowserSession | None) -> SessionOut:
        """Convert a principal and the row of its session for clients."""
        return cls(
            tenant=caller.tenant_name,
            tenant_id=caller.tenant_id,
            user_id=caller.user_id,
            user=caller.user_name,
            role=caller.role.value,
            session=None if row is None else OpenSessionOut.model_validate(row),
        )
