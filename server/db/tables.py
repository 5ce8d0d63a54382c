"""The tables that every domain uses: accounts, audit, events, jobs and bookkeeping."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text, sealed_for
from novaql.server.db.rows import Base, Row, TenantRow


class User(Row, Base):
    """A person, invited or provisioned.

    email_key     the address in lower case, for comparison
    invitation    digest of the secret in the invitation's URL, while it can be accepted
    external_id   the id at the identity provider
    scim          attributes of the SCIM resource without a column
    """

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("tenant_id", "email_key", name="uq_users_email"),
        Index("ix_users_external", "tenant_id", "external_id"),
    )

    email: Mapped[str]
    email_key: Mapped[str]
    name: Mapped[str]
    role: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    invitation: Mapped[str | None] = mapped_column(String(64), unique=True)
    invitation_expires_at: Mapped[datetime | None]
    last_active_at: Mapped[datetime | None]
    external_id: Mapped[str | None]
    scim: Mapped[dict[str, Any] | None]


class Token(Row, Base):
    """An API token. It stores digests of the secret, never the secret.

    owner_id   the user whose role bounds the token's
    previous   digest of the secret before the last rotation, valid until `previous_valid_until`
    purpose    `api`, `scim` or `probe`; `region` is that of a runner, whose tokens are `probe`
    """

    __tablename__ = "tokens"

    name: Mapped[str]
    role: Mapped[str] = mapped_column(String(16))
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id"), index=True)
    prefix: Mapped[str] = mapped_column(String(40))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    previous: Mapped[str | None] = mapped_column(String(64), unique=True)
    previous_valid_until: Mapped[datetime | None]
    api_version: Mapped[str] = mapped_column(String(10))
    purpose: Mapped[str] = mapped_column(String(16), default="api")
    region: Mapped[str | None] = mapped_column(String(63))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class BrowserSession(Row, Base):
    """A browser that is signed in. It stores digests of secrets, never a secret.

    token_id      the token that it was opened with, whose role it has
    token_digest  digest of the secret of that token; the session ends with this secret
    digest        digest of the secret in the cookie
    """

    __tablename__ = "sessions"

    token_id: Mapped[str] = mapped_column(
        Id, ForeignKey("tokens.id", ondelete="CASCADE"), index=True
    )
    token_digest: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime]


class AuditEntry(TenantRow, Base):
    """Actor, action, target and outcome of a change. The API never changes or deletes entries."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_time", "tenant_id", "at", "id"),
        Index("ix_audit_actor", "tenant_id", "actor_id", "id"),
        Index("ix_audit_target", "tenant_id", "target_id", "id"),
        Index("ix_audit_action", "tenant_id", "action", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime]
    actor_type: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[str] = mapped_column(Id)
    actor_name: Mapped[str]
    action: Mapped[str] = mapped_column(String(64))
    target_type: Mapped[str] = mapped_column(String(32))
    target_id: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    diff: Mapped[list[Any]]
    request_id: Mapped[str] = mapped_column(Id)
    ip: Mapped[str | None]
    user_agent: Mapped[str | None]
    outcome: Mapped[str] = mapped_column(String(16))


class Event(TenantRow, Base):
    """The outbox: an event, written in the transaction of the change.

    relayed_at  when its consumers handled it, set in their transaction
    attempts    the number of failed attempts
    next_at     when it is due: at its publication, and later after each failure
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_time", "tenant_id", "at", "id"),
        Index(
            "ix_events_unrelayed",
            "tenant_id",
            "next_at",
            "id",
            # The migration adds `postgresql_where`, which would load that dialect at every start.
            sqlite_where=text("relayed_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime]
    type: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]]
    request_id: Mapped[str] = mapped_column(Id)
    relayed_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_at: Mapped[datetime] = mapped_column(server_default="0")


class Job(TenantRow, Base):
    """Work that is due at a time, once or repeatedly. A completed job has no row.

    key           the subject of the job; a kind has one job for each key
    set_at        when `run_at` was set
    lease         fencing token of the worker that holds the lease, until `lease_until`
    leased_by     the server of that worker (`leases.py`)
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("tenant_id", "kind", "key", name="uq_jobs_key"),
        Index("ix_jobs_due", "kind", "run_at"),
        Index("ix_jobs_run_at", "run_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    key: Mapped[str]
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    run_at: Mapped[datetime]
    set_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    lease: Mapped[str | None] = mapped_column(Id)
    lease_until: Mapped[datetime | None]
    leased_by: Mapped[str | None]
    last_error: Mapped[str | None] = mapped_column(Text)


class IdempotencyKey(TenantRow, Base):
    """The recorded response to a request with an Idempotency-Key. `body` is encrypted."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        UniqueConstraint("tenant_id", "principal_id", "route", "key", name="uq_idempotency_key"),
        Index("ix_idempotency_created", "created_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    principal_id: Mapped[str] = mapped_column(Id)
    route: Mapped[str]
    key: Mapped[str] = mapped_column(String(255))
    fingerprint: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    status: Mapped[int]
    headers: Mapped[dict[str, Any]]
    body: Mapped[str] = mapped_column(Text, info=sealed_for("idempotency:{id}"))


class RateWindow(Base):
    """Counts of requests for a quota: pairs of second and count, oldest first."""

    __tablename__ = "rate_windows"

    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    counts: Mapped[list[Any]]
    updated_at: Mapped[datetime]


class Fact(Base):
    """Facts about the database itself, by name."""

    __tablename__ = "facts"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
