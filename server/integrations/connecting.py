"""Connecting: begins a flow, and stores the credentials when it is complete."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.server.auth.roles import Role
from novaql.server.db.engine import flushed_or
from novaql.server.db.tables import User
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict
from novaql.server.http.preparing import Preparation
from novaql.server.http.strict_json import validate
from novaql.server.integrations.credentials import Credentials, seal
from novaql.server.integrations.oauth import DeviceGrant, authorize_url, new_verifier
from novaql.server.integrations.provider import (
    SECRET_MARK,
    URL_MARK,
    Flow,
    Provider,
    ProviderSettings,
)
from novaql.server.integrations.providers import provider_named
from novaql.server.integrations.shown import snapshot
from novaql.server.integrations.syncs import SYNC, begin_sync, cancel_sync
from novaql.server.integrations.tables import Integration
from novaql.server.tenants.context import ServerContext

DEVICE = "integrations.device"
"""The kind of the job that polls a device flow, and ends a flow of either kind that the user has
not finished in time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A valid request to connect."""

    provider: Provider
    settings: ProviderSettings
    flow: Flow

    @property
    def whole(self) -> dict[str, Any]:
        """The settings with secrets, as JSON."""
        return self.settings.model_dump(mode="json")

    @property
    def public(self) -> dict[str, Any]:
        """The settings without secrets, as JSON."""
        fields = type(self.settings).model_fields
        secret = {name for name, field in fields.items() if _marked(field, SECRET_MARK)}
        return self.settings.model_dump(mode="json", exclude=secret)


@dataclass(frozen=True, slots=True)
class Connection:
    """The outcome of a finished flow.

    public  the settings without secrets, as JSON
    """

    provider: Provider
    flow: Flow
    credentials: Credentials
    public: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pending:
    """A flow that the user has not finished; sealed in the row.

    verifier, redirect_uri   of the code flow;  device_code: of the device flow
    """

    flow: str
    settings: dict[str, Any]
    public: dict[str, Any]
    verifier: str | None = None
    redirect_uri: str | None = None
    device_code: str | None = None


def check_wanted(preparation: Preparation) -> Wanted:
    """Check the settings of a connection. Before the transaction: it resolves names of hosts."""
    context = preparation.context
    provider = provider_named(context.settings, preparation.names["provider"])
    settings = validate(provider.Settings, preparation.body.root)
    for name, field in type(settings).model_fields.items():
        url = getattr(settings, name)
        if url is not None and _marked(field, URL_MARK):
            context.dialer.check_url(url)
    return Wanted(provider, settings, provider.flow(settings))


def found_or_new(unit: Unit, wanted: Wanted, *, replaced: bool = False) -> Integration:
    """Lock the row of a provider, or add one. The job of an unfinished flow ends.

    replaced  the credentials change now, so the sync ends, too
    """
    name = wanted.provider.name
    row = find(unit, name)
    if row is not None:
        unit.cancel(DEVICE, [row.id])  # lock order: jobs first
        found = without_sync(unit, row.id) if replaced else _locked(unit, row.id)
        assert found is not None
        return found
    row = unit.new(
        Integration,
        "int",
        provider=name,
        status="disconnected",
        flow=wanted.flow.value,
        settings={},
        generation=0,
    )
    with flushed_or(unit.session, Conflict("it is being connected", code="connect_in_progress")):
        unit.session.add(row)
    return row


def without_sync(unit: Unit, integration_id: str) -> Integration | None:
    """Lock a row, and end its sync: the account will be another. None: there is no such row."""
    unit.cancel(SYNC, [integration_id])  # lock order: jobs first
    if unit.find(Integration, integration_id) is None:
        return None
    row = _locked(unit, integration_id)
    cancel_sync(unit, row)
    return row


def _locked(unit: Unit, integration_id: str) -> Integration:
    return unit.get(Integration, integration_id, "integration", lock=True)


def find(unit: Unit, provider: str) -> Integration | None:
    """Return the tenant's row of a provider."""
    statement = select(Integration).where(Integration.provider == provider)
    return unit.session.execute(statement).scalar_one_or_none()


