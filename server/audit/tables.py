"""The table of exports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String
from novaql.server.db.rows import Base, Row


class AuditExport(Row, Base):
    """Entries of some time as one file, as they were when it was asked for.

    content      the file, gzipped; None while it is being written
    sha256       of the file, unpacked
    token_id, creator_id  whose token asked: without either the URL opens nothing
    """

    __tablename__ = "audit_exports"

    from_at: Mapped[datetime]
    to_at: Mapped[datetime]
    format: Mapped[str] = mapped_column(String(8))
    filters: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(String(16))
    entries: Mapped[int] = mapped_column(default=0)
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    sha256: Mapped[str | None] = mapped_column(String(64))
    expires_at: Mapped[datetime]
    token_id: Mapped[str] = mapped_column(Id)
    creator_id: Mapped[str] = mapped_column(Id)
