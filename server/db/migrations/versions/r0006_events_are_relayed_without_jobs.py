"""Events have a due time of their own; no job relays them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant

revision = "platform_0006"
down_revision = "platform_0005"
branch_labels = None
depends_on = None

_UNRELAYED = sa.text("relayed_at IS NULL")


def upgrade() -> None:
    """Copy the time and the failures of its job to each pending event. An event without a job is
    due since its publication."""
    op.add_column("events", sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("events", sa.Column("next_at", Instant(), nullable=False, server_default="0"))
    op.execute("UPDATE events SET next_at = at WHERE relayed_at IS NULL")
    op.execute(
        "UPDATE events SET (next_at, attempts) ="
        " (SELECT run_at, attempts FROM jobs WHERE jobs.tenant_id = events.tenant_id"
        " AND kind = 'events.relay' AND key = events.id)"
        " WHERE relayed_at IS NULL"
        " AND id IN (SELECT key FROM jobs WHERE kind = 'events.relay')"
    )
    op.execute("DELETE FROM jobs WHERE kind = 'events.relay'")
    op.create_index(
        "ix_events_unrelayed",
        "events",
        ["tenant_id", "next_at", "id"],
        sqlite_where=_UNRELAYED,
        postgresql_where=_UNRELAYED,
    )


def downgrade() -> None:
    """Create a job for each pending event again."""
    op.drop_index("ix_events_unrelayed", table_name="events")
    op.execute(
        "INSERT INTO jobs"
        " (tenant_id, id, kind, key, payload, created_at, run_at, set_at, attempts)"
        " SELECT tenant_id, 'job_' || substr(id, 5), 'events.relay', id, '{}', at, next_at, at,"
        " attempts FROM events WHERE relayed_at IS NULL"
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_column("next_at")
        batch_op.drop_column("attempts")
