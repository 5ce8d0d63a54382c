"""Settings of providers that are reached by a URL, without or with a plain login."""

from __future__ import annotations

import base64
from typing import Annotated, Self

from pydantic import Field, model_validator

from novaql.server.integrations.provider import ProviderSettings, Secret, TargetUrl

_USER = r"^[!-9;-~]+$"


class LoginSettings(ProviderSettings):
    """A URL, and a bearer token, or a user name with its password, or neither."""

    base_url: TargetUrl = Field(description="without `/api/…`; a path before that is allowed")
    token: Secret | None = Field(None, description="a bearer token")
    username: Annotated[str, Field(min_length=1, max_length=200, pattern=_USER)] | None = Field(
        None, description="of basic authentication"
    )
    password: Secret | None = None

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if self.token is not None and self.username is not None:
            raise ValueError("either a token, or a username with a password")
        return self


def login_headers(settings: LoginSettings) -> dict[str, str]:
    """The header of the login; none if there is no login."""
    if settings.token is not None:
        return {"Authorization": f"Bearer {settings.token}"}
    if settings.username is not None:
        pair = base64.b64encode(f"{settings.username}:{settings.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {}
