"""Columns that the tables of all domains share, for migrations that create tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from novaql.server.db.columns import Id, Instant


def tenant_column() -> sa.Column[str]:
    """Return `tenant_id` of a `TenantRow`, with its foreign key and index."""
    return sa.Column("tenant_id", Id, sa.ForeignKey("tenants.id"), nullable=False, index=True)


def resource_columns() -> tuple[sa.Column[Any], ...]:
    """Return the columns of a `Row`."""
    return (
        sa.Column("id", Id, primary_key=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        tenant_column(),
    )
