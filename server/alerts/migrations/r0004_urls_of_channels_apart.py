"""Move URLs of channels out of their settings, so that they can be sealed.

A migration has no keys, so the server seals them when it starts.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "alerts_0004"
down_revision = "alerts_0003"
branch_labels = None
depends_on = None

_CHANNELS = sa.table(
    "notification_channels",
    sa.column("id", sa.Text()),
    sa.column("type", sa.Text()),
    sa.column("settings", sa.JSON().with_variant(JSONB(), "postgresql")),
    sa.column("url", sa.Text()),
)


def upgrade() -> None:
    """Apply the migration."""
    op.add_column(
        "notification_channels",
        sa.Column("url", sa.Text(), nullable=False, server_default=""),
    )
    connection = op.get_bind()
    webhooks = sa.select(_CHANNELS.c.id, _CHANNELS.c.settings).where(_CHANNELS.c.type == "webhook")
    for key, settings in connection.execute(webhooks).all():
        rest = {name: value for name, value in settings.items() if name != "url"}
        moved = sa.update(_CHANNELS).where(_CHANNELS.c.id == key)
        connection.execute(moved.values(settings=rest, url=settings.get("url", "")))


def downgrade() -> None:
    """Revert the migration. Sealed URLs are lost: an earlier version cannot unseal them."""
    op.drop_column("notification_channels", "url")
