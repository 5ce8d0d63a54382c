"""Request and response models of integrations."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import Listed, ResponseModel, Timestamp
from novaql.server.integrations.provider import Flow, Reason

Status = Literal["connecting", "connected", "expired", "denied", "reconnect", "disconnected"]
SyncStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class ConnectIntegration(RootModel[dict[str, Any]]):
    """The settings of the provider; `GET /integrations/providers` has their schema."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"flow": "device"}]})


class ProviderOut(ResponseModel):
    """A provider that can be connected."""

    name: str
    title: str
    verified: bool = Field(description="it has been run against the real service")
    flows: list[Flow] = Field(description="how it can be connected; the first is the usual one")
    kinds: list[str] = Field(description="kinds of resources that a sync imports")
    hooks: bool = Field(description="hooks can receive its requests")
    settings_schema: dict[str, Any] = Field(description="JSON Schema of the body of `connect`")


class ProvidersOut(ResponseModel):
    """All providers."""

    data: list[ProviderOut]


class FaultOut(ResponseModel):
    """A failure at the provider."""

    reason_code: Reason
    detail: str
    at: Timestamp


class IntegrationOut(ResponseModel):
    """A connection to a provider."""

    id: str
    provider: str
    title: str
    status: Status
    flow: Flow
    healthy: bool | None = Field(
        description="whether the last test or sync succeeded; null: there was none, or it is not "
        "connected"
    )
    settings: dict[str, Any] = Field(description="without secrets")
    last_error: FaultOut | None
    last_sync_at: Timestamp | None = Field(description="when the last successful sync began")
    sync_lag_s: float | None = Field(description="age of the imported resources")
    sync_in_progress: str | None = Field(description="id of the sync that waits or runs")
    authorization_expires_at: Timestamp | None = Field(
        description="until then the user can finish the authorization that has begun"
    )
    connected_at: Timestamp | None
    connected_by: str | None
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class IntegrationsOut(Listed[IntegrationOut]):
    """A page of integrations."""


class ConnectedOut(ResponseModel):
    """What follows. `oauth`: the user opens `authorize_url`; `device`: the user enters `user_code`
    at `verification_uri`; `GET …/status` reports when that is done. `api_key`, `secret`: it is
    connected."""

    flow: Flow
    status: Status
    authorize_url: str | None = None
    user_code: str | None = None
    verification_uri: str | None = None
    verification_uri_complete: str | None = None
    interval: float | None = Field(default=None, description="seconds between polls of this server")
    expires_at: Timestamp | None = None


class CallbackQuery(BaseModel):
    """The parameters that the provider appends to the redirect URI. RFC 6749 requires clients to
    ignore other parameters."""

    model_config = ConfigDict(extra="ignore")

    state: str = Field(min_length=1, max_length=200, description="of the authorize URL")
    code: str | None = Field(None, min_length=1, max_length=4096, description="of the grant")
    error: str | None = Field(None, max_length=200, description="why there is no grant")
    error_description: str | None = Field(None, max_length=2000, description="for people")
    error_uri: str | None = Field(None, max_length=2000, description="for people")
    iss: str | None = Field(None, max_length=2048, description="the issuer (RFC 9207)")
    scope: str | None = Field(None, max_length=2000, description="of the grant")
    session_state: str | None = Field(None, max_length=2000, description="of OpenID Connect")


class CallbackOut(ResponseModel):
    """The connection that the user has authorized."""

    provider: str
    status: Status


class ProviderTested(ResponseModel):
    """The result of a test. reason_code: null if it succeeded."""

    ok: bool
    reason_code: Reason | None
    detail: str


class SyncStartedOut(ResponseModel):
    """The sync that will run."""

    sync_id: str


class SyncOut(ResponseModel):
    """A sync."""

    id: str
    provider: str
    status: SyncStatus
    source: Literal["request", "schedule", "connect"]
    counts: dict[str, dict[str, int]] = Field(
        description="kind → how many were `added`, `changed`, `unchanged`, `vanished`, `skipped`"
    )
    pages: int
    cursor: str | None = Field(description="after the last stored page")
    lag_s: float = Field(description="from the request to the end, or until now")
    error: dict[str, Any] | None
    created_at: Timestamp
    began_at: Timestamp | None
    ended_at: Timestamp | None


class SyncsOut(Listed[SyncOut]):
    """A page of syncs."""


class ResourceOut(ResponseModel):
    """An imported resource. It has vanished if a sync no longer lists it."""

    id: str
    provider: str
    kind: str
    external_id: str
    name: str
    service: str | None
    url: str | None
    at: Timestamp | None
    data: dict[str, Any]
    vanished_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


class ResourcesOut(Listed[ResourceOut]):
    """A page of resources."""


class ResourceQuery(PageQuery):
    """Filters of the list."""

    kind: str | None = Field(None, min_length=1, max_length=32)
    service: str | None = Field(None, min_length=1, max_length=63)
    vanished: bool | None = None
