"""The credentials of a connection: sealed in its row, refreshed by one process at a time.

A process that finds an expired access token leases the refresh in the row, sends the request
without a transaction, and stores the result only while it holds the lease. Others wait, read the
row again, and use the new token. So a refresh token is used once, also if the provider rotates it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from novaql.fast_dataclass import dataclass
from novaql.server.clock import parse_time, rfc3339
from novaql.server.db.unit import Origin, Unit, system_actor
from novaql.server.ids import new_id
from novaql.server.integrations.exchange import Exchange
from novaql.server.integrations.oauth import Refused, Tokens, refresh
from novaql.server.integrations.provider import Provider, ProviderFault, ProviderSettings, Reason
from novaql.server.integrations.tables import Integration
from novaql.server.tenants.context import ServerContext

_POLL_S = 0.05
_ENDED = ("invalid_grant", "invalid_client", "unauthorized_client", "bad_refresh_token")
"""Errors of a token endpoint after which only a new connection helps."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The content of the sealed column. settings: all, with secrets."""

    settings: dict[str, Any]
    access_token: str | None = None
    refresh_token: str | None = None
    expires_at: str | None = None
    scope: str = ""

    def with_tokens(self, tokens: Tokens) -> Credentials:
        """These, after a token endpoint has answered. A missing refresh token means the old one."""
        expires = tokens.expires_at
        return replace(
            self,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token or self.refresh_token,
            expires_at=None if expires is None else rfc3339(expires),
            scope=tokens.scope or self.scope,
        )

    def usable_at(self, now: datetime) -> bool:
        """Whether the access token is valid for longer than a request takes."""
        return self.expires_at is None or parse_time(self.expires_at) > now


@dataclass(frozen=True, slots=True)
class Current:
    """The credentials as read from the row, with its generation."""

    integration_id: str
    generation: int
    credentials: Credentials


def seal(unit: Unit, row: Integration, credentials: Credentials) -> None:
    """Store credentials in a row."""
    text = orjson.dumps(asdict(credentials)).decode()
    row.credentials = unit.seal(text, f"integration:{row.id}:credentials")
    row.generation += 1
    row.refresh_lease = row.refresh_until = None


def unsealed(unit: Unit, row: Integration) -> Credentials | None:
    """Read the credentials of a row."""
    if row.credentials is None:
        return None
    text = unit.unseal(row.credentials, f"integration:{row.id}:credentials")
    return Credentials(**orjson.loads(text))


def settings_of(provider: Provider, credentials: Credentials) -> ProviderSettings:
    """The provider's settings in credentials."""
    return provider.Settings.model_validate(credentials.settings)


def current(
    context: ServerContext,
    provider: Provider,
    integration_id: str,
    exchange: Exchange,
    *,
    rejected: int | None = None,
) -> Current:
    """Return credentials whose access token is valid; refresh it if it is not.

    rejected  the generation whose access token the provider has rejected

    Raises `ProviderFault`. Call it without a transaction: it waits for other processes.
    """
    settings = context.settings
    end = time.monotonic() + 2 * settings.integration_timeout_s + settings.integration_refresh_s
    while True:
        with _unit(context, integration_id, writes=False) as unit:
            found = _read(unit, integration_id)
            if _usable(unit, found, rejected):
                return found
        lease, found = _lease(context, integration_id, rejected)
        if lease is not None:
            return _refreshed(context, provider, found, exchange, lease)
        if _usable_now(context, found, rejected):
            return found
        if time.monotonic() > end:
            raise ProviderFault(Reason.TIMEOUT, "another process refreshes the access token")
        threading.Event().wait(_POLL_S)


def _unit(context: ServerContext, key: str, *, writes: bool) -> Any:
    return context.unit(system_actor("integrations.refresh"), Origin(key), writes=writes)


def _read(unit: Unit, integration_id: str, *, lock: bool = False) -> Current:
    row = unit.find(Integration, integration_id, lock=lock)
    credentials = None if row is None else unsealed(unit, row)
    if row is None or credentials is None:
        raise ProviderFault(Reason.UNAUTHORIZED, "the integration is not connected")
    return Current(row.id, row.generation, credentials)


def _usable(unit: Unit, found: Current, rejected: int | None) -> bool:
    ahead = timedelta(seconds=unit.settings.integration_refresh_ahead_s)
    return found.generation != rejected and found.credentials.usable_at(unit.now() + ahead)


def _usable_now(context: ServerContext, found: Current, rejected: int | None) -> bool:
    ahead = timedelta(seconds=context.settings.integration_refresh_ahead_s)
    until = context.clock.now() + ahead
    return found.generation != rejected and found.credentials.usable_at(until)


def _lease(
    context: ServerContext, integration_id: str, rejected: int | None
) -> tuple[str | None, Current]:
    """Lease the refresh, unless another process has it, or has finished it meanwhile."""
    with _unit(context, integration_id, writes=True) as unit:
        found = _read(unit, integration_id, lock=True)
        row = unit.get(Integration, integration_id, "integration")
        if _usable(unit, found, rejected):
            return None, found
        if found.credentials.refresh_token is None:
            raise ProviderFault(Reason.UNAUTHORIZED, "the access token has expired; connect again")
        now = unit.now()
        if row.refresh_until is not None and row.refresh_until > now:
            return None, found
        row.refresh_lease = new_id("ref")
        row.refresh_until = now + timedelta(seconds=context.settings.integration_refresh_s)
        return row.refresh_lease, found


def _refreshed(
    context: ServerContext, provider: Provider, found: Current, exchange: Exchange, lease: str
) -> Current:
    settings = settings_of(provider, found.credentials)
    token = found.credentials.refresh_token
    assert token is not None
    try:
        tokens = refresh(exchange, provider.oauth(settings), token, context.clock.now())
    except Refused as problem:
        return _not_refreshed(context, found, lease, problem)
    except ProviderFault:
        _release(context, found.integration_id, lease)
        raise
    with _unit(context, found.integration_id, writes=True) as unit:
        row = unit.find(Integration, found.integration_id, lock=True)
        if row is None or row.credentials is None:
            raise ProviderFault(Reason.UNAUTHORIZED, "the integration is not connected")
        if row.generation == found.generation:  # the lease may have expired: the token is newer
            seal(unit, row, found.credentials.with_tokens(tokens))
        return _read(unit, found.integration_id)


def _not_refreshed(context: ServerContext, found: Current, lease: str, problem: Refused) -> Current:
    """After an error of the token endpoint: use the result of another process if there is one,
    otherwise the connection needs its user again."""
    with _unit(context, found.integration_id, writes=True) as unit:
        row = unit.find(Integration, found.integration_id, lock=True)
        if row is not None and row.credentials is not None:
            if row.generation != found.generation:
                return _read(unit, found.integration_id)
            if row.refresh_lease == lease:
                row.refresh_lease = row.refresh_until = None
                if problem.error in _ENDED and row.status == "connected":
                    row.status = "reconnect"
                    unit.touch(row)
                    data = {"provider": row.provider, "reason": problem.error}
                    unit.publish("integration.reconnect_needed", data)
    raise ProviderFault(
        Reason.UNAUTHORIZED, f"the provider does not renew the access token: {problem.error}"
    )


def _release(context: ServerContext, integration_id: str, lease: str) -> None:
    with _unit(context, integration_id, writes=True) as unit:
        row = unit.find(Integration, integration_id, lock=True)
        if row is not None and row.refresh_lease == lease:
            row.refresh_lease = row.refresh_until = None
