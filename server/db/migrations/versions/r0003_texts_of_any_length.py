"""Columns of texts have no limit in PostgreSQL, as in SQLite."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from novaql.server.db.migrate import load_tables
from novaql.server.db.rows import Base

revision = "platform_0003"
down_revision = "platform_0002"
branch_labels = None
depends_on = None

_LIMITED = text(
    "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND data_type = 'character varying'"
)


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    load_tables()
    for table, column in connection.execute(_LIMITED).all():
        if table in Base.metadata.tables:
            op.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE TEXT')


def downgrade() -> None:
    """Restore the limits. Fails if a text is longer than its column was."""
