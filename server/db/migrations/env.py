"""Run by Alembic: migrates over the given connection, inside its transaction.

`comparison` has further options, for `db/revise.py`.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from novaql.server.db.rows import Base

connection = context.config.attributes["connection"]
assert isinstance(connection, Connection)
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
    **context.config.attributes.get("comparison", {}),
)
context.run_migrations()
