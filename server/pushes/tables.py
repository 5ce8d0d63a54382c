"""The table of groups of pushed metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import String
from novaql.server.db.rows import Base, Row


class PushGroup(Row, Base):
    """The metrics of a group.

    labels      the grouping labels; `key`: a digest of them
    families    names of its metric families → their types
    content     its series, each with its last value (`samples.encoded`); `octets`: their size
    pushed_at   time of the last push; None: none was successful
    failed_at   time of the last push that was rejected; None: none was
    sampled_ms  time of the samples of the last change
    """

    __tablename__ = "push_groups"
    __table_args__ = (UniqueConstraint("tenant_id", "key", name="uq_push_groups_tenant_id_key"),)

    key: Mapped[str] = mapped_column(String(64))
    labels: Mapped[dict[str, Any]]
    families: Mapped[dict[str, Any]] = mapped_column(default=dict)
    content: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    octets: Mapped[int] = mapped_column(BigInteger, default=0)
    pushed_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    sampled_ms: Mapped[int] = mapped_column(BigInteger, default=0)
