"""Tables of integrations: connections, imported resources, syncs, and hooks with their requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text, sealed_for
from novaql.server.db.rows import Base, Row, TenantRow


class Integration(Row, Base):
    """The connection of a tenant to a provider. A tenant has at most one for each provider.

    status       `connecting`, `connected`, `expired` (the user did not finish in time), `denied`
                 (the user rejected it), `reconnect` (the provider rejects the credentials), or
                 `disconnected`
    flow         of the current or last connection
    settings     of the provider, without secrets
    credentials  sealed: settings with secrets, and tokens; NULL: none
    generation   number of changes of the credentials
    pending      sealed: a connection that the user has not finished; NULL: none
    state_digest, pending_until, pending_user   of it: the digest of its `state`, its expiry, and
                 the user who began it
    interval_s   between polls of the device flow
    refresh_lease, refresh_until   a process refreshes the access token, until then at the longest
    cursor       of the next sync;  sync_id: the sync that waits or runs
    synced_at    when the last successful sync began
    fault        the last failure: `{reason_code, detail, at}`; NULL after a success
    tested_at    time of the last test or sync
    """

    __tablename__ = "integrations"
    __table_args__ = (
        UniqueConstraint("tenant_id", "provider", name="uq_integrations_tenant_provider"),
    )

    provider: Mapped[str] = mapped_column(String(63))
    status: Mapped[str] = mapped_column(String(16))
    flow: Mapped[str] = mapped_column(String(16))
    settings: Mapped[dict[str, Any]]
    credentials: Mapped[str | None] = mapped_column(
        Text, info=sealed_for("integration:{id}:credentials")
    )
    generation: Mapped[int] = mapped_column(default=0)
    pending: Mapped[str | None] = mapped_column(Text, info=sealed_for("integration:{id}:pending"))
    state_digest: Mapped[str | None] = mapped_column(String(64), index=True)
    pending_until: Mapped[datetime | None]
    pending_user: Mapped[str | None] = mapped_column(Id)
    interval_s: Mapped[float | None]
    refresh_lease: Mapped[str | None] = mapped_column(Id)
    refresh_until: Mapped[datetime | None]
    cursor: Mapped[str | None] = mapped_column(Text)
    sync_id: Mapped[str | None] = mapped_column(Id)
    synced_at: Mapped[datetime | None]
    fault: Mapped[dict[str, Any] | None]
    tested_at: Mapped[datetime | None]
    connected_at: Mapped[datetime | None]
    connected_by: Mapped[str | None] = mapped_column(Id)


class IntegrationSync(Row, Base):
    """One sync. Jobs and users start syncs.

    status    `queued`, `running`, `succeeded`, `failed`, or `cancelled`
    source    `request`, `schedule`, or `connect`
    whole     it began without a cursor
    cursor    after the last stored page;  pages: how many those are
    counts    kind → `{added, changed, unchanged, vanished}`
    fault     `{reason_code, detail}` of a failed one
    """

    __tablename__ = "integration_syncs"
    __table_args__ = (
        Index("ix_integration_syncs_tenant_id_provider", "tenant_id", "provider", "created_at"),
    )

    provider: Mapped[str] = mapped_column(String(63))
    status: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(String(16))
    whole: Mapped[bool]
    cursor: Mapped[str | None] = mapped_column(Text)
    pages: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    counts: Mapped[dict[str, Any]]
    fault: Mapped[dict[str, Any] | None]
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class IntegrationResource(Row, Base):
    """A resource of another system.

    at           when it happened, for kinds that are events
    digest       of its content: it is unchanged if this is
    sync_id      the last sync that listed it; NULL: a hook reported it
    vanished_at  when a sync no longer listed it
    """

    __tablename__ = "integration_resources"
    __table_args__ = (
        UniqueConstraint(
            *("tenant_id", "provider", "kind", "external_id"),
            name="uq_integration_resources_external_id",
        ),
        Index("ix_integration_resources_at", "tenant_id", "kind", "at"),
    )

    provider: Mapped[str] = mapped_column(String(63))
    kind: Mapped[str] = mapped_column(String(32))
    external_id: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(500))
    service: Mapped[str | None] = mapped_column(String(63))
    url: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime | None]
    data: Mapped[dict[str, Any]]
    digest: Mapped[str] = mapped_column(String(64))
    sync_id: Mapped[str | None] = mapped_column(Id)
    vanished_at: Mapped[datetime | None]


class IntegrationHook(Row, Base):
    """An address that receives requests of another system.

    secret  sealed;  config: signature, deduplication and mapping, as the provider uses them
    """

    __tablename__ = "integration_hooks"

    provider: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(200))
    secret: Mapped[str] = mapped_column(Text, info=sealed_for("integration_hook:{id}:secret"))
    config: Mapped[dict[str, Any]]
    created_by: Mapped[str] = mapped_column(Id)
    received: Mapped[int] = mapped_column(default=0)
    last_at: Mapped[datetime | None]


class HookRequest(TenantRow, Base):
    """One of the last requests to a hook, with secrets masked.

    outcome  `accepted`, `duplicate`, `ignored`, `rejected`
    """

    __tablename__ = "integration_hook_requests"
    __table_args__ = (Index("ix_integration_hook_requests_hook_id_number", "hook_id", "number"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    hook_id: Mapped[str] = mapped_column(Id)
    number: Mapped[int]
    at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(16))
    status: Mapped[int]
    message_id: Mapped[str | None] = mapped_column(String(255))
    headers: Mapped[dict[str, Any]]
    body: Mapped[str] = mapped_column(Text)
    details: Mapped[list[Any]]


class HookMessage(TenantRow, Base):
    """The id of a message that a hook has accepted, so that a repeated one has no effect."""

    __tablename__ = "integration_hook_messages"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    hook_id: Mapped[str] = mapped_column(Id, index=True)
    at: Mapped[datetime] = mapped_column(index=True)
