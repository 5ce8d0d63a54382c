"""Create the tables of rules, alerts, silences and notifications."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant, Json
from novaql.server.db.migrations.columns import resource_columns, tenant_column

revision = "alerts_0001"
down_revision = None
branch_labels = ("alerts",)
depends_on = ("platform_0001",)


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "alert_changes",
        sa.Column("id", sa.String(length=64), primary_key=True),
        sa.Column("alert_id", sa.String(length=64), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("type", sa.String(length=24), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        tenant_column(),
    )
    op.create_index("ix_alert_changes_alert", "alert_changes", ["tenant_id", "alert_id", "at"])
    op.create_table(
        "alert_routing",
        sa.Column("config", Json, nullable=False),
        *resource_columns(),
        sa.UniqueConstraint("tenant_id", name="uq_alert_routing_tenant"),
    )
    op.create_table(
        "alert_rule_groups",
        sa.Column("file", sa.String(length=300), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("interval_ms", sa.BigInteger(), nullable=False),
        sa.Column("query_offset_ms", sa.BigInteger(), nullable=True),
        sa.Column("limit", sa.Integer(), nullable=False),
        sa.Column("labels", Json, nullable=False),
        sa.Column("anchor", Instant(), nullable=False),
        sa.Column("evaluated_at", Instant(), nullable=True),
        sa.Column("resumed_at", Instant(), nullable=True),
        sa.Column("evaluation_s", sa.Float(), nullable=False),
        sa.Column("evaluations", sa.BigInteger(), nullable=False),
        sa.Column("missed", sa.BigInteger(), nullable=False),
        *resource_columns(),
        sa.UniqueConstraint("tenant_id", "file", "name", name="uq_alert_rule_groups_name"),
    )
    op.create_table(
        "alert_silences",
        sa.Column("matchers", Json, nullable=False),
        sa.Column("alert_id", sa.String(length=64), nullable=True),
        sa.Column("until_resolved", sa.Boolean(), nullable=False),
        sa.Column("revisions", Json, nullable=False),
        sa.Column("starts_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=True),
        sa.Column("lifted_at", Instant(), nullable=True),
        *resource_columns(),
    )
    op.create_index("ix_alert_silences_alert", "alert_silences", ["tenant_id", "alert_id"])
    op.create_table(
        "alerts",
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("labels", Json, nullable=False),
        sa.Column("annotations", Json, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("service", sa.String(length=200), nullable=True),
        sa.Column("severity", sa.String(length=200), nullable=True),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("fired_at", Instant(), nullable=True),
        sa.Column("resolved_at", Instant(), nullable=True),
        sa.Column("keeping_since", Instant(), nullable=True),
        sa.Column("notified_at", Instant(), nullable=True),
        sa.Column("incident_id", sa.String(length=64), nullable=True),
        *resource_columns(),
    )
    op.create_index("ix_alerts_rule", "alerts", ["tenant_id", "rule_id", "state"])
    op.create_index("ix_alerts_state", "alerts", ["tenant_id", "state", "created_at"])
    op.create_table(
        "notification_channels",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("settings", Json, nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("send_resolved", sa.Boolean(), nullable=False),
        *resource_columns(),
        sa.UniqueConstraint("tenant_id", "name", name="uq_notification_channels_name"),
    )
    op.create_table(
        "notification_group_members",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("alert_id", sa.String(length=64), nullable=False),
        tenant_column(),
        sa.PrimaryKeyConstraint("group_id", "alert_id", name=op.f("pk_notification_group_members")),
    )
    op.create_index(
        op.f("ix_notification_group_members_alert_id"), "notification_group_members", ["alert_id"]
    )
    op.create_table(
        "notification_groups",
        sa.Column("destination", Json, nullable=False),
        sa.Column("labels", Json, nullable=False),
        sa.Column("told", Json, nullable=False),
        sa.Column("next_flush", Instant(), nullable=False),
        *resource_columns(),
    )
    op.create_table(
        "notifications",
        sa.Column("channel", sa.String(length=100), nullable=False),
        sa.Column("channel_type", sa.String(length=16), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("alert_id", sa.String(length=64), nullable=True),
        sa.Column("why", sa.String(length=24), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("firing", sa.Integer(), nullable=False),
        sa.Column("resolved", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.Column("payload", Json, nullable=False),
        *resource_columns(),
    )
    op.create_index(
        "ix_notifications_alert", "notifications", ["tenant_id", "alert_id", "created_at"]
    )
    op.create_index(
        "ix_notifications_channel", "notifications", ["tenant_id", "channel", "created_at"]
    )
    op.create_index(
        "ix_notifications_group", "notifications", ["tenant_id", "group_id", "created_at"]
    )
    op.create_table(
        "alert_rules",
        sa.Column(
            "group_id", sa.String(length=64), sa.ForeignKey("alert_rule_groups.id"), nullable=False
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("expr", sa.Text(), nullable=False),
        sa.Column("for_ms", sa.BigInteger(), nullable=False),
        sa.Column("keep_firing_for_ms", sa.BigInteger(), nullable=False),
        sa.Column("labels", Json, nullable=False),
        sa.Column("annotations", Json, nullable=False),
        sa.Column("severity", sa.String(length=200), nullable=True),
        sa.Column("service", sa.String(length=200), nullable=True),
        sa.Column("no_data", sa.String(length=16), nullable=False),
        sa.Column("on_error", sa.String(length=16), nullable=False),
        sa.Column("channels", Json, nullable=False),
        sa.Column("escalation_policy_id", sa.String(length=64), nullable=True),
        sa.Column("auto_incident", sa.Boolean(), nullable=False),
        sa.Column("managed", sa.String(length=80), nullable=False),
        sa.Column("health", sa.String(length=16), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("evaluated_at", Instant(), nullable=True),
        sa.Column("evaluation_s", sa.Float(), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        *resource_columns(),
    )
    op.create_index("ix_alert_rules_group", "alert_rules", ["tenant_id", "group_id", "position"])
    op.create_table(
        "alert_recorded_series",
        sa.Column(
            "rule_id", sa.String(length=64), sa.ForeignKey("alert_rules.id"), primary_key=True
        ),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("series", Json, nullable=False),
        tenant_column(),
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("alert_recorded_series")
    op.drop_table("alert_rules")
    op.drop_table("notifications")
    op.drop_table("notification_groups")
    op.drop_table("notification_group_members")
    op.drop_table("notification_channels")
    op.drop_table("alerts")
    op.drop_table("alert_silences")
    op.drop_table("alert_rule_groups")
    op.drop_table("alert_routing")
    op.drop_table("alert_changes")
