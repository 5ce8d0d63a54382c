"""Tables of groups and their members."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id
from novaql.server.db.rows import Base, Row, TenantRow


class ScimGroup(Row, Base):
    """A group. Each member has its own row, so an addition does not read the other members."""

    __tablename__ = "scim_groups"
    __table_args__ = (Index("ix_scim_groups_name", "tenant_id", "name_key"),)

    name_key: Mapped[str]
    attributes: Mapped[dict[str, Any]]


class ScimMember(TenantRow, Base):
    """A user or a group in a group."""

    __tablename__ = "scim_members"

    group_id: Mapped[str] = mapped_column(
        Id, ForeignKey("scim_groups.id", ondelete="CASCADE"), primary_key=True
    )
    member_id: Mapped[str] = mapped_column(primary_key=True, index=True)
    attributes: Mapped[dict[str, Any]]
