"""The table of exports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String
from novaql.server.db.rows import Base, Row


class AuditExport(Row, Base):
    """A file with the entries of a time range, written once.

    content      file, compressed with gzip; None until it is written
    sha256       digest of the decompressed file
    token_id, creator_id  token that created the export, and its user: the URL is invalid after the
                 token is revoked or expires, and while the user is deactivated or not an
                 administrator
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
