"""Create the tables of rules, alerts, silences and notifications."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant, Json

revision = "alerts_0001"
down_revision = None
branch_labels = ("alerts",)
depends_on = ("platform_0001",)


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "alert_changes",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("alert_id", sa.String(length=64), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("type", sa.String(length=24), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_alert_changes_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_changes")),
    )
    op.create_index(
        "ix_alert_changes_alert", "alert_changes", ["tenant_id", "alert_id", "at"], unique=False
    )
    op.create_index(
        op.f("ix_alert_changes_tenant_id"), "alert_changes", ["tenant_id"], unique=False
    )
    op.create_table(
        "alert_routing",
        sa.Column("config", Json, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_alert_routing_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_routing")),
        sa.UniqueConstraint("tenant_id", name="uq_alert_routing_tenant"),
    )
    op.create_index(
        op.f("ix_alert_routing_tenant_id"), "alert_routing", ["tenant_id"], unique=False
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
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_alert_rule_groups_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_rule_groups")),
        sa.UniqueConstraint("tenant_id", "file", "name", name="uq_alert_rule_groups_name"),
    )
    op.create_index(
        op.f("ix_alert_rule_groups_tenant_id"), "alert_rule_groups", ["tenant_id"], unique=False
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
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_alert_silences_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_silences")),
    )
    op.create_index(
        "ix_alert_silences_alert", "alert_silences", ["tenant_id", "alert_id"], unique=False
    )
    op.create_index(
        op.f("ix_alert_silences_tenant_id"), "alert_silences", ["tenant_id"], unique=False
    )
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
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_alerts_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_rule", "alerts", ["tenant_id", "rule_id", "state"], unique=False)
    op.create_index("ix_alerts_state", "alerts", ["tenant_id", "state", "created_at"], unique=False)
    op.create_index(op.f("ix_alerts_tenant_id"), "alerts", ["tenant_id"], unique=False)
    op.create_table(
        "notification_channels",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("settings", Json, nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("send_resolved", sa.Boolean(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_notification_channels_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_channels")),
        sa.UniqueConstraint("tenant_id", "name", name="uq_notification_channels_name"),
    )
    op.create_index(
        op.f("ix_notification_channels_tenant_id"),
        "notification_channels",
        ["tenant_id"],
        unique=False,
    )
    op.create_table(
        "notification_group_members",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("alert_id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_notification_group_members_tenant_id")
        ),
        sa.PrimaryKeyConstraint("group_id", "alert_id", name=op.f("pk_notification_group_members")),
    )
    op.create_index(
        op.f("ix_notification_group_members_alert_id"),
        "notification_group_members",
        ["alert_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_notification_group_members_tenant_id"),
        "notification_group_members",
        ["tenant_id"],
        unique=False,
    )
    op.create_table(
        "notification_groups",
        sa.Column("destination", Json, nullable=False),
        sa.Column("labels", Json, nullable=False),
        sa.Column("told", Json, nullable=False),
        sa.Column("next_flush", Instant(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_notification_groups_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_groups")),
    )
    op.create_index(
        op.f("ix_notification_groups_tenant_id"), "notification_groups", ["tenant_id"], unique=False
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
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_notifications_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
    )
    op.create_index(
        "ix_notifications_alert",
        "notifications",
        ["tenant_id", "alert_id", "created_at"],
        unique=False,
    )
    op.create_index(
        "ix_notifications_channel",
        "notifications",
        ["tenant_id", "channel", "created_at"],
        unique=False,
    )
    op.create_index(
        "ix_notifications_group",
        "notifications",
        ["tenant_id", "group_id", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_notifications_tenant_id"), "notifications", ["tenant_id"], unique=False
    )
    op.create_table(
        "alert_rules",
        sa.Column("group_id", sa.String(length=64), nullable=False),
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
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["alert_rule_groups.id"], name=op.f("fk_alert_rules_group_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_alert_rules_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_rules")),
    )
    op.create_index(
        "ix_alert_rules_group", "alert_rules", ["tenant_id", "group_id", "position"], unique=False
    )
    op.create_index(op.f("ix_alert_rules_tenant_id"), "alert_rules", ["tenant_id"], unique=False)
    op.create_table(
        "alert_recorded_series",
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("series", Json, nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["alert_rules.id"], name=op.f("fk_alert_recorded_series_rule_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_alert_recorded_series_tenant_id")
        ),
        sa.PrimaryKeyConstraint("rule_id", name=op.f("pk_alert_recorded_series")),
    )
    op.create_index(
        op.f("ix_alert_recorded_series_tenant_id"),
        "alert_recorded_series",
        ["tenant_id"],
        unique=False,
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_index(op.f("ix_alert_recorded_series_tenant_id"), table_name="alert_recorded_series")
    op.drop_table("alert_recorded_series")
    op.drop_index(op.f("ix_alert_rules_tenant_id"), table_name="alert_rules")
    op.drop_index("ix_alert_rules_group", table_name="alert_rules")
    op.drop_table("alert_rules")
    op.drop_index(op.f("ix_notifications_tenant_id"), table_name="notifications")
    op.drop_index("ix_notifications_group", table_name="notifications")
    op.drop_index("ix_notifications_channel", table_name="notifications")
    op.drop_index("ix_notifications_alert", table_name="notifications")
    op.drop_table("notifications")
    op.drop_index(op.f("ix_notification_groups_tenant_id"), table_name="notification_groups")
    op.drop_table("notification_groups")
    op.drop_index(
        op.f("ix_notification_group_members_tenant_id"), table_name="notification_group_members"
    )
    op.drop_index(
        op.f("ix_notification_group_members_alert_id"), table_name="notification_group_members"
    )
    op.drop_table("notification_group_members")
    op.drop_index(op.f("ix_notification_channels_tenant_id"), table_name="notification_channels")
    op.drop_table("notification_channels")
    op.drop_index(op.f("ix_alerts_tenant_id"), table_name="alerts")
    op.drop_index("ix_alerts_state", table_name="alerts")
    op.drop_index("ix_alerts_rule", table_name="alerts")
    op.drop_table("alerts")
    op.drop_index(op.f("ix_alert_silences_tenant_id"), table_name="alert_silences")
    op.drop_index("ix_alert_silences_alert", table_name="alert_silences")
    op.drop_table("alert_silences")
    op.drop_index(op.f("ix_alert_rule_groups_tenant_id"), table_name="alert_rule_groups")
    op.drop_table("alert_rule_groups")
    op.drop_index(op.f("ix_alert_routing_tenant_id"), table_name="alert_routing")
    op.drop_table("alert_routing")
    op.drop_index(op.f("ix_alert_changes_tenant_id"), table_name="alert_changes")
    op.drop_index("ix_alert_changes_alert", table_name="alert_changes")
    op.drop_table("alert_changes")