def begin_oauth(unit: Unit, row: Integration, wanted: Wanted, redirect_uri: str) -> str:
    """Begin the code flow, and return the URL for the user. It replaces an unfinished flow."""
    state, verifier = new_verifier(), new_verifier()
    settings = wanted.settings
    before = snapshot(row)
    _put_pending(
        unit,
        row,
        Pending("oauth", wanted.whole, wanted.public, verifier, redirect_uri),
        unit.settings.integration_state_s,
    )
    row.state_digest = digest(state)
    unit.record(row, "integration.connect", before, snapshot)
    unit.enqueue(DEVICE, key=row.id, run_at=row.pending_until)
    return authorize_url(wanted.provider.oauth(settings), redirect_uri, state, verifier)


def begin_device(unit: Unit, row: Integration, wanted: Wanted, grant: DeviceGrant) -> None:
    """Store the device code; a job polls with it."""
    before = snapshot(row)
    longest = min(grant.expires_in_s, unit.settings.integration_device_s)
    pending = Pending("device", wanted.whole, wanted.public, device_code=grant.device_code)
    _put_pending(unit, row, pending, longest)
    row.state_digest, row.interval_s = None, grant.interval_s
    unit.record(row, "integration.connect", before, snapshot)
    run_at = unit.now() + timedelta(seconds=grant.interval_s)
    unit.enqueue(DEVICE, key=row.id, run_at=run_at)


def complete(
    unit: Unit,
    row: Integration,
    connection: Connection,
    *,
    user_id: str,
    action: str,
) -> None:
    """Store the credentials of a finished flow, and begin the first sync.

    row     new, or locked by `without_sync`
    action  action of the audit entry
    """
    before = snapshot(row)
    seal(unit, row, connection.credentials)
    clear_pending(row)
    row.status, row.flow = "connected", connection.flow.value
    row.settings = connection.public
    row.connected_at, row.connected_by = unit.now(), user_id
    row.cursor = row.fault = row.tested_at = None
    unit.record(row, action, before, snapshot)
    unit.publish("integration.connected", {"provider": row.provider, "id": row.id})
    if connection.provider.kinds:
        begin_sync(unit, row, "connect")


def end_pending(unit: Unit, row: Integration, status: str) -> None:
    """End an unfinished flow. An earlier connection does not change."""
    clear_pending(row)
    if row.credentials is None:
        row.status = status
    unit.touch(row)


def clear_pending(row: Integration) -> None:
    """Delete what an unfinished flow has stored."""
    row.pending = row.state_digest = row.pending_until = row.pending_user = None
    row.interval_s = None


def pending_of(unit: Unit, row: Integration) -> Pending | None:
    """Read the unfinished flow of a row."""
    if row.pending is None:
        return None
    return Pending(**orjson.loads(unit.unseal(row.pending, f"integration:{row.id}:pending")))


def may_finish(context: ServerContext, row: Integration, user: User | None) -> bool:
    """Whether the user who began a flow may still connect integrations.

    user  None: there is no such user, because the server required no tokens
    """
    if user is None:
        usual = context.access.default_principal
        return context.access.accounts is None and row.pending_user == usual.user_id
    return user.status == "active" and Role(user.role).covers(Role.ADMIN)


def digest(state: str) -> str:
    """The digest of a `state`, as the row contains it."""
    return sha256(state.encode()).hexdigest()


def _put_pending(unit: Unit, row: Integration, pending: Pending, seconds: float) -> None:
    text = orjson.dumps(asdict(pending)).decode()
    row.pending = unit.seal(text, f"integration:{row.id}:pending")
    row.pending_until = unit.now() + timedelta(seconds=seconds)
    row.pending_user = unit.actor.id
    if row.credentials is None:
        row.status, row.flow, row.settings = "connecting", pending.flow, pending.public


def _marked(field: Any, mark: str) -> bool:
    """Whether a field of settings has a mark, also if it is optional."""
    return mark in str(field.annotation) or any(mark in str(m) for m in (field, *field.metadata))
