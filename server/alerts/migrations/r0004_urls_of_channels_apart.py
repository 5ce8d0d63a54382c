"""URLs of channels apart from their settings, so that they can be sealed.

A migration has no keys: the server seals them when it starts.
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
    """Make it so."""
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
    """Undo it. Sealed URLs are lost: an earlier version does not open them."""
    op.drop_column("notification_channels", "url")
