"""A connection to the account of a tenant: requests with current credentials."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from novaql import Cancellation, QueryCancelled
from novaql.server.integrations.credentials import Credentials, Current, current, settings_of
from novaql.server.integrations.exchange import Exchange
from novaql.server.integrations.provider import Provider, ProviderFault, Reason, Reply
from novaql.server.tenants.context import ServerContext


def exchange_of(context: ServerContext) -> Exchange:
    """The requests of a tenant's integrations, with its limits."""
    settings = context.settings
    return Exchange(
        context.dialer,
        context.clock,
        settings.integration_timeout_s,
        settings.integration_page_bytes,
    )


class AccountLink:
    """Implements `Link`. Of a stored connection, it refreshes the access token when needed.

    integration_id  None: the credentials are not stored yet, or no longer; they are used as given
    cancellation    no request begins after it: `QueryCancelled`
    """

    def __init__(
        self,
        context: ServerContext,
        provider: Provider,
        integration_id: str | None,
        credentials: Credentials | None = None,
        *,
        cancellation: Cancellation | None = None,
    ) -> None:
        self._context, self._provider = context, provider
        self._cancellation = cancellation
        self._exchange = exchange_of(context)
        self._id = integration_id
        if integration_id is None:
            assert credentials is not None
            self._current = Current("", 0, credentials)
        else:
            self._current = current(context, provider, integration_id, self._exchange)

    @property
    def settings(self) -> Any:
        """The provider's settings, with their secrets."""
        return settings_of(self._provider, self._current.credentials)

    @property
    def access_token(self) -> str | None:
        """The current access token."""
        return self._current.credentials.access_token

    @property
    def now(self) -> datetime:
        """The time."""
        return self._context.clock.now()

    def get(
        self,
        url: str,
        params: Mapping[str, str | int] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a GET."""
        return self._send("GET", url, params, None, headers)

    def post(
        self, url: str, json: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a POST."""
        return self._send("POST", url, None, json, headers)

    def delete(
        self, url: str, json: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a DELETE."""
        return self._send("DELETE", url, None, json, headers)

    def _send(
        self,
        method: str,
        url: str,
        params: Mapping[str, str | int] | None,
        content: Any,
        headers: Mapping[str, str] | None,
    ) -> Reply:
        if self._cancellation is not None and self._cancellation.cancelled:
            raise QueryCancelled("the requests to the provider were cancelled")
        if self._id is not None and self.access_token is not None:
            self._current = current(self._context, self._provider, self._id, self._exchange)
        try:
            return self._sent(method, url, params, content, headers)
        except ProviderFault as fault:
            refreshable = self._current.credentials.refresh_token is not None
            if fault.reason is not Reason.UNAUTHORIZED or self._id is None or not refreshable:
                raise
        self._current = current(
            self._context,
            self._provider,
            self._id,
            self._exchange,
            rejected=self._current.generation,
        )
        return self._sent(method, url, params, content, headers)

    def _sent(
        self,
        method: str,
        url: str,
        params: Mapping[str, str | int] | None,
        content: Any,
        headers: Mapping[str, str] | None,
    ) -> Reply:
        settings = self.settings
        base = self._provider.base_url(settings)
        own: dict[str, str] = {}
        absolute = url if "://" in url else f"{base}{url}"
        if not base or _origin(absolute) == _origin(base):  # credentials remain at their origin
            own = dict(self._provider.headers(settings, self.access_token))
        all_headers = {**own, **(headers or {})}
        return self._exchange.send(
            method, absolute, params=params, headers=all_headers, content=content
        )


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parsed = urlsplit(url)
    return parsed.scheme, parsed.hostname, parsed.port
