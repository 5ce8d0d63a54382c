"""Lengths of the contents of actions, so that lists need not read the contents; and the salts with
which the ledger hashes texts of people. Existing actions get a salt with their next text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.ledger import canonical_json
from novaql.server.db.columns import Json

revision = "agents_0002"
down_revision = "agents_0001"
branch_labels = None
depends_on = None

_ACTIONS = sa.table(
    "agent_actions",
    sa.column("id", sa.Text()),
    sa.column("content", Json),
    sa.column("content_bytes", sa.Integer()),
)


def upgrade() -> None:
    """Apply the migration."""
    op.add_column(
        "agent_actions",
        sa.Column("content_bytes", sa.Integer(), nullable=False, server_default="0"),
    )
    op.add_column(
        "agent_actions",
        sa.Column("salt", sa.String(length=64), nullable=False, server_default=""),
    )
    connection = op.get_bind()
    ids = connection.execute(sa.select(_ACTIONS.c.id)).scalars().all()
    for key in ids:
        wanted = sa.select(_ACTIONS.c.content).where(_ACTIONS.c.id == key)
        length = len(canonical_json(connection.execute(wanted).scalar_one()))
        row = sa.update(_ACTIONS).where(_ACTIONS.c.id == key)
        connection.execute(row.values(content_bytes=length))


def downgrade() -> None:
    """Revert the migration."""
    with op.batch_alter_table("agent_actions", schema=None) as batch_op:
        batch_op.drop_column("salt")
        batch_op.drop_column("content_bytes")
