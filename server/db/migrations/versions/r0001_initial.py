"""Create the tables that every domain uses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant, Json
from novaql.server.db.migrations.columns import resource_columns, tenant_column

revision = "platform_0001"
down_revision = None
branch_labels = ("platform",)
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "facts",
        sa.Column("name", sa.String(length=64), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.create_table(
        "rate_windows",
        sa.Column("key", sa.String(length=128), primary_key=True),
        sa.Column("counts", Json, nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(length=64), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("settings", Json, nullable=False),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
    )
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.String(length=64), primary_key=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor_type", sa.String(length=16), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("target_type", sa.String(length=32), nullable=False),
        sa.Column("target_id", sa.String(), nullable=False),
        sa.Column("before", Json, nullable=True),
        sa.Column("after", Json, nullable=True),
        sa.Column("diff", Json, nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("ip", sa.String(), nullable=True),
        sa.Column("user_agent", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        tenant_column(),
    )
    op.create_index("ix_audit_action", "audit_entries", ["tenant_id", "action", "id"])
    op.create_index("ix_audit_actor", "audit_entries", ["tenant_id", "actor_id", "id"])
    op.create_index("ix_audit_target", "audit_entries", ["tenant_id", "target_id", "id"])
    op.create_index("ix_audit_time", "audit_entries", ["tenant_id", "at", "id"])
    op.create_table(
        "events",
        sa.Column("id", sa.String(length=64), primary_key=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("relayed_at", Instant(), nullable=True),
        tenant_column(),
    )
    op.create_index("ix_events_time", "events", ["tenant_id", "at", "id"])
    op.create_table(
        "idempotency_keys",
        sa.Column("id", sa.String(length=64), primary_key=True),
        sa.Column("principal_id", sa.String(length=64), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", Json, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        tenant_column(),
        sa.UniqueConstraint("tenant_id", "principal_id", "route", "key", name="uq_idempotency_key"),
    )
    op.create_index("ix_idempotency_created", "idempotency_keys", ["created_at"])
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=64), primary_key=True),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("run_at", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease", sa.String(length=64), nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        tenant_column(),
        sa.UniqueConstraint("tenant_id", "kind", "key", name="uq_jobs_key"),
    )
    op.create_index("ix_jobs_due", "jobs", ["kind", "run_at"])
    op.create_index("ix_jobs_run_at", "jobs", ["run_at"])
    op.create_table(
        "users",
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("email_key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("invitation", sa.String(length=64), nullable=True),
        sa.Column("invitation_expires_at", Instant(), nullable=True),
        sa.Column("last_active_at", Instant(), nullable=True),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("scim", Json, nullable=True),
        *resource_columns(),
        sa.UniqueConstraint("invitation", name=op.f("uq_users_invitation")),
        sa.UniqueConstraint("tenant_id", "email_key", name="uq_users_email"),
    )
    op.create_index("ix_users_external", "users", ["tenant_id", "external_id"])
    op.create_table(
        "tokens",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("owner_id", sa.String(length=64), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("prefix", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=True),
        sa.Column("previous_valid_until", Instant(), nullable=True),
        sa.Column("api_version", sa.String(length=10), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.Column("last_used_at", Instant(), nullable=True),
        *resource_columns(),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
        sa.UniqueConstraint("previous", name=op.f("uq_tokens_previous")),
    )
    op.create_index(op.f("ix_tokens_owner_id"), "tokens", ["owner_id"])


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("tokens")
    op.drop_table("users")
    op.drop_table("jobs")
    op.drop_table("idempotency_keys")
    op.drop_table("events")
    op.drop_table("audit_entries")
    op.drop_table("tenants")
    op.drop_table("rate_windows")
    op.drop_table("facts")
