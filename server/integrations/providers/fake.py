"""The provider for tests. It sends requests to the server that a setting names."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from novaql.server.clock import parse_time
from novaql.server.integrations.provider import (
    Flow,
    Link,
    OAuthClient,
    Provider,
    ProviderFault,
    ProviderSettings,
    Reason,
    Resource,
    Secret,
    SyncPage,
)


class FakeSettings(ProviderSettings):
    """The flow, and what it needs."""

    flow: Literal["api_key", "oauth", "device"] = "api_key"
    api_key: Secret | None = None
    client_id: str = Field("client", max_length=100)
    client_secret: Secret | None = None


class Fake(Provider):
    """All flows, all kinds of faults, and resources in pages."""

    name = "fake"
    title = "Fake provider for tests"
    flows = (Flow.API_KEY, Flow.OAUTH, Flow.DEVICE)
    kinds = ("service", "alert", "deploy")
    complete = ("service", "alert")
    Settings = FakeSettings

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def base_url(self, settings: Any) -> str:  # noqa: ARG002
        return self._url

    def headers(self, settings: FakeSettings, access_token: str | None) -> dict[str, str]:
        if settings.flow == "api_key":
            return {"Authorization": f"Bearer {settings.api_key}"}
        return {"Authorization": f"Bearer {access_token}"}

    def oauth(self, settings: FakeSettings) -> OAuthClient:
        return OAuthClient(
            token_url=f"{self._url}/token",
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            authorize_url=f"{self._url}/authorize",
            device_url=f"{self._url}/device",
            scopes=("read",),
            issuer=self._url,
        )

    def test(self, link: Link) -> str:
        return f"connected as {link.get('/me').json['name']}"

    def sync(self, link: Link, cursor: str | None) -> SyncPage:
        answer = link.get("/resources", {} if cursor is None else {"cursor": cursor}).json
        if not isinstance(answer, dict):
            raise ProviderFault(Reason.PROVIDER_ERROR, "the answer is not a page")
        resources = [
            Resource(
                one["kind"],
                one["id"],
                one["name"],
                one.get("data", {}),
                service=one.get("service"),
                at=parse_time(one["at"]) if "at" in one else None,
            )
            for one in answer["resources"]
        ]
        return SyncPage(resources, answer["next"], answer["next"] is not None)

    def revoke(self, link: Link) -> None:
        link.post("/revoke")
